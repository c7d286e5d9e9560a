//! A stand-in for a stock bridge: listens on an abstract socket, serves one connection after the
//! other, and has the flaws of the real one. It is made of version 1's own types and golden frames;
//! no runtime stands behind it.

use std::fs;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use socketd::ending::{self, Teller};
use socketd::link::Link;
use socketd::routes::Entry;
use tokio::sync::Notify;
use wire::v1::{
    self, Answer, Container, HEADER_BYTES, Image, Inspect, Opcode, Request, RequestHeader, Response, Status,
    events,
};

use crate::stand_in::SOON;

/// Containers that a list holds; with one more the real one loses the whole list.
const LISTED_MAX: usize = 256;
/// Images that a list holds.
const IMAGES_MAX: usize = 512;

/// What the stand-in's machine holds.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) containers: Vec<Inspect>,
    /// The file of events, byte for byte.
    pub(crate) events: Vec<u8>,
    /// Every request, in the order it came.
    pub(crate) asked: Vec<Request>,
    /// Whether a second connection waited while one was served.
    pub(crate) crowded: bool,
    clock_s: i64,
}

impl World {
    /// Lets an event happen, as the runtime writes it.
    pub(crate) fn happen(&mut self, action: &str, container: &Inspect) {
        self.clock_s += 1;
        let event = v1::Event {
            time_ns: (1_795_309_000 + self.clock_s) * 1_000_000_000 + 5,
            action: action.to_owned(),
            uuid: container.uuid.clone(),
            name: container.name.clone(),
        };
        events::append(&event, &mut self.events);
    }

    pub(crate) fn count(&self, opcode: Opcode) -> usize {
        let asked = self.asked.iter();
        asked.filter(|asked| asked.opcode() == opcode).count()
    }

    fn find(&self, target: &str) -> Result<usize, Status> {
        let named = self.containers.iter().position(|one| one.name == target);
        if let Some(named) = named {
            return Ok(named);
        }
        let hex = target.len() <= 32 && target.bytes().all(|byte| byte.is_ascii_hexdigit());
        let begun: Vec<usize> = (0..self.containers.len())
            .filter(|at| hex && self.containers[*at].uuid.starts_with(target))
            .collect();
        match begun.as_slice() {
            [] => Err(Status::NotFound),
            [one] => Ok(*one),
            _ => Err(Status::BadRequest),
        }
    }

    /// The time of a start is computed anew for each answer, and jitters.
    fn jittered(&self, container: &Inspect) -> Inspect {
        let mut shown = container.clone();
        if shown.started_at_s != 0 {
            shown.started_at_s += i64::try_from(self.asked.len() % 3).unwrap() - 1;
        }
        shown
    }

    fn list(&self, all: bool) -> Answer {
        let listed: Vec<Container> = self
            .containers
            .iter()
            .filter(|one| all || one.pid != 0)
            .map(|one| listed(self.jittered(one)))
            .collect();
        if listed.len() > LISTED_MAX {
            return Err(Status::InternalError);
        }
        Ok(Response::Containers(listed))
    }

    fn images(&self) -> Answer {
        if self.containers.len() > IMAGES_MAX {
            return Err(Status::InternalError);
        }
        let image = |one: &Inspect| Image {
            name: one.name.clone(),
            path: one.image.clone(),
            uuid: one.uuid.clone(),
            running: one.pid != 0,
            created_at_s: 0,
        };
        Ok(Response::Images(self.containers.iter().map(image).collect()))
    }

    /// The bytes of the file in steps of a record from its beginning, whatever they are.
    fn events_frame(&self) -> Vec<u8> {
        let whole = self.events.len() / events::EVENT_BYTES * events::EVENT_BYTES;
        let mut frame = v1::ResponseHeader {
            status: Status::Ok,
            length: u32::try_from(whole).unwrap(),
        }
        .to_bytes()
        .to_vec();
        frame.extend_from_slice(&self.events[..whole]);
        frame
    }

