//! One connection, from the welcome to its end: who waits for what.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::agent::{Agent, Asked, Failure};
use super::socket::{BodyKind, LargeMessage, Outbox, Reader, Received, SocketError, Unkept};
use super::terminals::{self, Terminal};
use super::{compose, requests, streams};
use crate::hawser::host::Host;
use crate::hawser::message::{ExecStart, Incoming, MessageError, Request};
use crate::limits;

/// What has ended.
#[derive(Debug)]
enum Done {
    Request(String),
    Terminal(String),
    Refusal,
}

/// One connection. What it has started ends with it.
#[derive(Debug)]
pub(super) struct Session {
    agent: Arc<Agent>,
    outbox: Outbox,
    tasks: JoinSet<Done>,
    /// What ends each request when it is dropped or sent.
    requests: HashMap<String, oneshot::Sender<()>>,
    terminals: HashMap<String, Terminal>,
    /// Pongs so far.
    pongs: watch::Sender<u64>,
}

impl Session {
    /// Over `outbox`.
    pub(super) fn new(agent: Arc<Agent>, outbox: Outbox) -> Self {
        Self {
            agent,
            outbox,
            tasks: JoinSet::new(),
            requests: HashMap::new(),
            terminals: HashMap::new(),
            pongs: watch::Sender::new(0),
        }
    }

    /// How many pings the server has answered.
    pub(super) fn pongs(&self) -> watch::Receiver<u64> {
        self.pongs.subscribe()
    }

    /// Does what the server asks for, until nothing more comes.
    pub(super) async fn run<R>(mut self, reader: Reader<R>) -> SocketError
    where
        R: AsyncRead + Unpin + Send + 'static,
    {
        let (sender, mut inbox) = mpsc::channel(1);
        let mut reading = JoinSet::new();
        reading.spawn(read(reader, sender));
        loop {
            tokio::select! {
                received = inbox.recv() => match received {
                    Some(Ok(received)) => self.receive(received),
                    Some(Err(error)) => return error,
                    None => return SocketError::Broken(std::io::ErrorKind::UnexpectedEof.into()),
                },
                Some(Ok(done)) = self.tasks.join_next() => match done {
                    Done::Request(id) => drop(self.requests.remove(&id)),
                    Done::Terminal(id) => drop(self.terminals.remove(&id)),
                    Done::Refusal => {}
                },
            }
        }
    }

    fn receive(&mut self, received: Received) {
        match received {
            Received::Small(text) => match Incoming::decode(&text) {
                Ok(Incoming::Request(request)) => self.request(Asked { request, spool: None }),
                Ok(message) => self.act(message),
                Err(error) => self.misread(&error),
            },
            Received::Large(message) => self.receive_large(message),
        }
    }

    fn act(&mut self, message: Incoming) {
        match message {
            Incoming::Ping => self.outbox.pong(),
            Incoming::Pong => self.pongs.send_modify(|pongs| *pongs = pongs.saturating_add(1)),
            Incoming::Request(request) => self.request(Asked { request, spool: None }),
            Incoming::Cancel(id) => drop(self.requests.remove(&id).map(|cancel| cancel.send(()))),
            Incoming::ExecStart(start) => self.start(start),
            Incoming::ExecInput(id, data) => self.terminal(&id, |terminal| terminal.type_in(&data)),
            Incoming::ExecResize(id, size) => self.terminal(&id, |terminal| terminal.resize(size)),
            Incoming::ExecEnd(id) => self.terminal(&id, Terminal::close),
            Incoming::Error(error) => tracing::warn!(text = error.text, "the server reports an error"),
            Incoming::Welcome => tracing::debug!("the server welcomes once more"),
            Incoming::Unknown(kind) => tracing::debug!(kind, "a message of a kind that is not known"),
        }
    }

    fn misread(&mut self, error: &MessageError) {
        tracing::warn!(%error, "the server sent what is no message");
        if let MessageError::Shape(_, Some(id)) = error {
            let failure = Failure::new(400, format!("this is no request: {error}"));
            self.refuse(id.clone(), false, failure);
        }
    }

    fn receive_large(&mut self, message: LargeMessage) {
        let request = match Incoming::decode(&message.around) {
            Ok(Incoming::Request(request)) => request,
            Ok(message) => return self.act(message),
            Err(error) => return self.misread(&error),
        };
        match (message.body, message.kind) {
            (Ok(spool), Some(BodyKind::Text | BodyKind::Json)) => self.request(Asked {
                request,
                spool: Some(spool),
            }),
            (Ok(_), None) => self.request(Asked { request, spool: None }),
            (Err(unkept), _) => {
                tracing::warn!(path = request.path, "a large request is refused: {unkept}");
                self.refuse(
                    request.id,
                    request.is_streaming,
                    Failure::new(unkept.status(), unkept.to_string()),
                );
            }
        }
    }

