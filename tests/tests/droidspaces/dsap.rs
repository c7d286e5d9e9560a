//! The bridge's door for version 1 of the protocol, in bytes written out by hand.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::pair::IMAGE;
use harness::{Pair, pace, rootfs};

use crate::stand_in::{Ground, expect};

/// Time for anything to be answered, twice what the door gives a request.
const LIMIT: Duration = Duration::from_secs(20);
/// Bytes of the records.
const CONTAINER_BYTES: usize = 2817;
const INSPECT_BYTES: usize = 111_553;
const IMAGE_BYTES: usize = 1329;
const EVENT_BYTES: usize = 369;
/// Opcodes.
const PING: u16 = 1;
const CAPABILITIES: u16 = 2;
const INFO: u16 = 3;
const LIST: u16 = 4;
const INSPECT: u16 = 5;
const START: u16 = 6;
const STOP: u16 = 7;
const RESTART: u16 = 8;
const IMAGES: u16 = 9;
const EVENTS: u16 = 10;
/// Statuses.
const OK: u64 = 0;
const BAD_REQUEST: u64 = 1;
const UNSUPPORTED: u64 = 2;
const NOT_FOUND: u64 = 3;
const INTERNAL_ERROR: u64 = 4;
const FORBIDDEN: u64 = 5;
const ALREADY_RUNNING: u64 = 6;
const ALREADY_STOPPED: u64 = 7;

/// A pair whose bridge answers in version 1 too.
struct Door {
    pair: Pair,
    name: String,
}

impl Door {
    /// With the embedded runtime and an image.
    fn native() -> Self {
        let door = Self::open(&[]);
        door.pair.docker().import(IMAGE, &rootfs::busybox());
        door
    }

    /// With the containers of a workspace.
    fn of(ground: &Ground) -> Self {
        let root = ground.root().to_str().unwrap();
        Self::open(&["--runtime", "droidspaces", "--droidspaces-root", root])
    }

    fn open(arguments: &[&str]) -> Self {
        let own = harness::pair::new_dir();
        // Nothing but a name that nobody else has.
        std::fs::remove_dir(&own).unwrap();
        let name = format!("dsap{}", own.to_str().unwrap().replace('/', "-"));
        let dsap = format!("--dsap={name}");
        let arguments = [&[dsap.as_str()], arguments].concat();
        let door = Self {
            pair: Pair::start_with(&arguments),
            name,
        };
        pace::until("the door is open", LIMIT, || door.try_dial());
        door
    }

    fn try_dial(&self) -> Option<UnixStream> {
        let address = SocketAddr::from_abstract_name(&self.name).unwrap();
        let stream = UnixStream::connect_addr(&address).ok()?;
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Some(stream)
    }

    fn dial(&self) -> UnixStream {
        self.try_dial().unwrap()
    }

    /// Sends bytes, and gives status and payload of what comes back.
    fn exchange(&self, bytes: &[u8]) -> (u64, Vec<u8>) {
        let mut stream = self.dial();
        // One that is refused early may break off.
        let _ = stream.write_all(bytes);
        answer(&mut stream)
    }

    fn ask(&self, opcode: u16, payload: &[u8]) -> (u64, Vec<u8>) {
        self.exchange(&request(opcode, payload))
    }

    /// Starts, stops or restarts a container, and gives the status.
    fn order(&self, opcode: u16, target: &str, timeout_s: i32) -> u64 {
        let mut payload = slot(target);
        payload.extend(big_endian(i64::from(timeout_s), 4));
        let (status, payload) = self.ask(opcode, &payload);
        assert_eq!(payload, b"");
        status
    }

    fn list(&self, all: u8) -> Vec<Vec<u8>> {
        records(self.ask(LIST, &[all, 0, 0, 0]), CONTAINER_BYTES)
    }

    fn actions(&self, since_s: i64) -> Vec<String> {
        let events = records(self.ask(EVENTS, &big_endian(since_s, 8)), EVENT_BYTES);
        events.iter().map(|event| text(event, 48, 32)).collect()
    }
}

fn request(opcode: u16, payload: &[u8]) -> Vec<u8> {
    header(1, opcode, payload.len().try_into().unwrap(), payload)
}

