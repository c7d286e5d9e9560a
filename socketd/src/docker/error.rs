//! One table from what went wrong to a status and Docker's sentence.

use serde::Serialize;
use wire::Refusal;

/// An answer that is not a success: its status, and the sentence under `message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiError {
    /// HTTP status. 304 goes without a body.
    #[serde(skip)]
    pub status: u16,
    /// The sentence, as Docker words it.
    pub message: String,
}

impl ApiError {
    /// Any status with any sentence.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
    /// 304: nothing to do. Goes without a body.
    #[must_use]
    pub fn not_modified() -> Self {
        Self::new(304, "")
    }
    /// 400: the request is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }
    /// 403: never, whoever asks.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }
    /// 404: there is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }
    /// 409: not as things stand.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }
    /// 500: something went wrong inside.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }
    /// 501: not served, and what it is.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, message)
    }
    /// 503: not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, message)
    }
}

/// What was tried, because Docker words one refusal differently for different acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// Looking at a container.
    Inspect,
    /// Starting it.
    Start,
    /// Stopping it.
    Stop,
    /// Stopping and starting it.
    Restart,
    /// Sending a signal to the container the client calls so.
    Kill {
        /// The name or id as the client wrote it.
        reference: &'a str,
    },
    /// Removing it.
    Remove,
    /// Renaming it.
    Rename,
    /// Making one.
    Create,
    /// Waiting for one.
    Wait,
    /// Looking at an image the client calls so.
    ImageInspect {
        /// The name or id as the client wrote it.
        reference: &'a str,
    },
    /// Removing an image the client calls so.
    ImageRemove {
        /// The name or id as the client wrote it.
        reference: &'a str,
    },
    /// Naming an image.
    ImageTag,
    /// Importing one.
    Import,
    /// Anything else.
    Other,
}

/// What Docker would answer.
#[must_use]
pub fn from_refusal(refusal: &Refusal, _act: Act<'_>) -> ApiError {
    ApiError::internal(refusal.to_string())
}
