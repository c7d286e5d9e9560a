//! A coordinator that serves users on loopback, and a node behind it that is none: its streams end at a script.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;

use crate::access::Role;
use crate::coordinator::api::reach::{Dialled, Duplex, Reach};
use crate::coordinator::api::{Parts, Settings, digest, router, serve_admin, serve_net};
use crate::coordinator::metrics::Metrics;
use crate::coordinator::ports::Ports;
use crate::coordinator::state::{Attendance, NodeHello, State, now};
use crate::coordinator::store::{Embedded, Enrolment, Key, NodeRecord, Registry as _, Retention};
use crate::coordinator::{Lines, TunnelError};
use crate::docker::{self, Answer};
use crate::proto;

/// The node that there is.
pub(super) const NODE: &str = "abcdefgh12345678";
/// Its owner's password.
pub(super) const PASSWORD: &str = "correct horse battery";
/// The id of its container, whose name is `web`.
pub(super) const CONTAINER: &str = "c0ffee0000000000000000000000000000000000000000000000000000000000";

/// Time for anything to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What the node's Docker answers: a status, a kind, a body.
type Line = (u16, &'static str, Bytes);

/// A Docker that follows a script, and notes what it was asked.
#[derive(Debug, Default)]
pub(super) struct Script {
    lines: Mutex<HashMap<String, Line>>,
    asked: Mutex<Vec<String>>,
    /// What is wrong with the node.
    trouble: Mutex<Option<TunnelError>>,
    shut_out: Mutex<Vec<String>>,
}

impl Script {
    /// From now on, this is answered to `METHOD /target`.
    pub(super) fn answer(&self, asked: &str, status: u16, kind: &'static str, body: impl Into<Bytes>) {
        let line = (status, kind, body.into());
        self.lines.lock().unwrap().insert(asked.to_owned(), line);
    }

    /// From now on there is no stream.
    pub(super) fn break_off(&self, trouble: TunnelError) {
        *self.trouble.lock().unwrap() = Some(trouble);
    }

    /// What was asked since this was asked last.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Which nodes were shut out.
    pub(super) fn shut_out(&self) -> Vec<String> {
        self.shut_out.lock().unwrap().clone()
    }

    fn respond(&self, mut request: Request<Incoming>, body: &[u8]) -> Response<Full<Bytes>> {
        let mut asked = format!("{} {}", request.method(), request.uri());
        let line = self.lines.lock().unwrap().get(&asked).cloned();
        assert!(!request.headers().contains_key(AUTHORIZATION), "{asked}");
        if !body.is_empty() {
            asked.push(' ');
            asked.push_str(&String::from_utf8_lossy(body));
        }
        self.asked.lock().unwrap().push(asked);
        if request.headers().contains_key(UPGRADE) && line.is_none() {
            tokio::spawn(echo(hyper::upgrade::on(&mut request)));
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
            return response;
        }
        let (status, kind, body) = line.unwrap_or((
            404,
            "application/json",
            Bytes::from_static(b"{\"message\":\"No such container\"}"),
        ));
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

/// Writes back whatever comes, in capitals, and then `bye`.
async fn echo(upgrade: hyper::upgrade::OnUpgrade) {
    let mut stream = TokioIo::new(upgrade.await.unwrap());
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let bytes = buffer[..length].to_ascii_uppercase();
        stream.write_all(&bytes).await.unwrap();
        if bytes.ends_with(b"EXIT") {
            break;
        }
    }
    let _ = stream.write_all(b"bye").await;
    let _ = stream.shutdown().await;
}

/// What leads to the script.
#[derive(Debug)]
struct Tunnels(Arc<Script>);

impl Reach for Tunnels {
    fn dial<'a>(&'a self, node_id: &'a str, first: Bytes) -> Dialled<'a> {
        Box::pin(async move {
            assert_eq!(node_id, NODE);
            if let Some(trouble) = self.0.trouble.lock().unwrap().clone() {
                return Err(trouble);
            }
            let (here, there) = tokio::io::duplex(4096);
            let script = Arc::clone(&self.0);
            let first = std::io::Cursor::new(first);
            tokio::spawn(async move {
                let (reader, writer) = tokio::io::split(there);
                let stream = tokio::io::join(first.chain(reader), writer);
                let service = service_fn(move |mut request: Request<Incoming>| {
                    let script = Arc::clone(&script);
                    async move {
                        let body = request.body_mut().collect().await.unwrap().to_bytes();
                        Ok::<_, Infallible>(script.respond(request, &body))
                    }
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await;
            });
            Ok(Box::new(here) as Box<dyn Duplex>)
        })
    }

    fn shut_out(&self, node_id: &str) {
        self.0.shut_out.lock().unwrap().push(node_id.to_owned());
    }
}

/// All of it. What it started ends with it.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) script: Arc<Script>,
    pub(super) state: Arc<State>,
    pub(super) store: Embedded,
    pub(super) address: SocketAddr,
    pub(super) attendance: Attendance,
    pub(super) dir: tempfile::TempDir,
    _stop: Vec<oneshot::Sender<()>>,
}

impl Scene {
    /// With a node that is connected and has one container.
    pub(super) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    /// Likewise, with other settings.
    pub(super) async fn with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(dir.path(), Retention::default()).unwrap();
        let shared = Arc::new(store.clone());
        let state = State::open(Arc::clone(&shared) as _, Arc::clone(&shared) as _)
            .await
            .unwrap();
        let attendance = enrol(&store, &state, NODE).await;
        let script = Arc::new(Script::default());
        let reach: Arc<dyn Reach> = Arc::new(Tunnels(Arc::clone(&script)));
        let router = router(Parts {
            state: Arc::clone(&state),
            registry: Arc::clone(&shared) as _,
            log: shared,
            ports: Ports::new(Arc::clone(&reach), None),
            reach,
            metrics: Arc::new(Metrics::new(Arc::clone(&state), Lines::default())),
            settings,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let admin = UnixListener::bind(dir.path().join("admin.sock")).unwrap();
        let [(end_net, net_ends), (end_admin, admin_ends)] = [oneshot::channel(), oneshot::channel()];
        let ended = async |ends: oneshot::Receiver<()>| drop(ends.await);
        tokio::spawn(serve_net(listener, None, router.clone(), ended(net_ends)));
        tokio::spawn(serve_admin(admin, router, ended(admin_ends)));
        Self {
            script,
            state,
            store,
            address,
            attendance,
            dir,
            _stop: vec![end_net, end_admin],
        }
    }

    /// A key with this access, for one node or for all.
    pub(super) async fn key(&self, role: Role, node_id: Option<&str>) -> String {
        let secret = format!("sfk_{role:?}{node_id:?}").replace([' ', '"'], "");
        let key = Key {
            name: secret.as_str().into(),
            hash: digest(&secret),
            role,
            node_id: node_id.map(Into::into),
            created_at: 0,
        };
        self.store.add_key(key).await.unwrap();
        secret
    }

    /// Asks as the node's owner.
    pub(super) async fn owner(&self, asked: &str) -> Seen {
        self.ask(asked, &basic(NODE, PASSWORD), None).await
    }

    /// Asks with a key.
    pub(super) async fn by_key(&self, asked: &str, key: &str) -> Seen {
        self.ask(asked, &format!("Bearer {key}"), None).await
    }

    /// Asks `METHOD /target` with an Authorization, or none where it is empty, and a body of JSON, if any.
    pub(super) async fn ask(&self, asked: &str, authorization: &str, body: Option<Value>) -> Seen {
        let mut request = request(asked, body);
        if !authorization.is_empty() {
            let value = authorization.parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Seen::of(self.send(request).await).await
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: Request<docker::Body>) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        docker::exchange(stream, request).await.unwrap()
    }

    /// Asks by the admin socket.
    pub(super) async fn admin(&self, asked: &str, body: Option<Value>) -> Seen {
        let stream = UnixStream::connect(self.dir.path().join("admin.sock"))
            .await
            .unwrap();
        Seen::of(docker::exchange(stream, request(asked, body)).await.unwrap()).await
    }

    /// One more node, which has one container that is the same but for its id.
    pub(super) async fn second_node(&self, node_id: &str, container_id: &str) {
        enrol(&self.store, &self.state, node_id).await;
        let container = proto::Container {
            id: container_id.to_owned(),
            ..container("running")
        };
        self.state.snapshot(node_id, vec![container]).await.unwrap();
    }

    /// The node tells that its container was found so after an event.
    pub(super) async fn happens(&self, number: u64, action: &str, state: &str) {
        let event = proto::Event {
            time_nano: now(),
            r#type: "container".to_owned(),
            action: action.to_owned(),
            actor_id: CONTAINER.to_owned(),
            attributes: HashMap::from([("name".to_owned(), "web".to_owned())]),
            scope: "local".to_owned(),
        };
        let change = proto::Change {
            number,
            event: Some(event),
            container: Some(container(state)),
            is_gone: false,
        };
        self.state.ingest(NODE, vec![change]).await.unwrap();
    }
}

/// A request: `METHOD /target`.
pub(super) fn request(asked: &str, body: Option<Value>) -> Request<docker::Body> {
    let (method, target) = asked.split_once(' ').unwrap();
    let is_json = body.is_some();
    let mut request = Request::new(body.map_or_else(docker::empty, |body| docker::full(body.to_string())));
    *request.method_mut() = method.parse::<Method>().unwrap();
    *request.uri_mut() = target.parse().unwrap();
    if is_json {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
    }
    request
}

/// What a name and a password are as Basic.
pub(super) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// The container, in this state.
pub(super) fn container(state: &str) -> proto::Container {
    proto::Container {
        id: CONTAINER.to_owned(),
        names: vec!["web".to_owned()],
        image: "nginx".to_owned(),
        state: state.to_owned(),
        created: 1_700_000_000,
        started_at_nano: Some(1_700_000_001_500_000_000),
        labels: HashMap::from([("a".to_owned(), "b".to_owned())]),
        ports: vec![proto::Port {
            private_port: 80,
            public_port: 8080,
            protocol: "tcp".to_owned(),
            ip: "0.0.0.0".to_owned(),
        }],
        ..proto::Container::default()
    }
}

async fn enrol(store: &Embedded, state: &Arc<State>, node_id: &str) -> Attendance {
    let enrolment = Enrolment {
        token_hash: digest("token"),
        name: None,
        created_at: 0,
        expires_at: i64::MAX,
    };
    store.add_enrolment(enrolment).await.unwrap();
    let record = NodeRecord {
        node_id: node_id.into(),
        name: "phone".into(),
        public_key: [7; 32],
        password_salt: b"salt".to_vec(),
        password_hash: Sha256::digest(format!("salt{PASSWORD}")).to_vec(),
        enrolled_at: now(),
        revoked_at: None,
        last_seen: None,
    };
    store.enrol(digest("token"), record.clone(), now()).await.unwrap();
    state.enrolled(&record).await.unwrap();
    let hello = NodeHello {
        node_id: node_id.into(),
        hostname: "phone-1".into(),
        version: "0.1.0".into(),
        os: "linux".into(),
        arch: "x86_64".into(),
    };
    let attendance = state.connected(hello).await.unwrap();
    state.snapshot(node_id, vec![container("running")]).await.unwrap();
    attendance
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) headers: hyper::HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    /// An answer, read to its end.
    pub(super) async fn of(answer: Answer) -> Self {
        let (parts, body) = answer.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Its body as JSON.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What it says went wrong.
    #[track_caller]
    pub(super) fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }
}
