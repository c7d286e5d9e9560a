//! Reading a request's body, whole and small.

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

use crate::docker::error::ApiError;
use crate::limits::{JSON_BODY_BYTES_MAX, JSON_BODY_TIME_MAX, REFUSED_BODY_BYTES_MAX, REFUSED_BODY_TIME_MAX};

/// Lets the body of a request arrive that is refused, where that is small.
pub(super) async fn let_arrive(mut body: Body) {
    let small = |bytes| bytes <= REFUSED_BODY_BYTES_MAX;
    if body.size_hint().exact().is_some_and(small) {
        let arrival = async { while let Some(Ok(_)) = body.frame().await {} };
        // The refusal is sent either way.
        let _ = timeout(REFUSED_BODY_TIME_MAX, arrival).await;
    }
}

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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use hyper::body::{Frame, SizeHint};

    use super::*;

    /// A body of some bytes, each a piece of its own, that says how long it will be.
    struct Pieces {
        taken: Arc<AtomicUsize>,
        count: usize,
        promised: u64,
    }

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.taken.load(Ordering::Relaxed) == self.count {
                return Poll::Ready(None);
            }
            self.taken.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.promised)
        }
    }

    #[tokio::test]
    async fn of_what_is_refused_the_small_arrives() {
        for (promised, expected) in [
            (3, 3),
            (REFUSED_BODY_BYTES_MAX, 3),
            (REFUSED_BODY_BYTES_MAX + 1, 0),
        ] {
            let taken = Arc::new(AtomicUsize::new(0));
            let pieces = Pieces {
                taken: Arc::clone(&taken),
                count: 3,
                promised,
            };
            let_arrive(Body::new(pieces)).await;
            assert_eq!(taken.load(Ordering::Relaxed), expected, "{promised}");
        }
    }
}
