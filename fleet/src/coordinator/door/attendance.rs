//! A node that is in: what it tells is kept in order, as fast as the disk takes it, and no faster.

use std::sync::{Arc, PoisonError};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use prost::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use super::entry::{self, Entered, Refused, refused};
use super::{Sent, Stage, Visit};
use crate::coordinator::state::{NodeHello, StateError};
use crate::coordinator::tunnels::{Caller, Line, refusal};
use crate::limits::{
    CHANGES_AT_ONCE, CONTAINERS_PER_NODE, FLEET_MESSAGE_MAX, FLEET_PING, HEARD_BYTES, HEARD_WAITING, LEAVE,
    SNAPSHOT_BYTES_MAX,
};
use crate::proto::from_node::Kind as Said;
use crate::proto::to_node::Kind as Told;
use crate::proto::{Change, Container, FromNode, Reason, Recorded, ToNode, Welcome, bounds};

/// What is sent to a node: orders in their order, how far it is recorded, and the end once the line is over.
pub(super) fn orders(
    waiting: mpsc::Receiver<Result<ToNode, Status>>,
    line: watch::Receiver<Option<Line>>,
) -> Sent<ToNode> {
    let sending = Sending {
        waiting,
        line,
        is_over: false,
    };
    Box::pin(stream::unfold(sending, async |mut sending| {
        Some((sending.next().await?, sending))
    }))
}

struct Sending {
    waiting: mpsc::Receiver<Result<ToNode, Status>>,
    line: watch::Receiver<Option<Line>>,
    is_over: bool,
}

impl Sending {
    async fn next(&mut self) -> Option<Result<ToNode, Status>> {
        loop {
            if self.is_over {
                // What was said before the end is said.
                self.waiting.close();
                return self.waiting.recv().await;
            }
            let line = self.line.borrow_and_update().clone();
            let (recorded, over) = match &line {
                Some(line) => (line.next_recorded().left_future(), line.closed().left_future()),
                None => (
                    std::future::pending().right_future(),
                    std::future::pending().right_future(),
                ),
            };
            tokio::select! {
                biased;
                order = self.waiting.recv() => return order,
                number = recorded => {
                    let kind = Some(Told::Recorded(Recorded { number }));
                    return Some(Ok(ToNode { kind }));
                }
                () = over => self.is_over = true,
                Ok(()) = self.line.changed() => {}
            }
        }
    }
}

/// Attends a node from its hello to its end.
pub(super) async fn attend(
    visit: Arc<Visit>,
    mut incoming: Streaming<FromNode>,
    orders: mpsc::Sender<Result<ToNode, Status>>,
    slot: watch::Sender<Option<Line>>,
) {
    let entered = tokio::select! {
        entered = entry::enter(&visit, &mut incoming, &orders) => entered,
        () = orders.closed() => Ok(None),
    };
    let outcome = match entered {
        Ok(Some(entered)) => stay(&visit, entered, incoming, &orders, slot).await,
        Ok(None) => Ok(()),
        Err(refused) => Err(refused),
    };
    if let Err(refused) = outcome {
        complain(&visit, &refused);
        let refusal = refusal(refused.reason, &refused.message, refused.retry_after);
        let _ = orders.try_send(Ok(refusal));
    }
    drop(orders);
    visit.advance(Stage::Over);
}

fn complain(visit: &Visit, refused: &Refused) {
    let Refused { reason, message, .. } = refused;
    tracing::warn!(peer = %visit.peer, reason = reason.as_str_name(), "a node is refused: {message}");
}

/// Has the place of its node until either end has enough.
async fn stay(
    visit: &Arc<Visit>,
    entered: Entered,
    incoming: Streaming<FromNode>,
    orders: &mpsc::Sender<Result<ToNode, Status>>,
    slot: watch::Sender<Option<Line>>,
) -> Result<(), Refused> {
    let door = &visit.door;
    let (serial, tunnels) = door.lines.new_line();
    let caller = Caller {
        node_id: entered.record.node_id.clone(),
        instance: entered.instance,
        serial,
        orders: orders.clone(),
    };
    let line = Line::new(caller, tunnels);
    join(visit, &line).await?;
    slot.send_replace(Some(line.clone()));
    let outcome = attend_line(visit, &entered, incoming, &line).await;
    end(visit, &line, &outcome);
    door.lines.leave(&line);
    line.finish();
    Ok(())
}

