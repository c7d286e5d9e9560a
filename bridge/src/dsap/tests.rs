//! This door over a scripted runtime and a real journal.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wire::event::attribute;
use wire::request::Create;
use wire::spec::{Mount, MountKind, Network, NetworkMode, Pair, Process, Resources, Security, Spec};
use wire::v1::limits::{CONTAINERS_MAX, EVENTS_MAX, IMAGES_MAX, PAYLOAD_BYTES_MAX};
use wire::v1::{
    Answer, Capabilities, HEADER_BYTES, Info, Inspect, Lifecycle, NetMode, Opcode, Request, Response,
    ResponseHeader, Status,
};
use wire::{Action, Container, ContainerId, Event, EventKind, Time};

use super::answer::Desk;
use super::history;
use super::patience::Patience;
use super::render;
use super::session::{self, Caller};
use crate::ceiling::Ceiling;
use crate::runtime::fake::{Fake, IMAGE};
use crate::runtime::{Registry, Runtime};
use crate::supervise::Supervisor;

mod ceiling;

struct Place {
    dir: PathBuf,
    fake: Arc<Fake>,
    supervisor: Arc<Supervisor>,
}

impl Place {
    fn new() -> Self {
        Self::under(Ceiling::default())
    }

    fn under(ceiling: Ceiling) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("socketd-dsap-{}-{number}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let fake = Arc::new(Fake::default());
        let runtime: Arc<dyn Runtime> = Arc::<Fake>::clone(&fake);
        let registry = Registry::new(vec![runtime]);
        let supervisor = Supervisor::begin(
            &dir,
            [1; 32],
            journal::Options::default(),
            registry,
            Arc::new(ceiling),
        )
        .unwrap();
        Self {
            dir,
            fake,
            supervisor,
        }
    }

    fn desk(&self) -> Desk {
        Desk::new(Arc::clone(&self.supervisor))
    }

    fn create(&self, name: &str) -> String {
        let process = Process {
            command: vec!["sleep".to_owned()],
            ..Process::default()
        };
        let create = Create {
            name: name.to_owned(),
            image_id: IMAGE,
            spec: Spec {
                image: "bb".to_owned(),
                process,
                ..Spec::default()
            },
        };
        let id = self.supervisor.create(create).unwrap().id;
        id.to_string()[..32].to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Asks through a connection, as a client would.
fn ask(desk: &Desk, request: &Request) -> Answer {
    let frame = request.to_frame().unwrap();
    let answer = exchange(desk, Caller::Permitted, &frame);
    let (head, payload) = answer.split_first_chunk::<HEADER_BYTES>().unwrap();
    let header = ResponseHeader::parse(head, request.opcode()).unwrap();
    Response::decode(request.opcode(), header, payload).unwrap()
}

/// Sends bytes, and gives everything that comes back.
fn exchange(desk: &Desk, caller: Caller, bytes: &[u8]) -> Vec<u8> {
    let (mut peer, stream) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A peer that goes is no news here.
            let _ = session::serve(&stream, caller, desk);
        });
        let sender = peer.try_clone().unwrap();
        scope.spawn(move || {
            // More than the other side wants may break off.
            let _ = (&sender).write_all(bytes);
        });
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).unwrap();
        // As a client that has its answer does; the other side waits for it a while.
        let _ = peer.shutdown(std::net::Shutdown::Both);
        answer
    })
}

/// One container; nothing where the answer is about something else.
fn inspect(desk: &Desk, target: &str) -> Result<Inspect, Status> {
    let target = target.to_owned();
    match ask(desk, &Request::InspectContainer { target })? {
        Response::Container(inspect) => Ok(*inspect),
        _ => Ok(Inspect::default()),
    }
}

/// The names in a list.
fn names(desk: &Desk, request: &Request) -> Vec<String> {
    match ask(desk, request) {
        Ok(Response::Containers(containers)) => containers.into_iter().map(|listed| listed.name).collect(),
        Ok(Response::Images(images)) => images.into_iter().map(|image| image.name).collect(),
        _ => Vec::new(),
    }
}

fn order(target: &str, timeout_s: i32) -> Lifecycle {
    let target = target.to_owned();
    Lifecycle { target, timeout_s }
}

