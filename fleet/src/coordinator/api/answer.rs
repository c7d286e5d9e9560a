//! What is answered: JSON, and one shape for everything that went wrong.

use axum::Json;
use axum::http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::reach::ReachError;
use crate::coordinator::TunnelError;
use crate::coordinator::state::StateError;
use crate::coordinator::store::StoreError;
use crate::docker::DockerError;
use crate::limits::FAILURES_PERIOD;

/// What went wrong: a status, a sentence for people, and where there is more to say, that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    detail: Option<String>,
}

/// Why something was not done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorText,
}

/// In words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorText {
    /// What went wrong.
    message: String,
    /// What whoever caused it said, where it was neither the coordinator nor the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl ApiError {
    /// With a sentence.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            detail: None,
        }
    }

    /// With what somebody else said.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// 400: what was asked makes no sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: there is none.
    pub fn none(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 403: whoever asks may not.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: there is no such node, or not for whoever asks.
    pub fn no_node() -> Self {
        Self::none("there is no such node")
    }

    /// 404: there is no such container.
    pub fn no_container() -> Self {
        Self::none("there is no such container")
    }

    /// What its status is.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same in the shape of Docker's errors.
    pub fn into_docker(self) -> Response {
        let text = match &self.detail {
            None => self.message.clone(),
            Some(detail) => format!("{}: {detail}", self.message),
        };
        let body = Json(serde_json::json!({ "message": text }));
        self.dressed((self.status, body).into_response())
    }

    /// With the headers that go with its status.
    fn dressed(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                let basic = HeaderValue::from_static("Basic realm=\"socketd-fleet\", charset=\"UTF-8\"");
                headers.append(WWW_AUTHENTICATE, basic);
                headers.append(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"socketd-fleet\""),
                );
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, HeaderValue::from(FAILURES_PERIOD.as_secs()));
            }
            // A body that nobody reads may still come.
            StatusCode::PAYLOAD_TOO_LARGE => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: ErrorText {
                message: self.message.clone(),
                detail: self.detail.clone(),
            },
        };
        self.dressed((self.status, Json(body)).into_response())
    }
}

impl From<ReachError> for ApiError {
    fn from(error: ReachError) -> Self {
        match error {
            ReachError::Tunnel(error) => error.into(),
            ReachError::Docker(error) => error.into(),
        }
    }
}

impl From<TunnelError> for ApiError {
    fn from(error: TunnelError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_GATEWAY);
        match error {
            TunnelError::Refused(text) => {
                Self::new(status, "the node cannot reach its Docker").with_detail(text)
            }
            error => Self::new(status, error.to_string()),
        }
    }
}

impl From<DockerError> for ApiError {
    fn from(error: DockerError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_GATEWAY);
        match error {
            // Docker's own no: it is kept as it is.
            DockerError::Refused(status, text) => {
                let kept = StatusCode::from_u16(status)
                    .ok()
                    .filter(|status| status.is_client_error() || status.is_server_error());
                Self::new(kept.unwrap_or(StatusCode::BAD_GATEWAY), "Docker refuses").with_detail(text)
            }
            DockerError::Broken(_) => {
                Self::new(status, "the node's Docker broke off").with_detail(error.to_string())
            }
            error => Self::new(status, error.to_string()),
        }
    }
}

impl From<StateError> for ApiError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::NoNode => Self::no_node(),
            StateError::Store(error) => error.into(),
            StateError::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::KeyExists | StoreError::PortExists | StoreError::NodeExists => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            StoreError::Full(..) => Self::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
            error => {
                // Where the file is concerns whoever reads the log.
                tracing::error!(%error, "the store failed");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the coordinator's store fails")
            }
        }
    }
}
