//! What the server does about each message of a welcome agent.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Bytes;

use super::calls::{Pending, Piece, Reply, Said};
use super::hub::{State, now_ms};

/// Does what the message asks for.
pub(super) fn heard(state: &mut State, link: u64, environment: u64, message: Value) {
    match message["type"].as_str().unwrap_or_default() {
        "ping" => state.say(link, &json!({ "type": "pong", "timestamp": now_ms() })),
        "pong" => {}
        "metrics" => state.seen.metrics.push((environment, message)),
        "container_event" => state.seen.events.push((environment, message["event"].clone())),
        "response" => answer(state, &message),
        "stream" | "stream_end" => piece(state, &message),
        "error" => failure(state, &message),
        "exec_ready" | "exec_output" | "exec_end" => terminal(state, link, &message),
        _ => state.seen.unknown.push(message),
    }
}

fn id<'a>(message: &'a Value, name: &str) -> &'a str {
    message[name].as_str().unwrap_or_default()
}

fn decoded(message: &Value, name: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(message[name].as_str()?).ok()
}

fn answer(state: &mut State, message: &Value) {
    let request = id(message, "requestId");
    if !matches!(state.pending.get(request), Some(Pending::Plain { .. })) {
        return state.seen.strays.push(message.clone());
    }
    let Some(Pending::Plain { sender, pieces, .. }) = state.pending.remove(request) else {
        return;
    };
    let reply = reply(message, pieces);
    if let Err(thrown) = &reply {
        state.seen.threw.push(thrown.clone());
    }
    // Whoever asked may have stopped waiting.
    let _ = sender.send(reply);
}

/// What its runtime makes of an answer; it throws where that is none.
fn reply(message: &Value, pieces: Vec<Vec<u8>>) -> Result<Reply, String> {
    let status = message["statusCode"].as_u64().unwrap_or(0);
    if !(200..600).contains(&status) {
        return Err(format!("Response constructor: {status} is not in 200..599"));
    }
    let is_bodiless = matches!(status, 204 | 205 | 304);
    if is_bodiless && message.get("body").is_some_and(|body| !body.is_null()) {
        return Err(format!(
            "Response constructor: Invalid response status code {status}"
        ));
    }
    let is_binary = message["isBinary"] == true;
    let body = if is_binary {
        decoded(message, "body").ok_or("a body that is not base64")?
    } else {
        id(message, "body").as_bytes().to_vec()
    };
    Ok(Reply {
        status: u16::try_from(status).unwrap_or(0),
        headers: message["headers"].clone(),
        body,
        is_binary,
        pieces,
    })
}

/// Hands on what streams as it came, where only its length counts. Whether the message was that.
pub(super) fn undecoded(state: &State, message: &Bytes) -> bool {
    let cut = || {
        let rest = message.strip_prefix(br#"{"type":"stream","requestId":""#)?;
        let end = rest.iter().position(|byte| *byte == b'"')?;
        let (request, rest) = rest.split_at_checked(end)?;
        let data = rest.strip_prefix(br#"","data":""#)?.strip_suffix(br#""}"#)?;
        Some((std::str::from_utf8(request).ok()?, data))
    };
    let Some((request, data)) = cut() else {
        return false;
    };
    if let Some(Pending::Stream { sender, .. }) = state.pending.get(request) {
        let _ = sender.send(Piece::Data(message.slice_ref(data)));
        return true;
    }
    false
}

fn piece(state: &mut State, message: &Value) {
    let request = id(message, "requestId");
    let is_end = message["type"] == "stream_end";
    let data = decoded(message, "data").unwrap_or_default();
    match state.pending.get_mut(request) {
        Some(Pending::Plain { pieces, .. }) if !is_end => pieces.push(data),
        Some(Pending::Stream { sender, .. }) => {
            let piece = if is_end {
                Piece::End(id(message, "reason").to_owned())
            } else {
                Piece::Data(data.into())
            };
            let _ = sender.send(piece);
            if is_end {
                state.pending.remove(request);
            }
        }
        _ => state.seen.strays.push(message.clone()),
    }
}

/// Ends a terminal; a request that failed so goes on waiting until its time is up.
fn failure(state: &mut State, message: &Value) {
    let key = match id(message, "execId") {
        "" => id(message, "requestId"),
        key => key,
    };
    if let Some(Pending::Exec { sender, .. }) = state.pending.get(key) {
        let text = match id(message, "message") {
            "" => id(message, "error"),
            text => text,
        };
        let _ = sender.send(Said::Error(text.to_owned()));
        state.pending.remove(key);
    }
    state.seen.errors.push(message.clone());
}

fn terminal(state: &mut State, link: u64, message: &Value) {
    let key = id(message, "execId");
    let Some(Pending::Exec { sender, .. }) = state.pending.get(key) else {
        return state.seen.strays.push(message.clone());
    };
    let said = match id(message, "type") {
        // The real one takes no notice of it.
        "exec_ready" => Said::Ready,
        // Each message by itself: a letter that is cut in two is broken.
        "exec_output" => {
            let bytes = decoded(message, "data").unwrap_or_default();
            Said::Output(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => Said::End(id(message, "reason").to_owned()),
    };
    let is_end = matches!(said, Said::End(_));
    let _ = sender.send(said);
    if is_end {
        let back = json!({ "type": "exec_end", "execId": key, "reason": "user_closed" });
        state.pending.remove(key);
        state.say(link, &back);
    }
}
