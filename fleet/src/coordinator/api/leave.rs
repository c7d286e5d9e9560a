//! How long somebody may go on with what they asked for: until their key is removed, or the node that they may see is
//! shut out.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;

use super::answer::ApiError;
use super::principal::Principal;
use super::{Desk, entrance};
use crate::coordinator::store::Digest;

/// What those are told whose leave is withdrawn, where there is a word to tell it by.
pub(super) const WITHDRAWN: &str = "the key was removed, or the node shut out";

/// Has everybody who has something open look whether they may still come in.
#[derive(Debug)]
pub(super) struct Leaves(watch::Sender<()>);

impl Default for Leaves {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Leaves {
    /// Somebody may no longer come in: what they have open ends soon.
    pub(super) fn recall(&self) {
        self.0.send_replace(());
    }
}

/// Somebody's leave to go on. What holds it looks again each time that a key or a node goes; in between it costs nothing.
#[derive(Clone)]
pub(super) struct Leave {
    desk: Arc<Desk>,
    recalls: watch::Receiver<()>,
    /// Of the key that was shown, if one was.
    key: Option<Digest>,
    /// The one node that they may see, and when it was let in: of the same id there may be another, later.
    node: Option<(Box<str>, i64)>,
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leave")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl Leave {
    /// To be made before anything is looked up: what goes in between is noticed.
    pub(super) fn new(desk: &Arc<Desk>) -> Self {
        Self {
            recalls: desk.leaves.0.subscribe(),
            desk: Arc::clone(desk),
            key: None,
            node: None,
        }
    }

    /// Of whom.
    pub(super) fn of(mut self, principal: &Principal, key: Option<Digest>) -> Self {
        let node = principal
            .own_node()
            .and_then(|node_id| self.desk.state.node(node_id));
        self.node = node.map(|node| (Box::from(&*node.node_id), node.enrolled_at));
        self.key = key;
        self
    }

    /// Ends when it is withdrawn.
    pub(super) async fn withdrawn(mut self) {
        // Whoever has the machine, or a certificate, is here for good.
        if self.key.is_some() || self.node.is_some() {
            while self.recalls.changed().await.is_ok() {
                if !self.holds().await {
                    return;
                }
            }
        }
        std::future::pending().await
    }

    async fn holds(&self) -> bool {
        let knows_node = self.node.as_ref().is_none_or(|(node_id, enrolled_at)| {
            let node = self.desk.state.node(node_id);
            node.is_some_and(|node| node.enrolled_at == *enrolled_at)
        });
        match self.key {
            // Where nobody can tell, nobody goes on.
            Some(key) if knows_node => matches!(self.desk.registry.key_of(key).await, Ok(Some(_))),
            _ => knows_node,
        }
    }

    /// The answer, of which nothing more comes once this is withdrawn.
    pub(super) fn bounds(self, answer: Response) -> Response {
        if answer.body().is_end_stream() || (self.key.is_none() && self.node.is_none()) {
            return answer;
        }
        answer.map(|body| {
            Body::new(Bounded {
                body,
                withdrawn: Some(Box::pin(self.withdrawn())),
            })
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Leave {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(entrance::stranger)
    }
}

/// A body that breaks off: whoever reads it must not take it for whole.
struct Bounded {
    body: Body,
    withdrawn: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(withdrawn) = &mut self.withdrawn else {
            return Poll::Ready(None);
        };
        if withdrawn.as_mut().poll(cx).is_ready() {
            self.withdrawn = None;
            // What it comes from ends now, whether or not this is dropped soon.
            self.body = Body::empty();
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(WITHDRAWN)))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.withdrawn.is_some() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