    fn request(&mut self, asked: Asked) {
        let Request { id, is_streaming, .. } = &asked.request;
        let (id, is_streaming) = (id.clone(), *is_streaming);
        if self.requests.contains_key(&id) {
            tracing::warn!(id, "a request with an id that another has is left out");
            return;
        }
        if self.requests.len() >= limits::REQUESTS_MAX {
            let text = format!("there are {} requests already", limits::REQUESTS_MAX);
            return self.refuse(id, is_streaming, Failure::new(503, text));
        }
        let (cancel, cancelled) = oneshot::channel();
        self.requests.insert(id.clone(), cancel);
        let (agent, outbox) = (Arc::clone(&self.agent), self.outbox.clone());
        self.tasks.spawn(async move {
            if compose::is_asked(&asked.request) {
                tokio::select! {
                    _ = compose::answer(&agent, &outbox, asked) => {}
                    _ = cancelled => {}
                }
            } else if is_streaming {
                let _ = streams::stream(&agent, &outbox, asked, cancelled).await;
            } else {
                tokio::select! {
                    _ = requests::answer(&agent, &outbox, asked) => {}
                    _ = cancelled => {}
                }
            }
            Done::Request(id)
        });
    }

    fn refuse(&mut self, id: String, is_streaming: bool, failure: Failure) {
        let outbox = self.outbox.clone();
        // Refusals are small, but a server that does not read them must not pile them up.
        if self.tasks.len() >= limits::REQUESTS_MAX * 2 {
            return;
        }
        self.tasks.spawn(async move {
            let _ = if is_streaming {
                streams::refuse(&outbox, &id, &failure).await
            } else {
                requests::refuse(&outbox, &id, &failure).await
            };
            Done::Refusal
        });
    }

    fn start(&mut self, start: ExecStart) {
        let id = start.id.clone();
        let (agent, outbox) = (Arc::clone(&self.agent), self.outbox.clone());
        if self.terminals.contains_key(&id) {
            tracing::warn!(id, "a terminal with an id that another has is left out");
            return;
        }
        if self.terminals.len() >= limits::TERMINALS_MAX {
            let failure = Failure::new(
                503,
                format!("there are {} terminals already", limits::TERMINALS_MAX),
            );
            self.tasks.spawn(async move {
                let _ = terminals::refuse(&outbox, &id, "EXEC_CREATE_ERROR", &failure).await;
                Done::Refusal
            });
            return;
        }
        let (terminal, keyboard) = Terminal::new();
        self.terminals.insert(id.clone(), terminal);
        self.tasks.spawn(async move {
            let _ = terminals::run(&agent, &outbox, start, keyboard).await;
            Done::Terminal(id)
        });
    }

    fn terminal(&mut self, id: &str, act: impl FnOnce(&mut Terminal)) {
        match self.terminals.get_mut(id) {
            Some(terminal) => act(terminal),
            None => tracing::debug!(id, "there is no such terminal"),
        }
    }
}

/// Reads until nothing more comes; says so, or ends with who listens.
async fn read<R: AsyncRead + Unpin>(
    mut reader: Reader<R>,
    inbox: mpsc::Sender<Result<Received, SocketError>>,
) {
    loop {
        let received = reader.next().await;
        let is_last = received.is_err();
        if inbox.send(received).await.is_err() || is_last {
            return;
        }
    }
}

/// Asks for a pong again and again, so that the server, and whoever is between, knows that somebody is here.
pub(super) async fn beat(outbox: Outbox, every: Duration) {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if outbox.ping().await.is_err() {
            return;
        }
    }
}

/// Tells how the machine is, again and again.
pub(super) async fn measure(agent: Arc<Agent>, outbox: Outbox) {
    let mut host = Host::new(agent.has_disk);
    let mut ticks = interval(limits::METRICS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_first = true;
    loop {
        ticks.tick().await;
        // How busy it is can be told from the second time on.
        let metrics = host.measure(&agent.docker).await;
        if !std::mem::take(&mut is_first) && outbox.metrics(&metrics).await.is_err() {
            return;
        }
    }
}

impl Unkept {
    fn status(&self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Shape => 400,
            Self::Disk(error) if error.kind() == std::io::ErrorKind::ResourceBusy => 503,
            Self::Disk(_) => 507,
        }
    }
}