#[test]
fn every_opcode_is_answered() {
    let place = Place::new();
    let desk = place.desk();
    let uuid = place.create("web");
    assert_eq!(ask(&desk, &Request::Ping), Ok(Response::Pong));
    let capabilities = Ok(Response::Capabilities(Capabilities(0x1ff)));
    assert_eq!(ask(&desk, &Request::Capabilities), capabilities);
    assert_eq!(
        ask(&desk, &Request::StartContainer(order("web", -1))),
        Ok(Response::Done)
    );
    place.create("idle");
    let info = Info {
        total: 2,
        running: 1,
        stopped: 1,
    };
    assert_eq!(ask(&desk, &Request::Info), Ok(Response::Info(info)));
    let listed = |all| names(&desk, &Request::ListContainers { all });
    assert_eq!(listed(false), ["web"]);
    assert_eq!(listed(true), ["web", "idle"], "those that run come first");
    let inspect = inspect(&desk, &uuid).unwrap();
    assert_eq!((inspect.name.as_str(), &inspect.uuid), ("web", &uuid));
    assert!(inspect.pid > 0 && inspect.started_at_s > 0);
    let images = match ask(&desk, &Request::ListImages) {
        Ok(Response::Images(images)) => images,
        _ => Vec::new(),
    };
    let running: Vec<_> = images
        .iter()
        .map(|image| (image.name.as_str(), image.running))
        .collect();
    assert_eq!(running, [("web", true), ("idle", false)]);
    assert_eq!(
        ask(&desk, &Request::RestartContainer(order("web", 0))),
        Ok(Response::Done)
    );
    assert_eq!(
        ask(&desk, &Request::StopContainer(order("web", 5))),
        Ok(Response::Done)
    );
    let events = match ask(&desk, &Request::PollEvents { since_s: 0 }) {
        Ok(Response::Events(events)) => events,
        _ => Vec::new(),
    };
    let actions: Vec<_> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["start", "die", "start", "restart", "die"]);
    assert!(
        events
            .iter()
            .all(|event| event.uuid == uuid && event.name == "web")
    );
}

#[test]
fn what_cannot_be_done_has_a_status() {
    let place = Place::new();
    let desk = place.desk();
    place.create("web");
    let check = |request: Request, status| assert_eq!(ask(&desk, &request), Err(status), "{request:?}");
    check(Request::StopContainer(order("web", -1)), Status::AlreadyStopped);
    check(Request::StartContainer(order("none", -1)), Status::NotFound);
    check(Request::StopContainer(order("none", -1)), Status::NotFound);
    check(Request::RestartContainer(order("none", -1)), Status::NotFound);
    let target = "none".to_owned();
    check(Request::InspectContainer { target }, Status::NotFound);
    check(Request::StartContainer(order("web", -2)), Status::BadRequest);
    assert_eq!(
        ask(&desk, &Request::StartContainer(order("web", 0))),
        Ok(Response::Done)
    );
    check(Request::StartContainer(order("web", 0)), Status::AlreadyRunning);
    assert_eq!(
        ask(&desk, &Request::StopContainer(order("web", 0))),
        Ok(Response::Done)
    );
    place.fake.lose_command();
    check(Request::StartContainer(order("web", 0)), Status::InternalError);
}

#[test]
fn a_stop_without_patience_kills_at_once() {
    let place = Place::new();
    let desk = place.desk();
    place.create("deaf");
    place.fake.ignore(15);
    for request in [Request::StartContainer, Request::StopContainer] {
        assert_eq!(ask(&desk, &request(order("deaf", 0))), Ok(Response::Done));
    }
    assert_eq!(place.fake.signals(), [15, 9]);
}

