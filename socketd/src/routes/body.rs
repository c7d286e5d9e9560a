//! Reading a request's body, whole and small.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

use crate::docker::error::ApiError;
use crate::limits::{JSON_BODY_BYTES_MAX, JSON_BODY_TIME_MAX};

/// The whole of a JSON body.
pub(super) async fn read(body: Body) -> Result<Bytes, ApiError> {
    let whole = Limited::new(body, JSON_BODY_BYTES_MAX).collect();
    match timeout(JSON_BODY_TIME_MAX, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(ApiError::new(
            413,
            format!("the request's body is longer than {JSON_BODY_BYTES_MAX} bytes"),
        )),
        Ok(Err(_)) => Err(ApiError::bad_request("unexpected EOF")),
        Err(_) => Err(ApiError::new(408, "the request's body did not arrive in time")),
    }
}
