//! A node that is connected.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::lines::Tunnels;
use super::pending::{Pending, Waiting};
use super::{TunnelError, TunnelStream};
use crate::limits::{FIRST_MAX, PROBE, QUESTIONS_WAITING, REASON_TEXT_MAX, TUNNEL_OPENS, TUNNELS_PER_NODE};
use crate::proto::{Open, Probe, Reason, Refusal, Sample, Samples, ToNode, to_node::Kind};

/// A node that is connected; clones are the same connection.
#[derive(Clone)]
pub struct Line {
    inner: Arc<Inner>,
}

struct Inner {
    node_id: Box<str>,
    /// Of the node's process.
    instance: [u8; 16],
    /// Of this connection, among all that this coordinator ever had.
    serial: u64,
    orders: mpsc::Sender<Result<ToNode, tonic::Status>>,
    tunnels: Tunnels,
    places: Arc<Semaphore>,
    samples: Arc<Pending<u64, Samples>>,
    probes: Arc<Pending<u64, ()>>,
    numbers: AtomicU64,
    /// How far what the node said is on the disk, and how far it was told.
    recorded: watch::Sender<u64>,
    told: AtomicU64,
    /// Whether the node is welcome.
    ready: watch::Sender<bool>,
    /// Whether it is over.
    over: watch::Sender<bool>,
    /// Whether all that it told is kept.
    finished: watch::Sender<bool>,
}

/// Of a stream that is being opened.
pub(crate) type TunnelId = [u8; 16];
/// What became of it.
pub(crate) type Opened = Result<TunnelStream, TunnelError>;

/// What a line is made of.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) node_id: Box<str>,
    pub(crate) instance: [u8; 16],
    pub(crate) serial: u64,
    pub(crate) orders: mpsc::Sender<Result<ToNode, tonic::Status>>,
}

impl Line {
    pub(crate) fn new(caller: Caller, tunnels: Tunnels) -> Self {
        let Caller {
            node_id,
            instance,
            serial,
            orders,
        } = caller;
        Self {
            inner: Arc::new(Inner {
                node_id,
                instance,
                serial,
                orders,
                tunnels,
                places: Arc::new(Semaphore::new(TUNNELS_PER_NODE)),
                samples: Pending::new(QUESTIONS_WAITING),
                probes: Pending::new(QUESTIONS_WAITING),
                numbers: AtomicU64::new(1),
                recorded: watch::Sender::new(0),
                told: AtomicU64::new(0),
                ready: watch::Sender::new(false),
                over: watch::Sender::new(false),
                finished: watch::Sender::new(false),
            }),
        }
    }

    /// A stream to the node's Docker socket, where `first` is written before anything else; what is longer than
    /// [`FIRST_MAX`] is written after it is there.
    ///
    /// # Errors
    /// There is none, and why.
    pub async fn dial(&self, mut first: Bytes) -> Result<TunnelStream, TunnelError> {
        let rest = first.split_off(first.len().min(FIRST_MAX));
        let own = Arc::clone(&self.inner.places).try_acquire_owned();
        let places = match (own, self.inner.tunnels.place()) {
            (Ok(own), Some(all)) => vec![own, all],
            _ => return Err(TunnelError::Full),
        };
        let mut stream = tokio::select! {
            biased;
            () = self.closed() => return Err(TunnelError::NotConnected),
            opened = timeout(TUNNEL_OPENS, self.open(first)) => {
                opened.map_err(|_late| TunnelError::Late)??
            }
        };
        stream.hold(places);
        if !rest.is_empty() {
            use tokio::io::AsyncWriteExt as _;
            let written = stream.write_all(&rest).await;
            written.map_err(|_| TunnelError::NotConnected)?;
        }
        Ok(stream)
    }

    async fn open(&self, first: Bytes) -> Opened {
        let mut id: TunnelId = [0; 16];
        getrandom::fill(&mut id).map_err(|error| TunnelError::Refused(error.to_string()))?;
        let waiting = Waiting::new(self.inner.tunnels.pending(), (self.inner.serial, id));
        let waiting = waiting.ok_or(TunnelError::Full)?;
        let open = Open {
            tunnel_id: Bytes::copy_from_slice(&id),
            first,
        };
        self.order(Kind::Open(open)).await?;
        waiting.answer().await.unwrap_or(Err(TunnelError::NotConnected))
    }

    async fn order(&self, kind: Kind) -> Result<(), TunnelError> {
        let sent = self.inner.orders.send(Ok(ToNode { kind: Some(kind) })).await;
        sent.map_err(|_| TunnelError::NotConnected)
    }

    /// Whose it is.
    pub fn node_id(&self) -> &str {
        &self.inner.node_id
    }

    /// What the node's running containers use; none where it does not say so `within` that time.
    pub async fn sample(&self, within: Duration) -> Option<Samples> {
        let number = self.number();
        self.ask(
            &self.inner.samples,
            number,
            Kind::Sample(Sample { number }),
            within,
        )
        .await
    }