    fn lifecycle(&mut self, opcode: Opcode, target: &str) -> Answer {
        let at = self.find(target)?;
        let runs = self.containers[at].pid != 0;
        match opcode {
            Opcode::StartContainer if runs => return Err(Status::AlreadyRunning),
            Opcode::StopContainer if !runs => return Err(Status::AlreadyStopped),
            _ => {}
        }
        if runs {
            self.containers[at].pid = 0;
            self.containers[at].started_at_s = 0;
            let stopped = self.containers[at].clone();
            self.happen("die", &stopped);
        }
        if opcode != Opcode::StopContainer {
            self.containers[at].pid = 5000 + i32::try_from(self.asked.len()).unwrap();
            self.containers[at].started_at_s = 1_795_310_000;
            let started = self.containers[at].clone();
            self.happen("start", &started);
        }
        Ok(Response::Done)
    }

    fn answer(&mut self, request: &Request) -> Vec<u8> {
        let answer = match request {
            Request::Ping => Ok(Response::Pong),
            Request::Capabilities => Ok(Response::Capabilities(v1::Capabilities::ALL)),
            Request::Info => Ok(Response::Info(v1::Info::default())),
            Request::ListContainers { all } => self.list(*all),
            Request::InspectContainer { target } => self
                .find(target)
                .map(|at| Response::Container(Box::new(self.jittered(&self.containers[at])))),
            Request::StartContainer(order)
            | Request::StopContainer(order)
            | Request::RestartContainer(order) => self.lifecycle(request.opcode(), &order.target),
            Request::ListImages => self.images(),
            Request::PollEvents { .. } => return self.events_frame(),
        };
        frame(&answer)
    }
}

/// The bytes of an answer.
pub(crate) fn frame(answer: &Answer) -> Vec<u8> {
    match answer {
        Ok(response) => response.to_frame().unwrap(),
        Err(status) => status.to_frame().to_vec(),
    }
}

fn listed(one: Inspect) -> Container {
    Container {
        name: one.name,
        uuid: one.uuid,
        image: one.image,
        hostname: one.hostname,
        address: one.address,
        init: one.init,
        pid: one.pid,
        net_mode: one.net_mode,
        ports: one.ports,
        started_at_s: one.started_at_s,
    }
}

/// What a test says about one request instead of the world's answer.
pub(crate) enum Verdict {
    /// Nothing: the world answers.
    Pass,
    /// These bytes, and then the connection is closed.
    Bytes(Vec<u8>),
    /// The connection is held, unanswered, until the test lets go or ends.
    Hold,
}

type Script = Box<dyn Fn(&Request) -> Verdict + Send>;

struct Shared {
    world: Mutex<World>,
    script: Mutex<Option<Script>>,
    /// Wakes tests.
    told: Notify,
    ended: AtomicBool,
    /// Whether it looks at who connects, as the real one does where there is no file of groups.
    root_only: AtomicBool,
}

