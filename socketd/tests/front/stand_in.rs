//! A stand-in for the bridge: listens on both sockets, decodes real frames, records what it was
//! asked, and answers from a small world of its own unless a test scripts something else.

use std::collections::VecDeque;
use std::fs;
use std::io::{IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recv, recvmsg};
use tokio::sync::Notify;
use wire::container::Exit;
use wire::limits::REQUEST_BYTES_MAX;
use wire::request::{IfNewer, Nothing, PollEvents};
use wire::response::{Containers, Created, Events, Exited, ImageRemoved, Images, Lagged, Subscribed};
use wire::{
    Action, Container, ContainerId, Event, EventKind, Flow, HEADER_BYTES, Header, Image, ImageId, Info,
    Opcode, Refusal, RefusalCode, Request, Response, Summary, Time,
};

/// How long anything in these tests may take before it counts as never.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What the stand-in's machine holds.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) revision: u64,
    pub(crate) containers: Vec<Summary>,
    pub(crate) images: Vec<Image>,
    pub(crate) events: Vec<Event>,
    /// Every request, in the order it came.
    pub(crate) asked: Vec<Request>,
    /// Subscriptions tell this many events at most and then say that the reader lags.
    pub(crate) lag_after: Option<usize>,
    /// Open subscriptions.
    pub(crate) subscriptions: usize,
    /// Set when a wait may end.
    pub(crate) exited: bool,
    /// Waits whose client went away.
    pub(crate) waits_abandoned: usize,
    /// What was read from the descriptor of an import, and how its end looked.
    pub(crate) uploads: Vec<(Vec<u8>, Result<(), i32>)>,
}

/// What a test says about one request instead of the world's answer.
pub(crate) type Script = Box<dyn Fn(&Request, &mut Peer) -> Verdict + Send + Sync>;

/// Whether a script answered.
pub(crate) enum Verdict {
    /// It did not: the world answers.
    Pass,
    /// It did.
    Answered,
    /// It did, and the connection is to be closed.
    Close,
}

struct Shared {
    world: Mutex<World>,
    /// Wakes the stand-in's own threads.
    changed: Condvar,
    /// Wakes tests.
    told: Notify,
    script: Mutex<Option<Arc<Script>>>,
    ended: AtomicBool,
    streams: Mutex<Vec<UnixStream>>,
}

impl Shared {
    fn tell(&self) {
        self.changed.notify_all();
        self.told.notify_waiters();
    }
}

/// The stand-in. Everything it made is gone when it is dropped.
pub(crate) struct StandIn {
    dir: PathBuf,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl StandIn {
    /// Not running yet; call [`up`](Self::up).
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("socketd-front-{}-{number}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let world = World {
            revision: 1,
            ..World::default()
        };
        Self {
            dir,
            shared: Arc::new(Shared {
                world: Mutex::new(world),
                changed: Condvar::new(),
                told: Notify::new(),
                script: Mutex::new(None),
                ended: AtomicBool::new(false),
                streams: Mutex::new(Vec::new()),
            }),
            threads: Vec::new(),
        }
    }

    /// Running.
    pub(crate) fn running() -> Self {
        let mut stand_in = Self::new();
        stand_in.up();
        stand_in
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Begins to listen.
    pub(crate) fn up(&mut self) {
        self.shared.ended.store(false, Ordering::SeqCst);
        for name in ["watch.sock", "control.sock"] {
            let listener = UnixListener::bind(self.dir.join(name)).unwrap();
            let shared = Arc::clone(&self.shared);
            self.threads
                .push(std::thread::spawn(move || accept(&listener, &shared, name)));
        }
    }

    /// Goes away as a killed process does: every connection ends, nobody listens.
    pub(crate) fn down(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for name in ["watch.sock", "control.sock"] {
            // Wakes the thread that accepts, which then ends.
            let _ = UnixStream::connect(self.dir.join(name));
            let _ = fs::remove_file(self.dir.join(name));
        }
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.shared.tell();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }

    /// Answers by a script where it wants to.
    pub(crate) fn script(&self, script: impl Fn(&Request, &mut Peer) -> Verdict + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Some(Arc::new(Box::new(script)));
    }

    pub(crate) fn unscript(&self) {
        *self.shared.script.lock().unwrap() = None;
    }

    /// Looks at the world, or changes it; whoever waits for a change looks again.
    pub(crate) fn world<T>(&self, visit: impl FnOnce(&mut World) -> T) -> T {
        let value = visit(&mut self.shared.world.lock().unwrap());
        self.shared.tell();
        value
    }

    /// Waits until the world is as asked.
    pub(crate) async fn until(&self, condition: impl Fn(&World) -> bool) {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let changed = self.shared.told.notified();
            if condition(&self.shared.world.lock().unwrap()) {
                return;
            }
            let changed = tokio::time::timeout_at(deadline, changed).await;
            assert!(
                changed.is_ok(),
                "never happened: {:?}",
                self.shared.world.lock().unwrap()
            );
        }
    }