/// The line is over, and its node is told why if there is a reason.
fn end(visit: &Visit, line: &Line, outcome: &Result<(), Refused>) {
    match outcome {
        Ok(()) => line.end(None),
        Err(refused) => {
            complain(visit, refused);
            line.end(Some((refused.reason, &refused.message)));
        }
    }
}

/// Takes the place of its node. Whoever has it gives it up where it is the same process, or says nothing any more.
async fn join(visit: &Visit, line: &Line) -> Result<(), Refused> {
    let door = &visit.door;
    // As often as others come in between: each of them has ended one before it.
    for _ in 0..4 {
        let Err(other) = door.lines.join(line) else {
            return Ok(());
        };
        let is_same = other.instance() == line.instance();
        if !is_same && other.probe().await {
            let text = "another process with this node's identity is connected, and alive";
            tracing::error!(node_id = line.node_id(), peer = %visit.peer, "{text}");
            if let Err(error) = door.state.refused(line.node_id(), text).await {
                tracing::warn!(%error, "that a node was refused is not kept");
            }
            return Err(refused(Reason::AlreadyConnected, text));
        }
        tracing::info!(
            node_id = line.node_id(),
            is_same,
            "a node's connection is replaced"
        );
        other.end(Some((
            Reason::Replaced,
            "another connection of this node took over",
        )));
        // What it told last comes before what this one tells.
        if timeout(LEAVE, other.finished()).await.is_err() {
            break;
        }
    }
    Err(refused(
        Reason::Unavailable,
        "the place of this node does not become free",
    ))
}

async fn attend_line(
    visit: &Arc<Visit>,
    entered: &Entered,
    incoming: Streaming<FromNode>,
    line: &Line,
) -> Result<(), Refused> {
    let state = &visit.door.state;
    let hello = &entered.hello;
    let connected = state.connected(NodeHello {
        node_id: entered.record.node_id.clone(),
        hostname: hello.hostname.as_str().into(),
        version: hello.version.as_str().into(),
        os: hello.os.as_str().into(),
        arch: hello.arch.as_str().into(),
    });
    let attendance = connected.await.map_err(|error| trouble(&error))?;
    let welcome = Told::Welcome(Welcome {
        since_time_nano: attendance.since_time_nano,
        keep_alive_seconds: u32::try_from(FLEET_PING.as_secs()).unwrap_or(0),
        name: entered.record.name.to_string(),
    });
    *visit.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.clone());
    line.welcome(welcome).await;
    visit.advance(Stage::In);
    tracing::info!(node_id = line.node_id(), peer = %visit.peer, "a node is connected");
    let (heard, waiting) = mpsc::channel(HEARD_WAITING);
    let room = Arc::new(Semaphore::new(HEARD_BYTES));
    let keeping = keep(visit, line, waiting);
    let hearing = async {
        tokio::select! {
            heard = hear(incoming, line, heard, room) => heard,
            () = line.closed() => Ok(()),
        }
    };
    // When nothing more is heard, what was heard is still kept; when it cannot be, nothing more is heard.
    let outcome = async {
        let (mut keeping, mut hearing) = (std::pin::pin!(keeping), std::pin::pin!(hearing));
        tokio::select! {
            kept = keeping.as_mut() => kept,
            heard = hearing.as_mut() => {
                end(visit, line, &heard);
                keeping.await
            }
        }
    };
    let outcome = outcome.await;
    state.disconnected(line.node_id(), attendance.connection);
    tracing::info!(node_id = line.node_id(), "a node is gone");
    outcome
}

/// What a node said, and the room that it takes until it is kept.
type Heard = (Said, OwnedSemaphorePermit);

