//! One connection to the coordinator, from the hello to its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::{Semaphore, mpsc, watch as value};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tonic::Streaming;

use super::channel::Channel;
use super::identity::Identity;
use super::outbox::fitting;
use super::{stats, tunnel, watch};
use crate::docker::Docker;
use crate::hawser::Token;
use crate::limits::{ENTRY, ORDERS_WAITING, TUNNELS_PER_NODE};
use crate::proto::fleet_client::FleetClient;
use crate::proto::from_node::Kind as Said;
use crate::proto::to_node::Kind as Told;
use crate::proto::{FromNode, Hello, Open, Probed, Proof, Refusal, ToNode, Welcome};

/// Why a session ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The coordinator does not want this node, or not now.
    Refused(Refusal),
    /// The connection broke off.
    Broken(String),
    /// The coordinator says nothing, or something else, where a welcome belongs.
    NoWelcome,
}

/// How a session went.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Since the welcome, if there was one.
    pub(crate) lived: Option<Duration>,
    /// Why it ended.
    pub(crate) failure: Failure,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self { lived: None, failure }
    }
}

/// What a session needs.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) identity: Arc<Identity>,
    pub(crate) docker: Docker,
    pub(crate) hello: Hello,
    pub(crate) token: Option<Token>,
}

impl Visitor {
    /// Attends until the coordinator, or the way to it, ends.
    pub(crate) async fn attend(&self, mut client: FleetClient<Channel>) -> Ended {
        let (out, waiting) = mpsc::channel(ORDERS_WAITING);
        let messages = stream::unfold(waiting, async |mut waiting| {
            Some((waiting.recv().await?, waiting))
        })
        .flat_map(|message| stream::iter(fitting(message)));
        let entering = async {
            say(&out, Said::Hello(self.hello.clone())).await;
            let incoming = client.attend(messages).await;
            let mut incoming = incoming.map_err(|status| broken(&status))?.into_inner();
            let welcome = self.enter(&out, &mut incoming).await?;
            Ok((incoming, welcome))
        };
        let (incoming, welcome) = match timeout(ENTRY, entering).await {
            Ok(Ok(entered)) => entered,
            Ok(Err(failure)) => return Failure::into(failure),
            Err(_late) => return Failure::NoWelcome.into(),
        };
        tracing::info!(
            node_id = self.identity.node_id(),
            name = welcome.name,
            "connected"
        );
        let welcomed = Instant::now();
        let failure = self.stay(client, incoming, out, welcome.since_time_nano).await;
        Ended {
            lived: Some(welcomed.elapsed()),
            failure,
        }
    }

    /// Proves who it is.
    async fn enter(
        &self,
        out: &mpsc::Sender<FromNode>,
        incoming: &mut Streaming<ToNode>,
    ) -> Result<Welcome, Failure> {
        loop {
            match next(incoming).await? {
                Some(Told::Challenge(challenge)) => {
                    let token = self.token.as_ref().map(Token::reveal).unwrap_or_default();
                    let proof = Proof {
                        signature: self.identity.sign(&challenge.nonce, &self.hello).into(),
                        enrolment_token: token.to_owned(),
                    };
                    say(out, Said::Proof(proof)).await;
                }
                Some(Told::Welcome(welcome)) => return Ok(welcome),
                Some(Told::Refusal(refusal)) => return Err(Failure::Refused(refusal)),
                // A coordinator that is younger may have more to say.
                None => {}
                Some(_) => return Err(Failure::NoWelcome),
            }
        }
    }

    /// Tells what is there and every change, and does what is asked for.
    async fn stay(
        &self,
        client: FleetClient<Channel>,
        mut incoming: Streaming<ToNode>,
        out: mpsc::Sender<FromNode>,
        since: i64,
    ) -> Failure {
        let (recorded, confirmed) = value::channel(0);
        let mut watching = JoinSet::new();
        watching.spawn(watch::run(self.docker.clone(), since, out.clone(), confirmed));
        let mut errands = Errands {
            docker: self.docker.clone(),
            client,
            out,
            tunnels: Arc::new(Semaphore::new(TUNNELS_PER_NODE)),
            samples: Arc::new(Semaphore::new(1)),
            tasks: JoinSet::new(),
        };
        loop {
            let told = tokio::select! {
                told = next(&mut incoming) => told,
                Some(_) = errands.tasks.join_next() => continue,
                // It ends when nobody hears it any more.
                Some(_) = watching.join_next() => {
                    return Failure::Broken("the connection to the coordinator broke off".to_owned());
                }
            };
            match told {
                Err(failure) => return failure,
                Ok(Some(Told::Refusal(refusal))) => return Failure::Refused(refusal),
                Ok(Some(Told::Recorded(confirmation))) => {
                    recorded.send_replace(confirmation.number);
                }
                Ok(Some(told)) => errands.run(told),
                Ok(None) => {}
            }
        }
    }
}

/// What the coordinator asks for. All of it ends with the session.
struct Errands {
    docker: Docker,
    client: FleetClient<Channel>,
    out: mpsc::Sender<FromNode>,
    tunnels: Arc<Semaphore>,
    samples: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

impl Errands {
    fn run(&mut self, told: Told) {
        match told {
            Told::Open(open) => self.open(open),
            Told::Sample(asked) => {
                // One at a time: whoever asks meanwhile asks again.
                let Ok(place) = Arc::clone(&self.samples).try_acquire_owned() else {
                    return;
                };
                let (docker, out) = (self.docker.clone(), self.out.clone());
                self.tasks.spawn(async move {
                    let mut samples = stats::sample(&docker).await;
                    samples.number = asked.number;
                    say(&out, Said::Samples(samples)).await;
                    drop(place);
                });
            }
            Told::Probe(probe) => {
                let probed = Said::Probed(Probed { number: probe.number });
                // Where so much waits that it does not fit, waiting for it would stop reading.
                let _ = self.out.try_send(FromNode { kind: Some(probed) });
            }
            Told::Challenge(_) | Told::Welcome(_) | Told::Refusal(_) | Told::Recorded(_) => {}
        }
    }

    fn open(&mut self, open: Open) {
        let (docker, client, out) = (self.docker.clone(), self.client.clone(), self.out.clone());
        match Arc::clone(&self.tunnels).try_acquire_owned() {
            Ok(place) => {
                self.tasks.spawn(async move {
                    tunnel::serve(docker, client, open, out).await;
                    drop(place);
                });
            }
            Err(_) => {
                let id: Bytes = open.tunnel_id;
                let text = "this node has as many streams as it may".to_owned();
                // The coordinator counts as well: one that asks nevertheless waits for itself.
                if self.tasks.len() < TUNNELS_PER_NODE * 2 {
                    self.tasks
                        .spawn(async move { tunnel::fail(&out, id, text).await });
                }
            }
        }
    }
}

async fn say(out: &mpsc::Sender<FromNode>, kind: Said) {
    // Where the connection is gone, its end says so.
    let _ = out.send(FromNode { kind: Some(kind) }).await;
}

async fn next(incoming: &mut Streaming<ToNode>) -> Result<Option<Told>, Failure> {
    match incoming.message().await {
        Ok(Some(message)) => Ok(message.kind),
        Ok(None) => Err(Failure::Broken(
            "the coordinator closed the connection".to_owned(),
        )),
        Err(status) => Err(broken(&status)),
    }
}

fn broken(status: &tonic::Status) -> Failure {
    let text = status.message();
    let bounded = crate::coordinator::tunnels::cut(text, crate::limits::REASON_TEXT_MAX);
    Failure::Broken(format!("{}: {bounded}", status.code()))
}