    /// How often something was asked.
    pub(crate) fn count(&self, opcode: Opcode) -> usize {
        self.world(|world| {
            world
                .asked
                .iter()
                .filter(|asked| asked.opcode() == opcode)
                .count()
        })
    }

    /// Lets an event happen.
    pub(crate) fn happen(&self, action: Action, name: &str) {
        self.happenings().happen(action, name);
    }

    /// What lets events happen from inside a script.
    pub(crate) fn happenings(&self) -> Happenings {
        Happenings(Arc::clone(&self.shared))
    }
}

/// Lets events happen.
pub(crate) struct Happenings(Arc<Shared>);

impl Happenings {
    pub(crate) fn happen(&self, action: Action, name: &str) {
        let mut world = self.0.world.lock().unwrap();
        let sequence = world.events.last().map_or(1, |last| last.sequence + 1);
        world.events.push(event(sequence, action, name));
        drop(world);
        self.0.tell();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.down();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// An event as the stand-in makes them: one a second, from second 1000 on.
pub(crate) fn event(sequence: u64, action: Action, name: &str) -> Event {
    Event {
        sequence,
        time: Time((1000 + sequence) * 1_000_000_000),
        kind: EventKind::Container,
        action,
        actor: ContainerId([7; 32]).to_string(),
        attributes: vec![
            wire::spec::Pair::new("name", name),
            wire::spec::Pair::new("image", "bb"),
        ],
        ..Event::default()
    }
}

/// A container that was never started.
pub(crate) fn summary(number: u8, name: &str) -> Summary {
    Summary {
        id: ContainerId([number; 32]),
        name: name.to_owned(),
        runtime: "native".to_owned(),
        created_at: Time(1_700_000_000_000_000_000),
        image_id: ImageId([9; 32]),
        image: "bb".to_owned(),
        arguments: vec!["true".to_owned()],
        ..Summary::default()
    }
}

/// An image with one name.
pub(crate) fn image(number: u8, tag: &str) -> Image {
    Image {
        id: ImageId([number; 32]),
        created_at: Time(1_700_000_000_000_000_000),
        architecture: "amd64".to_owned(),
        tags: vec![tag.to_owned()],
        ..Image::default()
    }
}

/// One connection to the stand-in.
pub(crate) struct Peer {
    stream: UnixStream,
    passed: VecDeque<Passed>,
    pub(crate) socket: &'static str,
}

impl Peer {
    /// Sends one frame; a client that is gone is its own affair.
    pub(crate) fn frame(&mut self, flow: Flow, response: &Response) {
        let mut out = Vec::new();
        response.append_to(flow, &mut out).unwrap();
        self.raw(&out);
    }

    pub(crate) fn answer(&mut self, response: &Response) {
        self.frame(Flow::Last, response);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Closes what came along.
    pub(crate) fn drop_passed(&mut self) {
        self.passed.clear();
    }

    /// Blocks until the client closes its end.
    pub(crate) fn wait_for_end(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
    }

    fn has_ended(&self) -> bool {
        let mut byte = [0];
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.stream.as_raw_fd(), &mut byte, flags) == Ok(0)
    }

    /// Reads one request with whatever descriptor comes along; none at the end.
    fn request(&mut self) -> Option<Request> {
        let mut head = [0; HEADER_BYTES];
        let mut filled = 0;
        while filled < head.len() {
            let mut space = nix::cmsg_space!([i32; 4]);
            let mut parts = [IoSliceMut::new(&mut head[filled..])];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let got = recvmsg::<()>(self.stream.as_raw_fd(), &mut parts, Some(&mut space), flags).ok()?;
            let bytes = got.bytes;
            for message in got.cmsgs().unwrap() {
                if let ControlMessageOwned::ScmRights(passed) = message {
                    for fd in passed {
                        self.passed.push_back(Passed(fd));
                    }
                }
            }
            if bytes == 0 {
                return None;
            }
            filled += bytes;
        }
        let header = Header::parse(&head, REQUEST_BYTES_MAX).unwrap();
        let mut payload = vec![0; header.length as usize];
        self.stream.read_exact(&mut payload).ok()?;
        let opcode = Opcode::from_number(header.kind).unwrap();
        Some(Request::decode(opcode, &payload).unwrap())
    }
}

/// A socket that came along with a request, by its number; closed when dropped.
struct Passed(i32);

impl Passed {
    /// Everything, and how the end looked: in order, or an error number.
    fn read_to_end(&self) -> (Vec<u8>, Result<(), i32>) {
        let mut bytes = Vec::new();
        let mut part = vec![0; 64 * 1024];
        loop {
            match recv(self.0, &mut part, MsgFlags::empty()) {
                Ok(0) => return (bytes, Ok(())),
                Ok(count) => bytes.extend_from_slice(&part[..count]),
                Err(errno) => return (bytes, Err(errno as i32)),
            }
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        let _ = nix::unistd::close(self.0);
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>, socket: &'static str) {
    let mut sessions = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        if shared.ended.load(Ordering::SeqCst) {
            break;
        }
        shared.streams.lock().unwrap().push(stream.try_clone().unwrap());
        let shared = Arc::clone(shared);
        let mut peer = Peer {
            stream,
            passed: VecDeque::new(),
            socket,
        };
        sessions.push(std::thread::spawn(move || session(&shared, &mut peer)));
    }
    for session in sessions {
        session.join().unwrap();
    }
}

fn session(shared: &Shared, peer: &mut Peer) {
    while let Some(request) = peer.request() {
        {
            let mut world = shared.world.lock().unwrap();
            world.asked.push(request.clone());
        }
        shared.tell();
        let script = shared.script.lock().unwrap().clone();
        match script.map_or(Verdict::Pass, |script| script(&request, peer)) {
            Verdict::Pass => answer(shared, peer, request),
            Verdict::Answered => {}
            Verdict::Close => break,
        }
    }
    // The list of streams holds a second descriptor of this one.
    let _ = peer.stream.shutdown(Shutdown::Both);
}

/// The world's own answer.
fn answer(shared: &Shared, peer: &mut Peer, request: Request) {
    let expected = if request.opcode().number() < 32 {
        "watch.sock"
    } else {
        "control.sock"
    };
    assert_eq!(peer.socket, expected, "{request:?}");
    match request {
        Request::Subscribe(subscribe) => return subscription(shared, peer, subscribe.after),
        Request::Wait(_) => return wait(shared, peer),
        Request::ImportImage(_) => return import(shared, peer),
        _ => {}
    }
    let world = shared.world.lock().unwrap();
    let response = match request {
        Request::Info(_) => Response::Info(Box::new(info(&world))),
        Request::ListContainers(IfNewer { than }) | Request::ListImages(IfNewer { than })
            if than == world.revision =>
        {
            Response::NotModified(Nothing {})
        }
        Request::ListContainers(_) => return list(&world, peer),
        Request::ListImages(_) => Response::Images(Images {
            revision: world.revision,
            images: world.images.clone(),
        }),
        Request::InspectContainer(named) => match find(&world, &named.reference) {
            Some(found) => Response::Container(Box::new(found)),
            None => refuse(RefusalCode::NoSuchContainer, &named.reference),
        },
        Request::PollEvents(poll) => Response::Events(poll_events(&world, &poll)),
        Request::DiskUsage(_) => Response::Usage(wire::response::Usage::default()),
        Request::Create(_) => Response::Created(Created {
            id: ContainerId([5; 32]),
            warnings: vec!["from the bridge".to_owned()],
        }),
        Request::RemoveImage(_) => Response::ImageRemoved(ImageRemoved {
            untagged: vec!["bb:latest".to_owned()],
            deleted: true,
        }),
        _ => Response::Done(Nothing {}),
    };
    drop(world);
    peer.answer(&response);
}

pub(crate) fn refuse(code: RefusalCode, subject: &str) -> Response {
    Response::Refused(Refusal::about(code, subject))
}

fn info(world: &World) -> Info {
    let mut info = Info {
        host_id: "ab".repeat(32),
        hostname: "stand-in".to_owned(),
        architecture: "x86_64".to_owned(),
        cpus: 2,
        ..Info::default()
    };
    info.journal.last_sequence = world.events.last().map_or(0, |last| last.sequence);
    info
}

/// Two containers a frame, so that every longer list is several.
fn list(world: &World, peer: &mut Peer) {
    let mut parts: Vec<_> = world.containers.chunks(2).map(<[_]>::to_vec).collect();
    let last = parts.pop().unwrap_or_default();
    let part = |containers| {
        Response::Containers(Containers {
            revision: world.revision,
            containers,
        })
    };
    for earlier in parts {
        peer.frame(Flow::More, &part(earlier));
    }
    peer.answer(&part(last));
}

fn find(world: &World, reference: &str) -> Option<Container> {
    let found = world.containers.iter().find(|found| found.name == reference)?;
    Some(Container {
        id: found.id,
        name: found.name.clone(),
        image_id: found.image_id,
        ..Container::default()
    })
}

fn poll_events(world: &World, poll: &PollEvents) -> Events {
    let last_sequence = world.events.last().map_or(0, |last| last.sequence);
    let mut scanned_to = poll.after.min(last_sequence);
    let mut events = Vec::new();
    for event in world.events.iter().filter(|event| event.sequence > poll.after) {
        if poll.count_max > 0 && events.len() >= poll.count_max as usize {
            break;
        }
        scanned_to = event.sequence;
        if event.time >= poll.since {
            events.push(event.clone());
        }
    }
    Events {
        events,
        first_retained: 1,
        last_sequence,
        scanned_to,
    }
}

/// Tells every event after the one asked for, one a frame, until the client or the stand-in ends.
fn subscription(shared: &Shared, peer: &mut Peer, after: Option<u64>) {
    let last = {
        let mut world = shared.world.lock().unwrap();
        world.subscriptions += 1;
        world.events.last().map_or(0, |last| last.sequence)
    };
    shared.tell();
    let mut position = after.unwrap_or(last);
    let after = position.min(last);
    peer.frame(Flow::More, &Response::Subscribed(Subscribed { after }));
    let mut told = 0;
    // Nothing is sent under the lock: a client that does not read must not stop the world.
    while let Some(event) = next_event(shared, peer, position) {
        let lagging = {
            let mut world = shared.world.lock().unwrap();
            let lagging = world.lag_after.is_some_and(|most| told >= most);
            if lagging {
                world.lag_after = None;
            }
            lagging
        };
        if lagging {
            peer.answer(&Response::Lagged(Lagged { since: position }));
            break;
        }
        position = event.sequence;
        told += 1;
        let page = Events {
            events: vec![event],
            first_retained: 1,
            last_sequence: position,
            scanned_to: position,
        };
        peer.frame(Flow::More, &Response::Events(page));
    }
    shared.world.lock().unwrap().subscriptions -= 1;
    shared.tell();
}

/// Waits for the event after `position`; none when the client or the stand-in ends.
fn next_event(shared: &Shared, peer: &Peer, position: u64) -> Option<Event> {
    let mut world = shared.world.lock().unwrap();
    loop {
        if shared.ended.load(Ordering::SeqCst) || peer.has_ended() {
            return None;
        }
        let found = world.events.iter().find(|event| event.sequence > position);
        if let Some(event) = found {
            return Some(event.clone());
        }
        // Woken by every change; looks now and then whether the client is still there.
        world = shared
            .changed
            .wait_timeout(world, Duration::from_millis(20))
            .unwrap()
            .0;
    }
}

fn wait(shared: &Shared, peer: &mut Peer) {
    peer.frame(Flow::More, &Response::Waiting(Nothing {}));
    let mut world = shared.world.lock().unwrap();
    while !world.exited {
        if shared.ended.load(Ordering::SeqCst) || peer.has_ended() {
            world.waits_abandoned += 1;
            drop(world);
            shared.tell();
            return;
        }
        world = shared
            .changed
            .wait_timeout(world, Duration::from_millis(20))
            .unwrap()
            .0;
    }
    peer.answer(&Response::Exited(Exited {
        exit: Exit {
            code: 7,
            ..Exit::default()
        },
        ..Exited::default()
    }));
}

fn import(shared: &Shared, peer: &mut Peer) {
    let passed = peer
        .passed
        .pop_front()
        .expect("a descriptor comes with an import");
    assert!(peer.passed.is_empty(), "exactly one descriptor");
    let upload = passed.read_to_end();
    drop(passed);
    let whole = upload.1.is_ok();
    shared.world.lock().unwrap().uploads.push(upload);
    shared.tell();
    peer.answer(&if whole {
        Response::Imported(Box::new(image(3, "new:latest")))
    } else {
        refuse(RefusalCode::InvalidArchive, "")
    });
}
