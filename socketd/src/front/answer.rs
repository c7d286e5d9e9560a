//! The body of an answer, which says when it is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::patience::Head;

/// A body whose end, however it comes, lets the next head begin.
pub(super) struct Answer {
    body: Body,
    head: Arc<Head>,
}

impl Answer {
    pub(super) fn new(body: Body, head: Arc<Head>) -> Self {
        Self { body, head }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.head.finish();
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
