//! A stand-in for the bridge: listens on both sockets, decodes real frames, records what it was
//! asked, and answers from a small world of its own unless a test scripts something else.

mod archive;
mod console;
mod log;
mod world;

use std::collections::VecDeque;
use std::fs;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recv, recvmsg, sendmsg};
use tokio::sync::Notify;
use wire::limits::REQUEST_BYTES_MAX;
use wire::network::NetworkInfo;
use wire::spec::Process;
use wire::{Action, Event, Flow, HEADER_BYTES, Header, Image, Opcode, Request, Response, Summary};

pub(crate) use console::FakeConsole;
pub(crate) use log::FakeLog;
pub(crate) use world::{event, image, refuse, summary};

/// How long anything in these tests may take before it counts as never.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What the stand-in's machine holds.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) revision: u64,
    pub(crate) containers: Vec<Summary>,
    pub(crate) images: Vec<Image>,
    pub(crate) events: Vec<Event>,
    /// None, as of a bridge that tells of none, unless a test says some.
    pub(crate) networks: Vec<NetworkInfo>,
    /// What every container was asked to run.
    pub(crate) process: Process,
    /// Every request, in the order it came.
    pub(crate) asked: Vec<Request>,
    /// Subscriptions tell this many events at most and then say that the reader lags.
    pub(crate) lag_after: Option<usize>,
    /// Events up to this one are no longer kept.
    pub(crate) forgotten: u64,
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

    /// Answers with descriptors beside the first byte.
    pub(crate) fn answer_with(&mut self, response: &Response, passed: &[BorrowedFd<'_>]) {
        let mut out = Vec::new();
        response.append_to(Flow::Last, &mut out).unwrap();
        let passed: Vec<i32> = passed.iter().map(AsRawFd::as_raw_fd).collect();
        let control = [ControlMessage::ScmRights(&passed)];
        let control = if passed.is_empty() {
            &control[..0]
        } else {
            &control
        };
        let parts = [IoSlice::new(&out)];
        let sent = sendmsg::<()>(
            self.stream.as_raw_fd(),
            &parts,
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        );
        if let Ok(sent) = sent {
            self.raw(&out[sent..]);
        }
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
            Verdict::Pass => world::answer(shared, peer, request),
            Verdict::Answered => {}
            Verdict::Close => break,
        }
    }
    // The list of streams holds a second descriptor of this one.
    let _ = peer.stream.shutdown(Shutdown::Both);
}
