//! Clients: one that calls the entry directly, and one that speaks raw HTTP over a unix socket.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socketd::config::{Limit, Limits, Place};
use socketd::ending::{self, Ending, Teller};
use socketd::front::{self, House, Listener, Planned};
use socketd::link::Link;
use socketd::observe::metrics::Metrics;
use socketd::policy::browser::Allowed;
use socketd::policy::caller::{Caller, Keeper, Rules, Terms};
use socketd::routes::Entry;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::stand_in::{SOON, StandIn};

/// An entry that asks the stand-in, and what ends its endless answers.
pub(crate) fn entry(stand_in: &StandIn) -> (Arc<Entry>, Teller) {
    let (teller, ending) = ending::channel();
    (entry_until(stand_in, ending), teller)
}

fn entry_until(stand_in: &StandIn, ending: Ending) -> Arc<Entry> {
    Arc::new(Entry::new(Arc::new(Link::new(stand_in.dir())), ending))
}

/// Somebody who may do everything.
pub(crate) fn trusted() -> Arc<Caller> {
    Arc::new(Caller::trusted("test"))
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn message(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 1, "{self:?}");
        value["message"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(body.into())
        .unwrap()
}

/// One request, answered whole.
pub(crate) async fn ask(entry: &Entry, method: &str, path: &str) -> Reply {
    send(entry, request(method, path, Body::empty())).await
}

pub(crate) async fn send(entry: &Entry, request: Request<Body>) -> Reply {
    let whole = async {
        let (head, body) = entry.answer(&trusted(), request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    };
    timeout(SOON, whole).await.expect("an answer in time")
}

/// One request, answered whole, its body as it is.
pub(crate) async fn ask_bytes(entry: &Entry, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let whole = async {
        let (head, body) = entry
            .answer(&trusted(), request("GET", path, Body::empty()))
            .await
            .into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, body.to_vec())
    };
    timeout(SOON, whole).await.expect("an answer in time")
}

/// Frames of a multiplexed stream: the number of the stream, and the text.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(bytes[1..4], [0, 0, 0], "a frame begins so");
        let length = u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize;
        frames.push((bytes[0], bytes[8..8 + length].to_vec()));
        bytes = &bytes[8 + length..];
    }
    frames
}

/// Both ends of every connection are in this process: it takes all descriptors that it may have.
fn raise_descriptors() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

/// The front on a socket of its own.
pub(crate) struct Served {
    pub(crate) place: Place,
    teller: Teller,
    task: JoinHandle<()>,
}

impl Served {
    /// On a unix socket beside the stand-in's.
    pub(crate) async fn new(stand_in: &StandIn) -> Self {
        raise_descriptors();
        let path = stand_in.dir().join("docker.sock");
        Self::at(path, Arc::new(Link::new(stand_in.dir()))).await
    }

    /// On a unix socket, over any bridge.
    pub(crate) async fn over(link: Arc<Link>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("socketd-over-{}-{number}.sock", std::process::id());
        Self::at(std::env::temp_dir().join(name), link).await
    }

    /// On a free port of the loopback address.
    pub(crate) async fn tcp(stand_in: &StandIn, allowed: Allowed) -> Self {
        let anywhere = Planned::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        Self::planned(&anywhere, stand_in, allowed).await
    }

    /// On a free port of the loopback address, with these limits as on the command line.
    pub(crate) async fn tcp_limited(stand_in: &StandIn, limits: &[&str]) -> Self {
        raise_descriptors();
        let anywhere = Planned::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = Listener::bind(&anywhere, None).await.unwrap();
        let link = Arc::new(Link::new(stand_in.dir()));
        Self::limited(listener, link, Allowed::default(), limits)
    }

    /// On a unix socket beside the stand-in's, with these limits as on the command line.
    pub(crate) async fn unix_limited(stand_in: &StandIn, limits: &[&str]) -> Self {
        raise_descriptors();
        let path = stand_in.dir().join("docker.sock");
        let listener = Listener::bind(&Planned::Unix(path), None).await.unwrap();
        let link = Arc::new(Link::new(stand_in.dir()));
        Self::limited(listener, link, Allowed::default(), limits)
    }