#[test]
fn references_are_names_or_beginnings() {
    let place = Place::new();
    let desk = place.desk();
    let uuid = place.create("first");
    // A name that is the beginning of somebody else's digits.
    let named = place.create(&uuid[..4]);
    let check = |target: &str, expected: Result<&str, Status>| {
        let found = inspect(&desk, target).map(|inspect| inspect.uuid);
        assert_eq!(found.as_deref().map_err(|status| *status), expected, "{target}");
    };
    check("first", Ok(&uuid));
    check(&uuid, Ok(&uuid));
    check(&uuid[..12], Ok(&uuid));
    check(&uuid[..4], Ok(&named));
    check("firs", Err(Status::NotFound));
    check(&format!("{uuid}0"), Err(Status::NotFound));
    check("zz", Err(Status::NotFound));
    // Seventeen containers: two of them begin with the same digit.
    let mut beginnings: Vec<String> = (0..17).map(|at| place.create(&format!("n{at}"))).collect();
    beginnings.sort();
    let twice = beginnings.windows(2).find(|pair| pair[0][..1] == pair[1][..1]);
    check(&twice.unwrap()[0][..1], Err(Status::BadRequest));
}

#[test]
fn lists_that_are_too_long_are_cut() {
    let place = Place::new();
    let desk = place.desk();
    let count = IMAGES_MAX + 1;
    let oldest = place.create("c0");
    for at in 1..count {
        place.create(&format!("c{at}"));
    }
    assert_eq!(
        ask(&desk, &Request::StartContainer(order(&oldest, 0))),
        Ok(Response::Done)
    );
    let expected = (1..count).rev().map(|at| format!("c{at}"));
    let expected: Vec<_> = ["c0".to_owned()].into_iter().chain(expected).collect();
    let names_of = |request| names(&desk, &request);
    let listed = names_of(Request::ListContainers { all: true });
    assert_eq!(listed, expected[..CONTAINERS_MAX]);
    assert_eq!(names_of(Request::ListImages), expected[..IMAGES_MAX]);
}

#[test]
fn the_newest_events_are_told() {
    let place = Place::new();
    let ledger = place.supervisor.ledger();
    let event = |second: u64, action| Event {
        time: Time(second * 1_000_000_000 + 5),
        kind: EventKind::Container,
        action,
        actor: ContainerId([0xab; 32]).to_string(),
        attributes: vec![Pair {
            key: attribute::NAME.to_owned(),
            value: format!("at{second}"),
        }],
        ..Event::default()
    };
    let base = 2_000_000_000;
    let count = u64::try_from(EVENTS_MAX).unwrap() + 500;
    // Every other one is of a kind that version 1 does not know.
    for first in (0..count).step_by(100) {
        let events = (first..count.min(first + 100))
            .flat_map(|at| [event(base + at, Action::Die), event(base + at, Action::Kill)])
            .collect();
        ledger.record(events, || {}).unwrap();
    }
    let check = |since: i64, expected: usize| {
        let events = history::newest(ledger, since).unwrap();
        assert_eq!(events.len(), expected, "since {since}");
        let names: Vec<_> = events.iter().map(|event| event.name.clone()).collect();
        let first = usize::try_from(count).unwrap() - expected;
        let all = (0..usize::try_from(count).unwrap()).map(|at| format!("at{}", 2_000_000_000 + at));
        assert_eq!(names, all.skip(first).collect::<Vec<_>>());
    };
    check(0, EVENTS_MAX);
    check(-5, EVENTS_MAX);
    check(i64::MIN, EVENTS_MAX);
    let last = 2_000_000_000 + i64::try_from(count).unwrap() - 1;
    check(last, 1);
    check(last - 9, 10);
    check(last + 1, 0);
    check(i64::MAX, 0);
}

