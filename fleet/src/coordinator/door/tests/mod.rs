//! The door, with real HTTP/2 between both ends, and nodes that do as they like.

mod bounds;
mod entering;
mod flood;
mod piping;
mod twice;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Streaming;

use super::{Door, serve};
use crate::coordinator::state::State;
use crate::coordinator::store::{Embedded, Enrolment, EventLog, Registry as _, Retention};
use crate::coordinator::tunnels::{Line, Lines};
use crate::node::channel::{self, Channel};
use crate::node::identity::{Identity, Wishes};
use crate::proto::fleet_client::FleetClient;
use crate::proto::from_node::Kind as Said;
use crate::proto::to_node::Kind as Told;
use crate::proto::{FromNode, Hello, Proof, Reason, ToNode};

/// Longer than anything here takes, on a machine that does much else.
const SOON: Duration = Duration::from_secs(30);

/// A coordinator's door, and where its nodes are.
struct Bench {
    door: Arc<Door>,
    state: Arc<State>,
    store: Embedded,
    lines: Lines,
    dir: tempfile::TempDir,
    ending: watch::Sender<bool>,
}

/// A node that says what a test wants.
struct Raw {
    hello: Hello,
    identity: Identity,
    client: FleetClient<Channel>,
    out: mpsc::Sender<FromNode>,
    incoming: Streaming<ToNode>,
    // Its connection ends with it.
    _moving: JoinSet<hyper::Result<()>>,
}

impl Bench {
    async fn new() -> Self {
        Self::keeping(|store| Arc::new(store)).await
    }

    /// With a log before the store that is another.
    async fn keeping(log: impl FnOnce(Embedded) -> Arc<dyn EventLog>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(dir.path(), Retention::default()).unwrap();
        let registry = Arc::new(store.clone());
        let state = State::open(registry.clone(), log(store.clone())).await.unwrap();
        let lines = Lines::default();
        let door = Door::new(Arc::clone(&state), registry, lines.clone());
        Self {
            door: Arc::new(door),
            state,
            store,
            lines,
            dir,
            ending: watch::Sender::new(false),
        }
    }

    /// A token that lets one node in.
    async fn token(&self, token: &str) -> String {
        self.token_until(token, i64::MAX).await
    }

    async fn token_until(&self, token: &str, expires_at: i64) -> String {
        let enrolment = Enrolment {
            token_hash: Sha256::digest(token.as_bytes()).into(),
            name: None,
            created_at: 0,
            expires_at,
        };
        self.store.add_enrolment(enrolment).await.unwrap();
        token.to_owned()
    }

    fn identity(&self, name: &str) -> Identity {
        Identity::keep(&self.dir.path().join(name), &Wishes::default()).unwrap()
    }

    /// HTTP/2 with the door.
    async fn dial(&self) -> (FleetClient<Channel>, JoinSet<hyper::Result<()>>) {
        let (here, there) = tokio::io::duplex(64 << 10);
        let peer = "192.0.2.1:1".parse().unwrap();
        tokio::spawn(serve(
            there,
            peer,
            Arc::clone(&self.door),
            self.ending.subscribe(),
        ));
        let origin = "http://here/".parse().unwrap();
        let (client, moving) = channel::client(here, origin).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(moving);
        (client, tasks)
    }

    /// A node that said nothing yet.
    async fn raw(&self, name: &str) -> Raw {
        let identity = self.identity(name);
        let hello = crate::node::hello(&identity, Some(name)).unwrap();
        let (client, moving) = self.dial().await;
        // It may say what is longer than it may be.
        let mut client = client.max_encoding_message_size(usize::MAX);
        let (out, mut waiting) = mpsc::channel(64);
        let messages = futures_util::stream::poll_fn(move |cx| waiting.poll_recv(cx));
        let incoming = client.attend(messages).await.unwrap().into_inner();
        Raw {
            hello,
            identity,
            client,
            out,
            incoming,
            _moving: moving,
        }
    }

    /// A node that is in.
    async fn node(&self, name: &str) -> Raw {
        let token = self.token(name).await;
        let mut raw = self.raw(name).await;
        raw.enter(&token).await.unwrap();
        raw
    }

    /// The line of a node that is in, or soon will be.
    async fn line(&self, raw: &Raw) -> Line {
        self.lines.get(&raw.hello.node_id).unwrap()
    }

    /// A Docker socket that answers nothing but what `serve` says.
    fn docker<F, S>(&self, serve: F) -> PathBuf
    where
        F: Fn(tokio::net::UnixStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let path = self.dir.path().join("docker.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        path
    }
}

impl Raw {
    async fn say(&self, kind: Said) {
        let _ = self.out.send(FromNode { kind: Some(kind) }).await;
    }

    /// What is told next; none where nothing more is.
    async fn hear(&mut self) -> Option<Told> {
        let message = timeout(SOON, self.incoming.message()).await.unwrap();
        message.ok().flatten().and_then(|message| message.kind)
    }

    /// Says who it is and proves it.
    async fn enter(&mut self, token: &str) -> Result<(), Option<Reason>> {
        self.say(Said::Hello(self.hello.clone())).await;
        self.prove(token, |signature| signature).await
    }

    async fn prove(
        &mut self,
        token: &str,
        change: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) -> Result<(), Option<Reason>> {
        match self.hear().await {
            Some(Told::Challenge(challenge)) => {
                let signature = self.identity.sign(&challenge.nonce, &self.hello);
                let proof = Proof {
                    signature: change(signature).into(),
                    enrolment_token: token.to_owned(),
                };
                self.say(Said::Proof(proof)).await;
            }
            other => return Err(reason(other)),
        }
        match self.hear().await {
            Some(Told::Welcome(_)) => Ok(()),
            other => Err(reason(other)),
        }
    }
}

/// Why a node is not in, if it was told.
fn reason(told: Option<Told>) -> Option<Reason> {
    match told {
        Some(Told::Refusal(refusal)) => Some(refusal.reason()),
        Some(other) => panic!("{other:?}"),
        None => None,
    }
}

/// Waits until something is as it is to be.
async fn until(mut is_so: impl FnMut() -> bool) {
    let so = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, so).await.unwrap();
}