fn header(version: i64, opcode: u16, length: i64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"DSAP".to_vec();
    bytes.extend(big_endian(version, 2));
    bytes.extend(big_endian(opcode.into(), 2));
    bytes.extend(big_endian(length, 4));
    bytes.extend(payload);
    bytes
}

/// Reads an answer to the end of the connection.
fn answer(stream: &mut UnixStream) -> (u64, Vec<u8>) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert!(bytes.len() >= 12, "{bytes:?}");
    let payload = bytes.split_off(12);
    assert_eq!(&bytes[..6], b"DSAP\x00\x01");
    assert_eq!(value(&bytes, 8, 4), u64::try_from(payload.len()).unwrap());
    (value(&bytes, 6, 2), payload)
}

fn big_endian(number: i64, width: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from((number >> (8 * at)) & 0xff).unwrap();
    (0..width).rev().map(byte).collect()
}

fn value(bytes: &[u8], at: usize, width: usize) -> u64 {
    let number = bytes[at..at + width].iter();
    number.fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn text(bytes: &[u8], at: usize, width: usize) -> String {
    let slot = &bytes[at..at + width];
    let end = slot.iter().position(|byte| *byte == 0).unwrap();
    String::from_utf8(slot[..end].to_vec()).unwrap()
}

/// A reference in its slot.
fn slot(target: &str) -> Vec<u8> {
    let mut bytes = target.as_bytes().to_vec();
    bytes.resize(256, 0);
    bytes
}

fn records((status, payload): (u64, Vec<u8>), width: usize) -> Vec<Vec<u8>> {
    assert_eq!(status, OK);
    assert_eq!(payload.len() % width, 0);
    payload.chunks(width).map(<[u8]>::to_vec).collect()
}

#[test]
fn every_opcode_is_answered() {
    let door = Door::native();
    let docker = door.pair.docker();
    let id = docker.create("web", "sleep 1000");
    docker.create("idle", "true");
    assert_eq!(door.ask(PING, b""), (OK, b"PONG".to_vec()));
    assert_eq!(door.ask(PING, &[7; 100_000]), (OK, b"PONG".to_vec()));
    assert_eq!(door.ask(CAPABILITIES, b""), (OK, vec![0, 0, 1, 0xff]));
    assert_eq!(door.order(START, "web", -1), OK);
    let (status, info) = door.ask(INFO, b"");
    assert_eq!(
        (status, value(&info, 0, 4), value(&info, 4, 4), value(&info, 8, 4)),
        (OK, 2, 1, 1)
    );
    assert_eq!(door.list(1).len(), 2);
    assert_eq!(door.list(0), records(door.ask(LIST, b""), CONTAINER_BYTES));
    let web = door.list(0).remove(0);
    let uuid = text(&web, 256, 33);
    assert_eq!((text(&web, 0, 256).as_str(), uuid.as_str()), ("web", &id[..32]));
    let pid = docker.inspect("web")["State"]["Pid"].as_u64().unwrap();
    assert_eq!(value(&web, 2609, 4), pid);
    assert!(value(&web, 2809, 8) > 1_700_000_000);
    let (status, inspect) = door.ask(INSPECT, &slot(&uuid[..10]));
    assert_eq!((status, inspect.len()), (OK, INSPECT_BYTES));
    assert_eq!((value(&inspect, 0, 2), value(&inspect, 4, 4)), (1, 111_553));
    assert_eq!(
        (text(&inspect, 8, 256).as_str(), value(&inspect, 4665, 4)),
        ("web", pid)
    );
    let images = records(door.ask(IMAGES, b"anything"), IMAGE_BYTES);
    let running: Vec<_> = images
        .iter()
        .map(|image| (text(image, 0, 256), value(image, 1313, 4)))
        .collect();
    assert_eq!(running, [("web".to_owned(), 1), ("idle".to_owned(), 0)]);
    assert_eq!(door.order(RESTART, "web", 0), OK);
    assert_eq!(door.order(STOP, "web", 5), OK);
    assert_eq!(door.actions(0), ["start", "die", "start", "restart", "die"]);
    assert_eq!(records(door.ask(EVENTS, b""), EVENT_BYTES).len(), 5);
    let event = records(door.ask(EVENTS, b""), EVENT_BYTES).remove(0);
    let seconds = value(&event, 0, 8);
    assert_eq!(value(&event, 8, 8) / 1_000_000_000, seconds);
    let words = (text(&event, 16, 32), text(&event, 80, 33), text(&event, 113, 256));
    assert_eq!(words, ("container".to_owned(), uuid, "web".to_owned()));
    let seconds = i64::try_from(seconds).unwrap();
    assert_eq!(door.actions(seconds).len(), 5, "the second itself is included");
    assert_eq!(door.actions(seconds + 1000), [""; 0]);
}

#[test]
fn every_failure_has_its_status() {
    let door = Door::native();
    let docker = door.pair.docker();
    docker.create("web", "sleep 1000");
    docker.create_from("broken", &serde_json::json!({ "Image": IMAGE, "Cmd": ["/none"] }));
    assert_eq!(door.order(STOP, "web", -1), ALREADY_STOPPED);
    assert_eq!(door.order(START, "web", 0), OK);
    assert_eq!(door.order(START, "web", 0), ALREADY_RUNNING);
    assert_eq!(door.order(STOP, "web", -2), BAD_REQUEST);
    assert_eq!(door.order(STOP, "", 0), BAD_REQUEST);
    assert_eq!(door.order(STOP, "none", 0), NOT_FOUND);
    assert_eq!(door.order(START, "broken", 0), INTERNAL_ERROR);
    assert_eq!(door.ask(INSPECT, &slot("none")), (NOT_FOUND, Vec::new()));
    let check = |bytes: &[u8], status| assert_eq!(door.exchange(bytes), (status, Vec::new()));
    check(&request(11, b""), UNSUPPORTED);
    check(&request(0, b"12345"), UNSUPPORTED);
    check(&header(2, PING, 0, b""), BAD_REQUEST);
    check(b"GET /containers/json HTTP/1.1\r\n\r\n", BAD_REQUEST);
    check(&header(1, PING, (1 << 20) + 1, b""), BAD_REQUEST);
    check(&header(1, PING, 0xffff_ffff, &[0; 300_000]), BAD_REQUEST);
    check(&request(LIST, b"1"), BAD_REQUEST);
    check(&request(INSPECT, &[b'w'; 256]), BAD_REQUEST);
    check(&request(INSPECT, &[b'w'; 255]), BAD_REQUEST);
    check(&request(EVENTS, &[0; 7]), BAD_REQUEST);
    assert_eq!(door.order(STOP, "web", 0), OK);
}

#[test]
fn slow_and_silent_peers_hold_up_nobody() {
    let door = Door::open(&[]);
    let idle: Vec<UnixStream> = (0..20).map(|_| door.dial()).collect();
    let begun = Instant::now();
    assert_eq!(door.ask(PING, b"").0, OK);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // A byte now and then, each long before anybody would lose patience with a single one.
    let mut slow = door.dial();
    let mut dripping = slow.try_clone().unwrap();
    let dripper = thread::spawn(move || {
        for byte in header(1, PING, 1 << 20, &[0; 1 << 16]) {
            if dripping.write_all(&[byte]).is_err() {
                break;
            }
            thread::park_timeout(Duration::from_millis(50));
        }
    });
    assert_eq!(answer(&mut slow), (BAD_REQUEST, Vec::new()));
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    drop(slow);
    dripper.join().unwrap();
    // Nor are those who never said anything kept.
    for mut peer in idle {
        assert_eq!(answer(&mut peer), (BAD_REQUEST, Vec::new()));
    }
    // Far more than there are places for: each gets an answer or an error, and then all is well again.
    let many: Vec<UnixStream> = (0..100).map(|_| door.dial()).collect();
    drop(many);
    pace::until("there is room again", LIMIT, || {
        (door.ask(PING, b"").0 == OK).then_some(())
    });
}

#[test]
fn strangers_are_refused() {
    let ground = Ground::new();
    let door = Door::open(&[]);
    let status = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse::<u64>()
            .unwrap()
    };
    let ping = || {
        let mut command = Command::new(ground.program());
        command.args(["@ping", &door.name]);
        command
    };
    assert_eq!(status(&mut ping()), OK);
    assert_eq!(status(ping().uid(65534).gid(65534)), FORBIDDEN);
    // Root, but in another process namespace, as in a container with the machine's network.
    let mut contained = Command::new("unshare");
    contained
        .args(["--pid", "--fork"])
        .arg(ground.program())
        .args(["@ping", &door.name]);
    assert_eq!(status(&mut contained), FORBIDDEN);
    assert_eq!(status(&mut ping()), OK);
}