/// A header with any numbers.
fn header(magic: u32, version: u16, opcode: u16, length: u32) -> Vec<u8> {
    let digits = format!("{magic:08x}{version:04x}{opcode:04x}{length:08x}");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn whatever_is_wrong_gets_its_status() {
    let place = Place::new();
    let desk = place.desk();
    place.create("web");
    let good = |opcode: u16, length: u32| header(wire::v1::MAGIC, 1, opcode, length);
    let check = |bytes: &[u8], status: Status| {
        let answer = exchange(&desk, Caller::Permitted, bytes);
        assert_eq!(answer, status.to_frame(), "{:?}", &bytes[..bytes.len().min(16)]);
        // Whoever may not ask learns nothing but that.
        let answer = exchange(&desk, Caller::Stranger, bytes);
        assert_eq!(answer, Status::Forbidden.to_frame());
    };
    check(b"GET / HTTP/1.1\r\n\r\n", Status::BadRequest);
    check(&header(0x4453_4151, 1, 1, 0), Status::BadRequest);
    check(&header(wire::v1::MAGIC, 2, 1, 0), Status::BadRequest);
    check(&good(0, 0), Status::Unsupported);
    check(&good(11, 0), Status::Unsupported);
    check(&good(65535, 5), Status::Unsupported);
    check(&good(1, PAYLOAD_BYTES_MAX + 1), Status::BadRequest);
    check(&good(1, u32::MAX), Status::BadRequest);
    let mut endless = good(1, u32::MAX);
    endless.resize(5 << 20, 0);
    check(&endless, Status::BadRequest);
    for (opcode, length) in [
        (4, 1),
        (4, 5),
        (5, 0),
        (5, 255),
        (5, 257),
        (6, 256),
        (7, 261),
        (10, 4),
    ] {
        let mut bytes = good(opcode, length);
        bytes.resize(HEADER_BYTES + usize::try_from(length).unwrap(), b'w');
        check(&bytes, Status::BadRequest);
    }
    // A reference that is empty, or does not end.
    for byte in [0, b'w'] {
        let mut bytes = good(5, 256);
        bytes.resize(HEADER_BYTES + 256, byte);
        check(&bytes, Status::BadRequest);
    }
    assert_eq!(
        exchange(&desk, Caller::Stranger, &good(1, 0)),
        Status::Forbidden.to_frame()
    );
    // What is not looked at may be anything, up to the limit.
    let mut ping = good(1, PAYLOAD_BYTES_MAX);
    ping.resize(HEADER_BYTES + (1 << 20), 0xff);
    assert_eq!(
        exchange(&desk, Caller::Permitted, &ping)[HEADER_BYTES..],
        *b"PONG"
    );
}

#[test]
fn a_request_that_breaks_off_gets_a_status() {
    let place = Place::new();
    let desk = place.desk();
    let whole = Request::InspectContainer {
        target: "web".to_owned(),
    }
    .to_frame()
    .unwrap();
    for cut in [0, 1, 11, 12, 13, 200, whole.len() - 1] {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        peer.write_all(&whole[..cut]).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        session::serve(&stream, Caller::Permitted, &desk).unwrap();
        drop(stream);
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).unwrap();
        let expected: &[u8] = if cut == 0 {
            &[]
        } else {
            &Status::BadRequest.to_frame()
        };
        assert_eq!(answer, expected, "cut at {cut}");
    }
}

#[test]
fn a_peer_that_says_a_little_at_a_time_runs_out_of_time() {
    let (mut peer, stream) = UnixStream::pair().unwrap();
    let limit = Duration::from_millis(200);
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            while peer.write_all(b"x").is_ok() {
                thread::park_timeout(Duration::from_millis(5));
            }
        });
        let error = Patience::new(limit).skip(&stream, usize::MAX).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        drop(stream);
    });
    assert!(
        begun.elapsed() >= limit && begun.elapsed() < 50 * limit,
        "{:?}",
        begun.elapsed()
    );
    // Nor does one that reads a little at a time hold an answer for longer.
    let (mut peer, stream) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut byte = [0];
            while peer.read(&mut byte).is_ok_and(|count| count == 1) {
                thread::park_timeout(Duration::from_millis(5));
                // It wants to know when to stop, and says nothing else.
                if peer.write(b"x").is_err() {
                    break;
                }
            }
        });
        let error = Patience::new(limit)
            .write(&stream, &vec![0; 16 << 20])
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        drop(stream);
    });
}

#[test]
fn containers_are_rendered() {
    let network = |mode, name: &str| Network {
        mode,
        name: name.to_owned(),
        address: "172.28.4.7".to_owned(),
        ..Network::default()
    };
    let check = |network: Network, expected: (NetMode, &str)| {
        let mut container = Container::default();
        container.spec.network = network;
        let rendered = render::container(&container);
        assert_eq!((rendered.net_mode, rendered.address.as_str()), expected);
    };
    check(network(NetworkMode::Host, ""), (NetMode::Host, ""));
    check(network(NetworkMode::None, ""), (NetMode::None, ""));
    check(network(NetworkMode::Default, ""), (NetMode::None, ""));
    check(network(NetworkMode::Bridge, ""), (NetMode::None, ""));
    check(network(NetworkMode::Unknown(9), ""), (NetMode::None, ""));
    let nat = wire::v1::names::NAT_NETWORK;
    check(network(NetworkMode::Named, nat), (NetMode::Nat, "172.28.4.7"));
    check(network(NetworkMode::Named, "other"), (NetMode::Gateway, ""));
}

