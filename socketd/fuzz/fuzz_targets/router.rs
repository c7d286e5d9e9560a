//! The whole router, over a link to nobody: whatever is asked is answered, and an error is one with a message.
//! The first line is method and target, the following ones are headers up to an empty one, the rest is the body.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use socketd::ending;
use socketd::link::Link;
use socketd::policy::caller::Caller;
use socketd::routes::Entry;
use tokio::runtime::{Builder, Runtime};

struct Scene {
    runtime: Runtime,
    entry: Entry,
    caller: Arc<Caller>,
    // Endless answers would end at once without somebody who may tell.
    _teller: ending::Teller,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let (teller, ending) = ending::channel();
    Scene {
        runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
        entry: Entry::new(Arc::new(Link::new(Path::new("/nonexistent"))), ending),
        caller: Arc::new(Caller::trusted("fuzz")),
        _teller: teller,
    }
});

fn request(bytes: &[u8]) -> Option<Request<Body>> {
    let mut rest = bytes;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = rest.split_at(end);
        rest = &after[1..];
        Some(line)
    };
    let first = line()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::builder().method(&first[..space]).uri(&first[space + 1..]);
    while let Some(header) = line() {
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|byte| *byte == b':')?;
        request = request.header(&header[..colon], &header[colon + 1..]);
    }
    request.body(Body::from(rest.to_vec())).ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = request(bytes) else {
        return;
    };
    let scene = &*SCENE;
    scene.runtime.block_on(async {
        let answer = scene.entry.answer(&scene.caller, request).await;
        let (head, body) = answer.into_parts();
        if head.status.is_client_error() || head.status.is_server_error() {
            let body = body.collect().await.expect("a whole body").to_bytes();
            assert!(
                body.is_empty() || body.starts_with(b"{\"message\":"),
                "{head:?}: {body:?}"
            );
        }
    });
});
