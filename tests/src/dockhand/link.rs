//! One connection: what goes out in its order, what comes in one after the other.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::door::Transport;
use super::heard;
use super::hub::Hub;

type Socket = WebSocketStream<Transport>;

/// How long an agent that was told to go may take before its connection is ended.
const GOODBYE: Duration = Duration::from_secs(30);
/// How long what was too large leaves the agent to hear that it was.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How messages are put into frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// A text frame each, as the real one does.
    #[default]
    Text,
    /// A binary frame each.
    Binary,
    /// Text in fragments of so many bytes (0: empty ones between those of one byte), with a ping of WebSocket's own
    /// after each sixteenth.
    Fragments(usize),
}

/// What a connection is told to do.
#[derive(Debug)]
pub(super) enum Order {
    Say(Vec<u8>, Manner),
    /// A frame as it is, be it wrong.
    Frame(Frame),
    Close(u16, &'static str),
    /// Ends without a close frame.
    Terminate,
}

/// Serves a connection until it ends.
pub(super) async fn serve(hub: Arc<Hub>, socket: Socket, address: String) {
    let (sender, orders) = unbounded_channel();
    let gone = Arc::new(Notify::new());
    let id = hub.with(|state| state.open(address, sender, Arc::clone(&gone)));
    let (sink, stream) = socket.split();
    let how = tokio::select! {
        how = read(&hub, id, stream) => how,
        how = write(sink, orders) => how,
        () = gone.notified() => "terminated".to_owned(),
    };
    hub.with(|state| state.closed(id, how));
}

async fn read(hub: &Arc<Hub>, id: u64, mut stream: SplitStream<Socket>) -> String {
    let mut reads = hub.reads.subscribe();
    let mut is_asked = false;
    loop {
        // Its sender lives as long as the hub.
        let _ = reads.wait_for(|reads| *reads).await;
        let Some(message) = stream.next().await else {
            return "closed".to_owned();
        };
        match message {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                let message = message.into_data();
                if !hub.options.decodes && hub.with(|state| heard::undecoded(state, &message)) {
                    continue;
                }
                let (message, kind) = parse(&message);
                if is_cut(hub, id, &kind) {
                    // What is behind it was never heard, and is answered by nobody.
                    return "terminated".to_owned();
                }
                hear(hub, id, (message, &kind), &mut is_asked);
            }
            Ok(Message::Close(frame)) => {
                return frame.map_or_else(
                    || "1005".to_owned(),
                    |frame| format!("{} {}", u16::from(frame.code), frame.reason),
                );
            }
            Ok(Message::Pong(_)) => hub.with(|state| state.seen.control_pongs += 1),
            Ok(Message::Ping(_) | Message::Frame(_)) => {}
            Err(Error::Capacity(error)) => {
                hub.with(|state| state.order(id, Order::Close(1009, "")));
                // The agent may say more; nobody hears it.
                let _ = tokio::time::timeout(LAST_WORD, pending::<()>()).await;
                return error.to_string();
            }
            Err(error) => return error.to_string(),
        }
    }
}

/// Counts a message. Whether it is the last that comes over this line.
fn is_cut(hub: &Arc<Hub>, id: u64, kind: &str) -> bool {
    hub.with(|state| {
        state.touch(id);
        *state.seen.kinds.entry(kind.to_owned()).or_default() += 1;
        let is_cut = state.cuts.iter_mut().any(|cut| cut.is_due_to_hear(kind));
        state.cuts.retain(|cut| !cut.is_over());
        is_cut
    })
}

/// A message and its type. What can be read as neither is left alone, as is what is no object.
fn parse(bytes: &[u8]) -> (Value, String) {
    let message: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let kind = message["type"].as_str().unwrap_or("?").to_owned();
    (message, kind)
}

fn hear(hub: &Arc<Hub>, id: u64, (message, kind): (Value, &str), is_asked: &mut bool) {
    if !message.is_object() {
        return hub.with(|state| state.seen.unparseable += 1);
    }
    if let Some(environment) = hub.with(|state| state.environment_of(id)) {
        return hub.with(|state| heard::heard(state, id, environment, message));
    }
    if kind == "hello" && !*is_asked {
        *is_asked = true;
        return check(hub, id, message);
    }
    let refusal = json!({ "type": "error", "message": "Not authenticated" });
    hub.with(|state| state.say(id, &refusal));
}

/// Looks at a token, which takes its time: what comes meanwhile comes too early.
fn check(hub: &Arc<Hub>, id: u64, hello: Value) {
    let hub = Arc::clone(hub);
    let check = hub.options.check;
    if check.is_zero() {
        return hub.with(|state| state.admit(id, &hello, &hub.options));
    }
    tokio::spawn(async move {
        let _ = tokio::time::timeout(check, pending::<()>()).await;
        hub.with(|state| state.admit(id, &hello, &hub.options));
    });
}

async fn write(mut sink: SplitSink<Socket, Message>, mut orders: UnboundedReceiver<Order>) -> String {
    while let Some(order) = orders.recv().await {
        let sent = match order {
            Order::Say(bytes, manner) => say(&mut sink, bytes, manner).await,
            Order::Frame(frame) => sink.send(Message::Frame(frame)).await,
            Order::Close(code, reason) => {
                let frame = CloseFrame {
                    code: code.into(),
                    reason: Utf8Bytes::from_static(reason),
                };
                let sent = sink.send(Message::Close(Some(frame))).await;
                if sent.is_ok() {
                    // The agent closes in its turn, and that is heard.
                    let _ = tokio::time::timeout(GOODBYE, pending::<()>()).await;
                    return format!("told {code} {reason}");
                }
                sent
            }
            Order::Terminate => return "terminated".to_owned(),
        };
        if let Err(error) = sent {
            return error.to_string();
        }
    }
    "nobody is left to give orders".to_owned()
}

async fn say(
    sink: &mut SplitSink<Socket, Message>,
    bytes: Vec<u8>,
    manner: Manner,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let size = match manner {
        Manner::Text => {
            let text = Utf8Bytes::try_from(bytes).map_err(|_| Error::AttackAttempt)?;
            return sink.send(Message::Text(text)).await;
        }
        Manner::Binary => return sink.send(Message::binary(bytes)).await,
        Manner::Fragments(size) => size,
    };
    let bytes = Bytes::from(bytes);
    let step = size.max(1);
    let count = bytes.len().div_ceil(step);
    for at in 0..count {
        let kind = if at == 0 { Data::Text } else { Data::Continue };
        let part = bytes.slice(at * step..bytes.len().min((at + 1) * step));
        let is_last = at + 1 == count && size > 0;
        sink.feed(Message::Frame(Frame::message(part, OpCode::Data(kind), is_last)))
            .await?;
        if at % 16 == 15 {
            sink.feed(Message::Ping(Bytes::from_static(b"between"))).await?;
        }
        if size == 0 {
            let empty = Frame::message(Bytes::new(), OpCode::Data(Data::Continue), at + 1 == count);
            sink.feed(Message::Frame(empty)).await?;
        }
    }
    sink.flush().await
}