/// The stand-in. Everything it made is gone when it is dropped.
pub(crate) struct StockBridge {
    name: String,
    shared: Arc<Shared>,
    /// Dropped to let go of what is held.
    go: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl StockBridge {
    /// Not running yet; call [`up`](Self::up).
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("socketd-stock-{}-{number}", std::process::id()),
            shared: Arc::new(Shared {
                world: Mutex::default(),
                script: Mutex::default(),
                told: Notify::new(),
                ended: AtomicBool::new(false),
                root_only: AtomicBool::new(false),
            }),
            go: None,
            thread: None,
        }
    }

    /// Running, with these containers.
    pub(crate) fn with(containers: Vec<Inspect>) -> Self {
        let mut bridge = Self::new();
        bridge.world(|world| world.containers = containers);
        bridge.up();
        bridge
    }

    /// From now on admits root alone, from this process namespace alone.
    pub(crate) fn admit_root_only(&self) {
        self.shared.root_only.store(true, Ordering::SeqCst);
    }

    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::from_abstract_name(&self.name).unwrap()
    }

    pub(crate) fn up(&mut self) {
        self.shared.ended.store(false, Ordering::SeqCst);
        let listener = UnixListener::bind_addr(&self.socket()).unwrap();
        let shared = Arc::clone(&self.shared);
        let (go, gate) = channel();
        self.go = Some(go);
        self.thread = Some(std::thread::spawn(move || accept(&listener, &shared, &gate)));
    }

    /// Goes away as a killed process does.
    pub(crate) fn down(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.go = None;
        // Wakes the thread that accepts, which then ends.
        let _ = UnixStream::connect_addr(&self.socket());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("dsap:@{}", self.name)
    }

    pub(crate) fn link(&self) -> Arc<Link> {
        Arc::new(Link::stock(self.address().parse().unwrap(), None))
    }

    /// An entry that asks this bridge, and what ends its endless answers.
    pub(crate) fn entry(&self) -> (Arc<Entry>, Teller) {
        let (teller, ending) = ending::channel();
        (Arc::new(Entry::new(self.link(), ending)), teller)
    }

    pub(crate) fn script(&self, script: impl Fn(&Request) -> Verdict + Send + 'static) {
        *self.shared.script.lock().unwrap() = Some(Box::new(script));
    }

    pub(crate) fn unscript(&self) {
        *self.shared.script.lock().unwrap() = None;
    }

    /// Looks at the world, or changes it.
    pub(crate) fn world<T>(&self, visit: impl FnOnce(&mut World) -> T) -> T {
        visit(&mut self.shared.world.lock().unwrap())
    }

    pub(crate) fn count(&self, opcode: Opcode) -> usize {
        self.world(|world| world.count(opcode))
    }

    /// Waits until the world is as asked.
    pub(crate) async fn until(&self, condition: impl Fn(&World) -> bool) {
        let waiting = async {
            loop {
                let told = self.shared.told.notified();
                if self.world(|world| condition(world)) {
                    return;
                }
                told.await;
            }
        };
        tokio::time::timeout(SOON, waiting).await.expect("it happens");
    }
}

impl Drop for StockBridge {
    fn drop(&mut self) {
        self.down();
    }
}

fn accept(listener: &UnixListener, shared: &Shared, gate: &Receiver<()>) {
    while let Ok((mut stream, _)) = listener.accept() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        if shared.root_only.load(Ordering::SeqCst) && !is_admitted(&stream) {
            let _ = stream.write_all(&Status::Forbidden.to_frame());
            continue;
        }
        let answer = match read(&mut stream) {
            Ok(request) => {
                shared.world.lock().unwrap().asked.push(request.clone());
                shared.told.notify_waiters();
                let script = shared.script.lock().unwrap();
                match script.as_ref().map_or(Verdict::Pass, |script| script(&request)) {
                    Verdict::Pass => shared.world.lock().unwrap().answer(&request),
                    Verdict::Bytes(bytes) => bytes,
                    Verdict::Hold => {
                        drop(script);
                        let _ = gate.recv();
                        Vec::new()
                    }
                }
            }
            Err(status) => status.to_frame().to_vec(),
        };
        let waits = someone_waits(listener);
        shared.world.lock().unwrap().crowded |= waits;
        // A client that is gone is its own affair.
        let _ = stream.write_all(&answer);
    }
}

/// Whether the kernel says that whoever connected is root and of our process namespace.
fn is_admitted(stream: &UnixStream) -> bool {
    let peer = rustix::net::sockopt::socket_peercred(stream).unwrap();
    let space = |process: String| fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let theirs = space(peer.pid.as_raw_nonzero().to_string());
    theirs.is_some() && theirs == space("self".to_owned()) && peer.uid.is_root()
}

/// Whether a further connection is in the queue.
fn someone_waits(listener: &UnixListener) -> bool {
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut asked = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO).unwrap() > 0
}

fn read(stream: &mut UnixStream) -> Result<Request, Status> {
    let mut head = [0; HEADER_BYTES];
    stream.read_exact(&mut head).map_err(|_| Status::BadRequest)?;
    let header = RequestHeader::parse(&head)?;
    let mut payload = vec![0; usize::try_from(header.length).unwrap()];
    stream.read_exact(&mut payload).map_err(|_| Status::BadRequest)?;
    Request::decode(header, &payload)
}