    pub(crate) async fn planned(planned: &Planned, stand_in: &StandIn, allowed: Allowed) -> Self {
        let listener = Listener::bind(planned, None).await.unwrap();
        Self::behind(listener, Arc::new(Link::new(stand_in.dir())), allowed)
    }

    async fn at(path: PathBuf, link: Arc<Link>) -> Self {
        let listener = Listener::bind(&Planned::Unix(path), None).await.unwrap();
        Self::behind(listener, link, Allowed::default())
    }

    fn behind(listener: Listener, link: Arc<Link>, allowed: Allowed) -> Self {
        Self::limited(listener, link, allowed, &[])
    }

    fn limited(listener: Listener, link: Arc<Link>, allowed: Allowed, limits: &[&str]) -> Self {
        let limits: Vec<Limit> = limits.iter().map(|limit| limit.parse().unwrap()).collect();
        let limits = Limits::default().with(&limits);
        let place = listener.place().unwrap();
        let (teller, ending) = ending::channel();
        let rules = Rules {
            terms: vec![Terms::default()],
            ..Rules::default()
        };
        let house = House {
            entry: Arc::new(Entry::measured(link, ending.clone(), limits, Metrics::new())),
            keeper: Arc::new(Keeper::new(rules)),
            first: 0,
            allowed: Arc::new(allowed),
            ending,
        };
        let task = tokio::spawn(front::serve(vec![listener], house));
        Self { place, teller, task }
    }

    pub(crate) async fn connect(&self) -> Raw {
        match &self.place {
            Place::Unix(path) => Raw::over(UnixStream::connect(path).await.unwrap()),
            Place::Tcp(address) => Raw::over(TcpStream::connect(address).await.unwrap()),
            Place::Tls(..) => panic!("a handshake comes before"),
        }
    }

    /// The path of its unix socket.
    pub(crate) fn path(&self) -> &Path {
        match &self.place {
            Place::Unix(path) => path,
            other => panic!("{other} has no path"),
        }
    }

    /// Tells it to end, and does not wait.
    pub(crate) fn tell(&self) {
        self.teller.tell();
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Tcp(address) | Place::Tls(address, _) => *address,
            Place::Unix(path) => panic!("{} is no address", path.display()),
        }
    }

    /// Ends as on SIGTERM, and waits for it.
    pub(crate) async fn end(self) {
        self.teller.tell();
        timeout(SOON, self.task).await.expect("the front ends").unwrap();
    }
}

/// Both directions of a connection, whatever it runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection on which a test writes what it likes.
pub(crate) struct Raw {
    stream: Box<dyn Stream>,
    pub(crate) seen: String,
}

impl Raw {
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            seen: String::new(),
        }
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes()).await;
    }

    pub(crate) async fn write_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Ends what the client writes, and only that.
    pub(crate) async fn end_writing(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads on until what was seen contains `part`; then forgets everything up to its end.
    pub(crate) async fn expect(&mut self, part: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(part) {
                let rest = self.seen.split_off(at + part.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            assert!(self.read().await > 0, "ended before {part:?}: {:?}", self.seen);
        }
    }

    /// Reads to the end of the connection.
    pub(crate) async fn end(mut self) -> String {
        while self.read().await > 0 {}
        self.seen
    }

    /// What comes next, whatever it is; nothing at the end.
    pub(crate) async fn part(&mut self) -> String {
        self.read().await;
        std::mem::take(&mut self.seen)
    }

    /// Whether something comes, an end included, before so much of a paused clock has passed.
    pub(crate) async fn comes_within(&mut self, time: Duration) -> bool {
        let mut part = [0; 4096];
        timeout(time, self.stream.read(&mut part)).await.is_ok()
    }

    async fn read(&mut self) -> usize {
        let mut part = [0; 4096];
        let count = timeout(SOON, self.stream.read(&mut part))
            .await
            .expect("bytes in time");
        // A reset is an end like another here.
        let count = count.unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&part[..count]));
        count
    }
}
