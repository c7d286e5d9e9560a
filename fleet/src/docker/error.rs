//! Why Docker gave no answer.

use std::fmt;
use std::time::Duration;

use super::Address;
use crate::limits;

/// Why there is none. Answers of Docker that say no are answers, not errors.
#[derive(Debug)]
pub enum DockerError {
    /// Nobody accepts there.
    Connect(Address, std::io::Error),
    /// It accepted, and then broke off or spoke no HTTP.
    Broken(hyper::Error),
    /// It did not answer in time.
    Late(Duration),
    /// It answered otherwise than the API has it: with this status and text.
    Refused(u16, String),
    /// It made a stream of what was asked for as a request.
    Stream,
    /// Its answer has another shape than the API has it.
    Shape(serde_json::Error),
    /// Its answer has more than [`limits::DOCKER_ANSWER_MAX`] bytes.
    TooLarge,
}

impl DockerError {
    /// The status for who asked for something that this kept from them: 504 for what came too late, else 502.
    pub fn status(&self) -> u16 {
        if matches!(self, Self::Late(_)) { 504 } else { 502 }
    }
}

impl fmt::Display for DockerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(address, error) => write!(f, "cannot reach Docker at {address}: {error}"),
            Self::Broken(error) => write!(f, "Docker broke off: {error}"),
            Self::Late(bound) => write!(f, "Docker did not answer within {} s", bound.as_secs()),
            Self::Refused(status, text) => write!(f, "Docker answered {status}: {text}"),
            Self::Stream => f.write_str("Docker made a stream of what was a request"),
            Self::Shape(error) => write!(f, "Docker's answer is not as its API has it: {error}"),
            Self::TooLarge => {
                write!(
                    f,
                    "Docker's answer has more than {} bytes",
                    limits::DOCKER_ANSWER_MAX
                )
            }
        }
    }
}

impl std::error::Error for DockerError {}

impl From<hyper::Error> for DockerError {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(error)
    }
}
