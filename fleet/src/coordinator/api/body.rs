//! What comes with a request: JSON of bounded length.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer::ApiError;
use crate::limits::{API_BODY, API_BODY_MAX};

/// A body that is JSON of this shape.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body is to be application/json",
            ));
        }
        let read = Limited::new(request.into_body(), API_BODY_MAX).collect();
        let body = match timeout(API_BODY, read).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("a body has at most {API_BODY_MAX} bytes"),
                ));
            }
            Ok(Err(_)) => return Err(ApiError::bad("the body broke off")),
            Err(_late) => {
                return Err(ApiError::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "the body did not come to its end",
                ));
            }
        };
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            ApiError::bad("the body is not what is asked for").with_detail(error.to_string())
        })
    }
}
