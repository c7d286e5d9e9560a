//! The one HTTP request that begins a WebSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
};
use hyper::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};

use super::{DialError, Stream};
use crate::hawser::settings::Server;
use crate::limits;

/// What the WebSocket's frames go over.
pub(crate) type Line = TokioIo<hyper::upgrade::Upgraded>;

/// What RFC 6455 wants behind the key.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Asks for a WebSocket.
pub(super) async fn shake(stream: impl Stream, server: &Server) -> Result<Line, DialError> {
    let key = key()?;
    let request = Request::get(server.target())
        .header(HOST, server.authority())
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key)
        .header(USER_AGENT, concat!("socketd-fleet/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| DialError::Handshake(error.to_string()))?;
    let failed = |error: hyper::Error| DialError::Handshake(error.to_string());
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(limits::HANDSHAKE_HEAD_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // It ends when it becomes a stream of bytes, or with the answer.
    tokio::spawn(connection.with_upgrades());
    let answer = sender.send_request(request).await.map_err(failed)?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(DialError::Refused(answer.status().as_u16()));
    }
    check(answer.headers(), &key).map_err(|text| DialError::Handshake(text.to_owned()))?;
    Ok(TokioIo::new(hyper::upgrade::on(answer).await.map_err(failed)?))
}

fn key() -> Result<String, DialError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| DialError::Handshake(error.to_string()))?;
    Ok(STANDARD.encode(random))
}

/// Whether an answer is that of a WebSocket to this key.
fn check(headers: &HeaderMap, key: &str) -> Result<(), &'static str> {
    let says = |name: HeaderName, word: &str| {
        let values = headers.get_all(name);
        let mut words = values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        words.any(|found| found.trim().eq_ignore_ascii_case(word))
    };
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(MAGIC.as_bytes());
    let proof = STANDARD.encode(hash.finalize());
    if !says(UPGRADE, "websocket") || !says(CONNECTION, "upgrade") {
        return Err("it does not say that it changes to one");
    }
    if headers
        .get(SEC_WEBSOCKET_ACCEPT)
        .is_none_or(|accept| accept != proof.as_str())
    {
        return Err("its proof is wrong");
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err("it uses an extension that nobody asked for");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        // Key and proof of RFC 6455, 1.3.
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let check = |lines: &[(&'static str, &str)], expected: bool| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(super::check(&headers, key).is_ok(), expected, "{lines:?}");
        };
        let upgrade = ("upgrade", "WebSocket");
        let connection = ("connection", "keep-alive, Upgrade");
        let accept = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        check(&[upgrade, connection, accept], true);
        check(&[connection, accept], false);
        check(&[upgrade, accept], false);
        check(&[upgrade, connection], false);
        check(
            &[
                upgrade,
                connection,
                ("sec-websocket-accept", "x3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ],
            false,
        );
        let extension = ("sec-websocket-extensions", "permessage-deflate");
        check(&[upgrade, connection, accept, extension], false);
    }
}
