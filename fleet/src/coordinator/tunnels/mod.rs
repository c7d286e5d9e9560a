//! Streams of bytes from here to the Docker sockets of nodes.

mod line;
mod lines;
mod pending;

use std::fmt;

pub use crate::tunnel::TunnelStream;
pub use line::Line;
pub(crate) use line::{Caller, cut, refusal};
pub use lines::{Lines, Route, Routing};

/// Why there is no stream to a node's Docker socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TunnelError {
    /// The node is not connected, or went while it was asked.
    NotConnected,
    /// It did not open the stream in time.
    Late,
    /// It, or all nodes together, have as many streams as they may.
    Full,
    /// It says that it cannot: mostly that Docker does not answer there.
    Refused(String),
}

impl TunnelError {
    /// The status for who asked for something that this kept from them.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotConnected | Self::Refused(_) => 502,
            Self::Late => 504,
            Self::Full => 503,
        }
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("the node is not connected"),
            Self::Late => f.write_str("the node did not answer in time"),
            Self::Full => f.write_str("the node has too many streams open"),
            Self::Refused(text) => write!(f, "the node refuses: {text}"),
        }
    }
}

impl std::error::Error for TunnelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_statuses() {
        let check = |error: TunnelError, expected: u16| assert_eq!(error.status(), expected, "{error}");
        check(TunnelError::NotConnected, 502);
        check(TunnelError::Late, 504);
        check(TunnelError::Full, 503);
        check(TunnelError::Refused("no".to_owned()), 502);
    }
}