/// A container that has something of everything.
fn furnished() -> Container {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mount = |kind, read_only| Mount {
        kind,
        source: "/a".to_owned(),
        target: "/b".to_owned(),
        read_only,
        ..Mount::default()
    };
    Container {
        id: ContainerId([0xab; 32]),
        name: "a".to_owned(),
        runtime: "other".to_owned(),
        lower_dirs: words(&["/r.img"]),
        storage: "image".to_owned(),
        spec: Spec {
            process: Process {
                command: words(&["/bin/start", "now"]),
                env: words(&["A=b=c", "D"]),
                ..Process::default()
            },
            mounts: vec![mount(MountKind::Bind, true), mount(MountKind::Tmpfs, false)],
            resources: Resources {
                memory_bytes: u64::MAX,
                nano_cpus: 1_500_000_000,
                pids_max: -1,
                ..Resources::default()
            },
            network: Network {
                dns: words(&["1.1.1.1", "8.8.8.8"]),
                ..Network::default()
            },
            labels: vec![
                Pair {
                    key: "io.other.privileged".to_owned(),
                    value: "nocaps,shared".to_owned(),
                },
                Pair {
                    key: "io.other.gpu".to_owned(),
                    value: "true".to_owned(),
                },
            ],
            ..Spec::default()
        },
        ..Container::default()
    }
}

#[test]
fn everything_about_a_container_is_rendered() {
    let container = furnished();
    let inspect = render::inspect(&container);
    assert_eq!(inspect.uuid, "ab".repeat(16));
    assert_eq!((inspect.rootfs.as_str(), inspect.image.as_str()), ("", "/r.img"));
    assert_eq!(
        (inspect.init.as_str(), inspect.dns.as_str()),
        ("/bin/start", "1.1.1.1,8.8.8.8")
    );
    assert_eq!((inspect.cpu_quota_us, inspect.cpu_period_us), (150_000, 100_000));
    assert_eq!((inspect.memory_bytes, inspect.pids_max), (i64::MAX, 0));
    assert_eq!(inspect.privileges.0, 2 | 8);
    assert!(inspect.switches.gpu_mode && inspect.switches.is_img_mount && !inspect.switches.hw_access);
    let env: Vec<_> = inspect
        .env
        .iter()
        .map(|pair| (&*pair.key, &*pair.value))
        .collect();
    assert_eq!(env, [("A", "b=c"), ("D", "")]);
    assert_eq!(inspect.binds.len(), 1);
    assert!(inspect.binds[0].read_only && inspect.binds[0].source == "/a");
}

#[test]
fn labels_of_a_container_in_layers_are_its_user_s_own() {
    let mut container = furnished();
    container.storage = String::new();
    container.spec.security = Security {
        options: vec!["seccomp=unconfined".to_owned()],
        ..Security::default()
    };
    let inspect = render::inspect(&container);
    assert_eq!((inspect.rootfs.as_str(), inspect.privileges.0), ("/r.img", 4));
    assert!(!inspect.switches.gpu_mode);
    container.spec.security.privileged = true;
    assert_eq!(render::inspect(&container).privileges.0, 255);
}

#[test]
fn every_record_can_be_put_into_bytes() {
    let mut container = furnished();
    container.spec.process.env = vec!["X=y".repeat(5000); 40];
    let frame = Response::Container(Box::new(render::inspect(&container)))
        .to_frame()
        .unwrap();
    let (head, payload) = frame.split_first_chunk().unwrap();
    let read = ResponseHeader::parse(head, Opcode::InspectContainer)
        .and_then(|header| Response::decode(Opcode::InspectContainer, header, payload));
    let carried = match read {
        Ok(Ok(Response::Container(read))) => Some((read.env.len(), read.env_left_out)),
        _ => None,
    };
    assert_eq!(carried, Some((32, 8)));
}
