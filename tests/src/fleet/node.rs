//! A node that is made up: it comes in and tells as a real one does, of containers that nobody runs.

use std::time::{Duration, UNIX_EPOCH};

use fleet::node::channel;
use fleet::proto::from_node::Kind as Said;
use fleet::proto::to_node::Kind as Told;
use fleet::proto::{Change, Container, Engine, Event, FromNode, Hello, Proof, Snapshot};
use futures_util::{Stream, StreamExt as _, stream};
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::Coordinator;
use super::coordinator::token;

/// Messages that wait to be sent.
const WAITING: usize = 16;
/// Changes that a node may have told and not heard of: what the protocol has.
const UNCONFIRMED_MAX: u64 = 64;
/// What a node's proof begins with: what the protocol has.
const PURPOSE: &[u8] = b"socketd-fleet node v1\0";
/// Nodes that come in at once.
const AT_ONCE: usize = 32;
/// How long anything that a node waits for may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Nanoseconds since 1970.
///
/// # Panics
/// Where a clock stands before, or long after.
pub fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap()
}

/// Nodes, and what moves their bytes.
#[derive(Debug)]
pub struct Crowd {
    /// Each of them, by its number.
    pub nodes: Vec<Node>,
}

impl Crowd {
    /// As many nodes, with as many containers each, enrolled and connected.
    ///
    /// # Panics
    /// When one does not come in.
    pub async fn enrol(coordinator: &Coordinator, nodes: usize, containers: usize) -> Self {
        let (address, admin) = (coordinator.nodes(), coordinator.admin());
        let coming = stream::iter(0..nodes).map(|number| {
            let admin = admin.clone();
            async move {
                let token = spawn_blocking(move || token(&admin)).await.unwrap();
                Node::enrol(address, number, containers, &token).await
            }
        });
        Self {
            nodes: coming.buffered(AT_ONCE).collect().await,
        }
    }
}

/// One that is in.
#[derive(Debug)]
pub struct Node {
    /// Who it is.
    pub id: String,
    containers: Vec<Container>,
    out: mpsc::Sender<FromNode>,
    recorded: watch::Receiver<u64>,
    told: u64,
    // Its connection ends with it.
    _moving: JoinSet<()>,
}

