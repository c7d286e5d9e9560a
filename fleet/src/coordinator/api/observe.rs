//! `/observe-containers`: every container first, then every change, on a WebSocket.

use std::pin::pin;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use tokio::time::{Instant, interval_at, timeout};
use utoipa::ToSchema;

use super::answer::ApiError;
use super::events::SEQUENCE_MAX;
use super::leave::{Leave, WITHDRAWN};
use super::principal::Principal;
use super::query::Query;
use super::shapes::{ContainersShape, PublishedShape};
use super::{Desk, describe};
use crate::coordinator::state::{Subscription, SubscriptionError};
use crate::coordinator::store::Sequence;
use crate::limits::{SOCKET_MESSAGE_MAX, SOCKET_PING, SOCKET_WRITE};

/// All containers of one node: the first message for each node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Whole<'a> {
    /// What is told from here on has higher numbers; some of it may be in here already.
    sequence: Sequence,
    /// Whose.
    node_id: &'a str,
    /// Whether the node is connected.
    is_connected: bool,
    /// Each of them.
    #[schema(value_type = Vec<super::shapes::ContainerShape>)]
    containers: ContainersShape<'a>,
}

/// The containers of a node, or of every node, then what happens to them: one JSON object a message. `after` resumes
/// behind that number, without the list; where that is no longer possible, the list comes again.
#[utoipa::path(
    get, path = "/observe-containers", tag = "events", params(describe::NodeId, describe::After),
    responses(
        (status = 101, description = "A WebSocket: Whole for each node, then what /api/events has."),
        (status = 426, body = super::answer::ErrorBody, description = "It was not asked for as a WebSocket."),
        describe::OfPath,
    ),
)]
pub(super) async fn observe(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    leave: Leave,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri)?;
    let node = desk.scope(&principal, &mut query)?;
    let after = query.number("after", 0, SEQUENCE_MAX)?;
    query.finish()?;
    let node_id = node.map(|node| Arc::clone(&node.node_id));
    let place = desk.socket_place()?;
    let upgrade = socket(upgrade)?;
    Ok(upgrade.on_upgrade(async move |socket| {
        let _place = place;
        let observer = Observer {
            desk,
            node_id,
            socket,
        };
        observer.run(after, leave).await;
    }))
}

/// What becomes a WebSocket.
///
/// # Errors
/// 426 where it was not asked for as one.
pub(super) fn socket(
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<WebSocketUpgrade, ApiError> {
    match upgrade {
        Ok(upgrade) => Ok(upgrade
            .max_message_size(SOCKET_MESSAGE_MAX)
            .max_frame_size(SOCKET_MESSAGE_MAX)),
        Err(_) => Err(ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            "this is a WebSocket: ask for it as one",
        )),
    }
}

/// Why it ends.
enum End {
    /// They left, or do not read.
    Gone,
    /// We end it: a number of RFC 6455's, and words.
    Told(u16, &'static str),
}

struct Observer {
    desk: Arc<Desk>,
    node_id: Option<Arc<str>>,
    socket: WebSocket,
}

impl Observer {
    async fn run(mut self, after: Option<Sequence>, leave: Leave) {
        let end = match self.watch(after, leave).await {
            Err(End::Gone) | Ok(()) => return,
            Err(End::Told(code, reason)) => Message::Close(Some(CloseFrame {
                code,
                reason: Utf8Bytes::from_static(reason),
            })),
        };
        let _ = self.send(end).await;
    }

    async fn watch(&mut self, after: Option<Sequence>, leave: Leave) -> Result<(), End> {
        let mut withdrawn = pin!(leave.withdrawn());
        let mut subscription = match after {
            Some(after) => self.desk.state.subscribe(Some(after), self.node_id.as_deref()),
            None => self.begin().await?,
        };
        let mut ping = interval_at(Instant::now() + SOCKET_PING, SOCKET_PING);
        loop {
            tokio::select! {
                () = withdrawn.as_mut() => return Err(End::Told(close_code::POLICY, WITHDRAWN)),
                heard = self.socket.recv() => match heard {
                    // They have nothing to say; pings are answered by themselves.
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    Some(Ok(_)) => {}
                },
                _ = ping.tick() => self.send(Message::Ping(bytes::Bytes::new())).await?,
                next = subscription.next() => match next {
                    Ok(published) => self.say(&PublishedShape::of(&published)).await?,
                    Err(SubscriptionError::Lost(_)) => subscription = self.begin().await?,
                    Err(SubscriptionError::Store(_)) => {
                        return Err(End::Told(close_code::ERROR, "the coordinator's store fails"));
                    }
                    Err(SubscriptionError::Closed) => {
                        return Err(End::Told(close_code::AWAY, "the coordinator ends"));
                    }
                },
            }
        }
    }

    /// Tells of every container, and listens from there on: what is known is at least as new as the number before it.
    async fn begin(&mut self) -> Result<Subscription, End> {
        let desk = Arc::clone(&self.desk);
        let sequence = desk.state.last();
        let nodes = match &self.node_id {
            Some(node_id) => desk.state.node(node_id).into_iter().collect(),
            None => desk.state.nodes(),
        };
        for node in &nodes {
            let whole = Whole {
                sequence,
                node_id: &node.node_id,
                is_connected: node.is_connected,
                containers: ContainersShape(&node.containers),
            };
            self.say(&whole).await?;
        }
        Ok(desk.state.subscribe(Some(sequence), self.node_id.as_deref()))
    }

    async fn say(&mut self, what: &impl Serialize) -> Result<(), End> {
        // Our own shapes are always JSON.
        let text = serde_json::to_string(what).map_err(|_| End::Gone)?;
        self.send(Message::Text(text.into())).await
    }

    /// A reader that does not read is not waited for.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(SOCKET_WRITE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_late) => {
                tracing::info!("an observer that does not read is dropped");
                Err(End::Gone)
            }
        }
    }
}