/// Hears what a node says: answers go to whoever waits, what is to be kept waits its turn.
async fn hear(
    mut incoming: Streaming<FromNode>,
    line: &Line,
    heard: mpsc::Sender<Heard>,
    room: Arc<Semaphore>,
) -> Result<(), Refused> {
    while let Some(message) = incoming.next().await {
        let message = match message {
            Ok(message) => message,
            Err(status) if status.code() == Code::OutOfRange => {
                let text = format!("a message has more than {FLEET_MESSAGE_MAX} bytes");
                return Err(refused(Reason::Malformed, text));
            }
            // A connection that broke off has nobody to be told.
            Err(_) => return Ok(()),
        };
        match message.kind {
            Some(Said::Probed(probed)) => line.probed(probed.number),
            Some(Said::Samples(samples)) => line.sampled(samples),
            Some(Said::TunnelFailed(failed)) => line.failed(&failed.tunnel_id, &failed.message),
            Some(mut kind @ (Said::Snapshot(_) | Said::Change(_) | Said::Engine(_))) => {
                // At once: a few bytes of a message can be much memory.
                bounds::kept(&mut kind);
                let bytes = u32::try_from(kind.encoded_len().min(HEARD_BYTES)).unwrap_or(u32::MAX);
                let Ok(room) = Arc::clone(&room).acquire_many_owned(bytes).await else {
                    return Ok(());
                };
                let Ok(()) = heard.send((kind, room)).await else {
                    return Ok(());
                };
            }
            Some(Said::Hello(_) | Said::Proof(_)) => {
                return Err(refused(Reason::Malformed, "this node is in already"));
            }
            // A node that is younger may have more to say.
            None => {}
        }
    }
    Ok(())
}

/// Keeps what was heard, in order.
async fn keep(visit: &Visit, line: &Line, mut waiting: mpsc::Receiver<Heard>) -> Result<(), Refused> {
    let state = &visit.door.state;
    let mut snapshot = Gathered::default();
    let mut heard = Vec::new();
    while waiting.recv_many(&mut heard, CHANGES_AT_ONCE).await > 0 {
        let mut changes = Vec::new();
        // Free once all of them are kept.
        let mut rooms = Vec::new();
        for (kind, room) in heard.drain(..) {
            rooms.push(room);
            if let Said::Change(change) = kind {
                changes.push(change);
                continue;
            }
            record(visit, line, &mut changes).await?;
            match kind {
                Said::Engine(engine) => state.engine(line.node_id(), engine).await,
                Said::Snapshot(part) => {
                    snapshot.add(line.node_id(), part.containers);
                    if !part.is_last {
                        continue;
                    }
                    let whole = std::mem::take(&mut snapshot).containers;
                    state.snapshot(line.node_id(), whole).await
                }
                _ => Ok(()),
            }
            .map_err(|error| trouble(&error))?;
        }
        record(visit, line, &mut changes).await?;
    }
    Ok(())
}

async fn record(visit: &Visit, line: &Line, changes: &mut Vec<Change>) -> Result<(), Refused> {
    if changes.is_empty() {
        return Ok(());
    }
    let recorded = visit
        .door
        .state
        .ingest(line.node_id(), std::mem::take(changes))
        .await;
    line.recorded(recorded.map_err(|error| trouble(&error))?);
    Ok(())
}

/// A snapshot that is not whole yet.
#[derive(Debug, Default)]
struct Gathered {
    containers: Vec<Container>,
    bytes: usize,
    is_full: bool,
}

impl Gathered {
    fn add(&mut self, node_id: &str, containers: Vec<Container>) {
        for container in containers {
            self.bytes = self.bytes.saturating_add(container.encoded_len());
            let is_full = self.containers.len() >= CONTAINERS_PER_NODE || self.bytes > SNAPSHOT_BYTES_MAX;
            if !is_full {
                self.containers.push(container);
            } else if !self.is_full {
                self.is_full = true;
                tracing::warn!(node_id, "a node has more containers than are looked at");
            }
        }
    }
}

/// Why what a node tells is not kept.
fn trouble(error: &StateError) -> Refused {
    match error {
        StateError::NoNode => refused(Reason::Revoked, "this node was revoked"),
        StateError::Closed => refused(Reason::Closing, "the coordinator ends"),
        StateError::Store(_) => refused(Reason::Unavailable, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_bounded() {
        let container = |bytes: usize| Container {
            command: "x".repeat(bytes),
            ..Container::default()
        };
        let check = |count: usize, bytes: usize, expected: usize| {
            let mut gathered = Gathered::default();
            for _ in 0..count {
                gathered.add("phone", vec![container(bytes)]);
            }
            assert_eq!(gathered.containers.len(), expected, "{count} of {bytes}");
        };
        check(20, 100, 20);
        check(CONTAINERS_PER_NODE + 1, 1, CONTAINERS_PER_NODE);
        check(70, SNAPSHOT_BYTES_MAX / 64, 63);
    }
}