impl Node {
    /// Comes in by a token, and tells of its containers.
    ///
    /// # Panics
    /// When it is not let in.
    pub async fn enrol(address: &str, number: usize, containers: usize, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let origin = format!("http://{address}").parse().unwrap();
        let (mut client, moving) = channel::client(stream, origin).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // A coordinator that ends is noticed by whoever waits for it.
            let _ = moving.await;
        });
        let (out, waiting) = mpsc::channel(WAITING);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let hello = hello(number, &key);
        say(&out, Said::Hello(hello.clone())).await;
        let messages = stream::unfold(waiting, async |mut waiting| {
            Some((waiting.recv().await?, waiting))
        });
        let incoming = client.attend(messages).await.unwrap().into_inner();
        let mut incoming = incoming.map(|message| message.unwrap().kind);
        let challenge = match next(&mut incoming).await {
            Told::Challenge(challenge) => challenge,
            other => panic!("{other:?} is no challenge"),
        };
        let signed = [
            PURPOSE,
            &challenge.nonce,
            hello.node_id.as_bytes(),
            &hello.instance,
            &hello.public_key,
        ];
        let proof = Proof {
            signature: key.sign(&signed.concat()).unwrap().into(),
            enrolment_token: token.to_owned(),
        };
        say(&out, Said::Proof(proof)).await;
        match next(&mut incoming).await {
            Told::Welcome(_) => {}
            other => panic!("{other:?} is no welcome"),
        }
        let (recorded, confirmed) = watch::channel(0);
        tasks.spawn(async move {
            while let Some(kind) = incoming.next().await {
                if let Some(Told::Recorded(confirmation)) = kind {
                    recorded.send_replace(confirmation.number);
                }
            }
        });
        let mut node = Self {
            id: hello.node_id,
            containers: (0..containers).map(|at| container(number, at)).collect(),
            out,
            recorded: confirmed,
            told: 0,
            _moving: tasks,
        };
        node.tell_all().await;
        node
    }

    async fn tell_all(&mut self) {
        let engine = Engine {
            is_reachable: true,
            version: "28.5.2".to_owned(),
            api_version: "1.51".to_owned(),
            name: self.id.clone(),
            os: "Android".to_owned(),
            arch: "aarch64".to_owned(),
            kernel: "4.14.0".to_owned(),
            cpus: 8,
            memory_bytes: 8 << 30,
            error: String::new(),
        };
        say(&self.out, Said::Engine(engine)).await;
        let snapshot = Snapshot {
            containers: self.containers.clone(),
            is_last: true,
        };
        say(&self.out, Said::Snapshot(snapshot)).await;
    }

    /// How many changes it told.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// One of its containers, each in its turn, ends, or runs again, and it says so: with a number of its own, and when
    /// that was.
    ///
    /// # Panics
    /// When the coordinator confirms nothing.
    pub async fn change(&mut self) {
        self.wait(self.told.saturating_sub(UNCONFIRMED_MAX - 1)).await;
        self.told += 1;
        let turn = usize::try_from(self.told).unwrap() % self.containers.len();
        let container = &mut self.containers[turn];
        let time_nano = now();
        let action = if container.state == "running" {
            container.state = "exited".to_owned();
            container.finished_at_nano = Some(time_nano);
            "die"
        } else {
            container.state = "running".to_owned();
            container.started_at_nano = Some(time_nano);
            "start"
        };
        let attributes = [
            ("name", container.names[0].clone()),
            ("image", container.image.clone()),
            ("number", self.told.to_string()),
            ("time_nano", time_nano.to_string()),
        ];
        let event = Event {
            time_nano,
            r#type: "container".to_owned(),
            action: action.to_owned(),
            actor_id: container.id.clone(),
            attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
            scope: "local".to_owned(),
        };
        let change = Change {
            number: self.told,
            event: Some(event),
            container: Some(container.clone()),
            is_gone: false,
        };
        say(&self.out, Said::Change(change)).await;
    }

    /// Waits until the coordinator has all changes on its disk.
    ///
    /// # Panics
    /// When it does not say so.
    pub async fn recorded(&mut self) {
        self.wait(self.told).await;
    }

    async fn wait(&mut self, number: u64) {
        let recorded = self.recorded.wait_for(|recorded| *recorded >= number);
        let _ = timeout(LIMIT, recorded)
            .await
            .expect("nothing is recorded")
            .expect("the coordinator is gone");
    }
}

async fn say(out: &mpsc::Sender<FromNode>, kind: Said) {
    let sent = out.send(FromNode { kind: Some(kind) }).await;
    sent.expect("the coordinator is gone");
}

async fn next(incoming: &mut (impl Stream<Item = Option<Told>> + Unpin)) -> Told {
    let kind = timeout(LIMIT, incoming.next()).await;
    kind.expect("the coordinator says nothing")
        .flatten()
        .expect("the coordinator is gone")
}

/// What it says of itself. No password opens it.
fn hello(number: usize, key: &KeyPair) -> Hello {
    Hello {
        node_id: format!("n{number:015}"),
        instance: (number as u128).to_le_bytes().to_vec().into(),
        public_key: key.public_key_raw().to_vec().into(),
        name: format!("phone {number}"),
        hostname: format!("phone-{number}"),
        version: "0.0.0".to_owned(),
        os: "linux".to_owned(),
        arch: "aarch64".to_owned(),
        ..Hello::default()
    }
}

/// As large as those of phones are.
fn container(node: usize, at: usize) -> Container {
    let name = format!("service-{at}");
    let labels = [
        ("com.docker.compose.project", "home"),
        ("com.docker.compose.service", &name),
    ];
    Container {
        id: format!("{node:032x}{at:032x}"),
        image: format!("ghcr.io/example/{name}:1.2.3"),
        image_id: format!("sha256:{at:064x}"),
        command: "/usr/local/bin/service --config /etc/service.toml".to_owned(),
        created: 1_795_000_000,
        state: "running".to_owned(),
        started_at_nano: Some(1_795_000_001_000_000_000),
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        names: vec![name],
        ..Container::default()
    }
}
