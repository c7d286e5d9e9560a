//! A node that is connected.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{TunnelError, TunnelStream};
use crate::proto::Samples;

/// A node that is connected; clones are the same connection.
#[derive(Debug, Clone)]
pub struct Line {
    node_id: Arc<str>,
}

impl Line {
    /// A stream to the node's Docker socket, where `first` is written before anything else.
    ///
    /// # Errors
    /// There is none, and why.
    pub async fn dial(&self, _first: Bytes) -> Result<TunnelStream, TunnelError> {
        Err(TunnelError::NotConnected)
    }

    /// Whose it is.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// What the node's running containers use; none where it does not say so `within` that time.
    pub async fn sample(&self, _within: Duration) -> Option<Samples> {
        None
    }

    /// Ends when the connection has.
    pub async fn closed(&self) {}
}