    /// Whether the node is alive.
    pub(crate) async fn probe(&self) -> bool {
        let number = self.number();
        let probed = async {
            // Before its welcome it understands nothing else.
            turned(&self.inner.ready).await;
            self.ask(&self.inner.probes, number, Kind::Probe(Probe { number }), PROBE)
                .await
        };
        tokio::select! {
            () = self.closed() => false,
            probed = timeout(PROBE, probed) => matches!(probed, Ok(Some(()))),
        }
    }

    async fn ask<V>(
        &self,
        pending: &Arc<Pending<u64, V>>,
        number: u64,
        question: Kind,
        within: Duration,
    ) -> Option<V> {
        let waiting = Waiting::new(pending, number)?;
        let ask = async {
            self.order(question).await.ok()?;
            waiting.answer().await
        };
        tokio::select! {
            biased;
            () = self.closed() => None,
            answer = timeout(within, ask) => answer.ok().flatten(),
        }
    }

    fn number(&self) -> u64 {
        self.inner.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Ends when the connection has.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        turned(&self.inner.over)
    }

    /// Of the node's process.
    pub(crate) fn instance(&self) -> &[u8; 16] {
        &self.inner.instance
    }

    /// Of this connection.
    pub(crate) fn serial(&self) -> u64 {
        self.inner.serial
    }

    /// Says to the node that it is over and why, if there is room to say it; whoever waits for it is told at once.
    pub(crate) fn end(&self, reason: Option<(Reason, &str)>) {
        if let Some((reason, message)) = reason {
            let refusal = refusal(reason, message, Duration::ZERO);
            let _ = self.inner.orders.try_send(Ok(refusal));
        }
        self.inner.over.send_replace(true);
    }

    /// Ends when all that it told is kept.
    pub(crate) fn finished(&self) -> impl Future<Output = ()> + Send + use<> {
        turned(&self.inner.finished)
    }

    /// All that it told is kept.
    pub(crate) fn finish(&self) {
        self.end(None);
        self.inner.finished.send_replace(true);
    }

    /// The node has opened a stream.
    pub(crate) fn opened(&self, id: TunnelId, stream: TunnelStream) -> bool {
        let key = (self.inner.serial, id);
        self.inner.tunnels.pending().answer(&key, Ok(stream)).is_ok()
    }

    /// The node says that it cannot.
    pub(crate) fn failed(&self, id: &[u8], message: &str) {
        if let Ok(id) = TunnelId::try_from(id) {
            let error = TunnelError::Refused(cut(message, REASON_TEXT_MAX).to_owned());
            let key = (self.inner.serial, id);
            // Where nobody waits any more, nobody is to be told.
            let _ = self.inner.tunnels.pending().answer(&key, Err(error));
        }
    }

    /// The node says what is used.
    pub(crate) fn sampled(&self, samples: Samples) {
        let number = samples.number;
        let _ = self.inner.samples.answer(&number, samples);
    }

    /// The node says that it is alive.
    pub(crate) fn probed(&self, number: u64) {
        let _ = self.inner.probes.answer(&number, ());
    }

    /// What the node said is on the disk up to here. Never waits: whoever reads sees the newest alone.
    pub(crate) fn recorded(&self, number: u64) {
        self.inner.recorded.send_if_modified(|known| {
            let is_newer = number > *known;
            *known = number.max(*known);
            is_newer
        });
    }

    /// How far, once that is farther than it was told before.
    pub(crate) async fn next_recorded(&self) -> u64 {
        let mut recorded = self.inner.recorded.subscribe();
        let told = &self.inner.told;
        let newer = recorded.wait_for(|number| *number > told.load(Ordering::Relaxed));
        let number = newer.await.map_or(0, |number| *number);
        told.store(number, Ordering::Relaxed);
        number
    }

    /// Welcomes the node: from now on it takes orders.
    pub(crate) async fn welcome(&self, welcome: Kind) {
        // Where it is gone, nobody is to be told.
        let _ = self.order(welcome).await;
        self.inner.ready.send_replace(true);
    }

    /// Whether the node takes orders.
    pub(super) fn is_open(&self) -> bool {
        *self.inner.ready.borrow() && !*self.inner.over.borrow()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("node_id", &self.inner.node_id)
            .field("serial", &self.inner.serial)
            .finish_non_exhaustive()
    }
}

/// What tells a node that it is not in.
pub(crate) fn refusal(reason: Reason, message: &str, retry_after: Duration) -> ToNode {
    let refusal = Refusal {
        reason: reason.into(),
        message: message.to_owned(),
        retry_after_seconds: u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX),
    };
    ToNode {
        kind: Some(Kind::Refusal(refusal)),
    }
}

fn turned(what: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + use<> {
    let mut what = what.subscribe();
    async move {
        // Where the sender is gone, it is over as well.
        let _ = what.wait_for(|is| *is).await;
    }
}

/// The beginning of a text that has at most so many bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
