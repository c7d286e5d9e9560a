//! What comes with a request: JSON of bounded length.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};
use tokio::time::timeout;

use super::answer::ApiError;
use crate::limits::{API_BODY, API_BODY_MAX};

/// A whole number, whichever way JSON writes it: `5.0` is one.
///
/// # Errors
/// It is none, or too large.
pub(super) fn whole<'a, D: Deserializer<'a>>(from: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(from)? else {
        return Ok(None);
    };
    let text = number.to_string();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    let whole = digits
        .parse()
        .map_err(|_| D::Error::custom("it is no whole number"))?;
    Ok(Some(whole))
}

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
        // Fields without their names would be taken for an object, too.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::bad("the body is to be one JSON object"));
        }
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            ApiError::bad("the body is not what is asked for").with_detail(error.to_string())
        })
    }
}