#[test]
fn containers_of_a_workspace_are_driven() {
    let ground = Ground::new();
    let draft = ground
        .container("media box")
        .set("custom_init", "/bin/wait-on")
        .set("net_mode", "nat")
        .set("static_nat_ip", "172.28.4.7")
        .set("port_forwards", "8096:8096,5000-5010:6000-6010/udp")
        .set("privileged", "nomask,nocaps")
        .set("enable_gpu_mode", "1")
        .set("memory_limit", "1610612736");
    let folder = draft
        .rootfs(|rootfs| rootfs.script("bin/wait-on", "exec sleep 1000"))
        .write();
    expect(&ground, &["--name=media box", "start"], 0);
    let uuid = ground.config("media box").value("uuid").to_owned();
    let door = Door::of(&ground);
    let listed = door.list(0).remove(0);
    let path = folder.join("rootfs").to_str().unwrap().to_owned();
    let words = [
        text(&listed, 0, 256),
        text(&listed, 256, 33),
        text(&listed, 289, 1024),
    ];
    assert_eq!(words, ["media box".to_owned(), uuid, path.clone()]);
    assert_eq!(
        (text(&listed, 1569, 16).as_str(), listed[2613]),
        ("172.28.4.7", 1)
    );
    assert_eq!(text(&listed, 1585, 1024), "/bin/wait-on");
    // The ranges are ranges again.
    assert_eq!(listed[2614], 2);
    let port = |at: usize| [0, 2, 4, 6].map(|field| value(&listed, 2617 + 12 * at + field, 2));
    assert_eq!((port(0), listed[2617 + 8]), ([8096, 0, 8096, 0], 0));
    assert_eq!((port(1), listed[2617 + 12 + 8]), ([5000, 5010, 6000, 6010], 1));
    let (status, inspect) = door.ask(INSPECT, &slot("media box"));
    assert_eq!((status, text(&inspect, 297, 1024)), (OK, path));
    assert_eq!(
        (value(&inspect, 4677, 8), value(&inspect, 4709, 4)),
        (1_610_612_736, 3)
    );
    assert_eq!(inspect[4721], 1, "the graphics processor");
    // The other name that leads to it.
    assert_eq!(door.ask(INSPECT, &slot("media-box")), (OK, inspect));
    assert_eq!(door.order(START, "media box", 0), ALREADY_RUNNING);
    assert_eq!(door.order(RESTART, "media box", -1), OK);
    assert_eq!(
        value(&door.list(0)[0], 2609, 4),
        u64::try_from(ground.pid("media box").unwrap()).unwrap()
    );
    assert_eq!(door.order(STOP, "media box", 0), OK);
    assert_eq!(ground.pid("media box"), None);
    assert_eq!(door.list(0).len(), 0);
    let actions = door.actions(0);
    assert_eq!(actions[actions.len() - 4..], ["die", "start", "restart", "die"]);
}

#[test]
fn four_hundred_containers_give_372() {
    let ground = Ground::new();
    ground.populate("c", 400);
    ground.rootfs().init("exec sleep 1000");
    expect(&ground, &["--name=c7", "start"], 0);
    let door = Door::of(&ground);
    let listed = door.list(1);
    assert_eq!(listed.len(), 372);
    assert_eq!(text(&listed[0], 0, 256), "c7", "those that run come first");
    assert!(listed[1..].iter().all(|record| value(record, 2609, 4) == 0));
    let (_, info) = door.ask(INFO, b"");
    assert_eq!((value(&info, 0, 4), value(&info, 4, 4)), (400, 1));
    assert_eq!(records(door.ask(IMAGES, b""), IMAGE_BYTES).len(), 400);
    assert_eq!(door.list(0).len(), 1);
}
