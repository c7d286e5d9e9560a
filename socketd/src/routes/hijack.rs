//! Connections that a stream takes over.
//!
//! A client that asks to upgrade gets 101 and then both directions for itself; any other gets 200
//! and can only read.

use std::io::Cursor;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;

use super::Desk;
use crate::docker::attach::RAW;
use crate::docker::endpoints::ApiVersion;
use crate::docker::error::ApiError;
use crate::ending::Ending;
use crate::limits::STREAM_PAUSE;
use crate::patience::Patience;
use crate::policy::crowd::Member;
use crate::policy::failures::Source;
use crate::streams::{End, HangUp, Inward, Output, converse};

/// Whoever asked for a stream.
pub(super) struct Client {
    upgrade: Option<OnUpgrade>,
    permit: Permit,
    ending: Ending,
}

/// The version of the API that was asked for.
pub(super) fn version(parts: &Parts) -> ApiVersion {
    let known = parts.extensions.get().copied();
    known.unwrap_or_else(|| crate::docker::endpoints::version(""))
}

/// One stream that is open: one of all, and one of its caller's.
pub(super) struct Permit {
    _of_all: OwnedSemaphorePermit,
    /// None where nothing shows who calls.
    _of_caller: Option<Member>,
}

/// Admission for one more stream.
pub(super) fn admit(desk: &Desk, extensions: &Extensions) -> Result<Permit, ApiError> {
    let of_caller = match extensions.get::<Source>() {
        None => None,
        Some(source) => {
            let member = desk.streamers.admit(*source, desk.limits.streams_per_caller());
            let full =
                || ApiError::unavailable("too many streams are open from where this request comes from");
            Some(member.ok_or_else(full)?)
        }
    };
    let of_all = Arc::clone(&desk.streams)
        .try_acquire_owned()
        .map_err(|_| ApiError::unavailable("too many streams are open already"))?;
    Ok(Permit {
        _of_all: of_all,
        _of_caller: of_caller,
    })
}

/// The rest of an output as a body.
pub(super) fn body(output: Output, ending: Ending, permit: Option<Permit>) -> Body {
    let state = (output, ending, permit);
    Body::from_stream(stream::unfold(
        state,
        |(mut output, mut ending, permit)| async move {
            let bytes: Option<Bytes> = tokio::select! {
                bytes = output.next() => bytes,
                () = ending.told() => None,
            };
            bytes.map(|bytes| (Ok::<_, std::convert::Infallible>(bytes), (output, ending, permit)))
        },
    ))
}

/// An answer with this type.
pub(super) fn typed(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl Client {
    /// Whoever sent this request.
    pub(super) fn of(parts: &mut Parts, desk: &Desk) -> Result<Self, ApiError> {
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        Ok(Self {
            upgrade: upgrade.filter(|_| parts.headers.contains_key(UPGRADE)),
            permit: admit(desk, &parts.extensions)?,
            ending: desk.ending.clone(),
        })
    }

    /// The head of the answer; the streams follow behind it.
    pub(super) fn serve(self, content_type: &'static str, output: Output, inward: Inward) -> Response {
        let Self {
            upgrade,
            permit,
            ending,
        } = self;
        let Some(upgrade) = upgrade else {
            return typed(StatusCode::OK, RAW, body(output, ending, Some(permit)));
        };
        tokio::spawn(take_over(upgrade, output, inward, ending, permit));
        let mut response = typed(StatusCode::SWITCHING_PROTOCOLS, content_type, Body::empty());
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
        let reason = ReasonPhrase::from_static(b"UPGRADED");
        response.extensions_mut().insert(reason);
        response
    }
}

async fn take_over(
    upgrade: OnUpgrade,
    mut output: Output,
    inward: Inward,
    mut ending: Ending,
    _permit: Permit,
) {
    let Ok(upgraded) = upgrade.await else { return };
    tokio::time::sleep(STREAM_PAUSE).await;
    let end = {
        match upgraded.downcast::<TokioIo<Patience<UnixStream>>>() {
            Ok(parts) => {
                let stream = parts.io.into_inner();
                let gone = gone(HangUp::of(stream.get_ref()));
                let (reader, writer) = tokio::io::split(stream);
                // What had been read of it already comes first.
                let reader = Cursor::new(parts.read_buf).chain(reader);
                let both = tokio::io::join(reader, writer);
                converse(both, gone, &mut output, inward, &mut ending).await
            }
            Err(other) => {
                let never = std::future::pending();
                converse(TokioIo::new(other), never, &mut output, inward, &mut ending).await
            }
        }
    };
    // A process that was let go of goes on, and must not stop at a full pipe.
    if end == End::Detached && matches!(output, Output::Exec(_)) {
        drain(&mut output, ending).await;
    }
}

/// Over when the client is gone, where that can be seen.
async fn gone(watch: std::io::Result<HangUp>) {
    match watch {
        Ok(watch) => watch.wait().await,
        Err(error) => {
            tracing::warn!(%error, "a client's end cannot be watched");
            std::future::pending().await
        }
    }
}

async fn drain(output: &mut Output, mut ending: Ending) {
    let all = async { while output.next().await.is_some() {} };
    tokio::select! {
        () = all => {}
        () = ending.told() => {}
    }
}
