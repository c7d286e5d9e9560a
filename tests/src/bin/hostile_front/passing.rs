//! Descriptors and credentials beside a request.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;

use nix::libc::{O_PATH, ucred};
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{ControlMessage, UnixCredentials};
use nix::unistd::{getgid, getpid, getuid};
use wire::Request;
use wire::request::Nothing;

use crate::Front;
use crate::line::{Door, GLANCE, Line};
use crate::stock::frame_of;
use crate::tally::Tally;

/// The kernel passes no more at once.
const PASSED_MAX: usize = 253;
/// Sockets that hold each other, in one cycle.
const CYCLE: usize = 16;

/// One descriptor of every kind that an unprivileged process can have.
fn kinds(front: &Front) -> Vec<OwnedFd> {
    let mut kinds = Vec::new();
    for path in [
        "/",
        "/dev/zero",
        "/dev/urandom",
        "/proc/self/mem",
        "/proc/self/fd",
        "/proc/self/status",
    ] {
        kinds.extend(File::open(path).map(OwnedFd::from));
    }
    let by_name = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(O_PATH)
        .open("/etc/passwd");
    kinds.extend(by_name.map(OwnedFd::from));
    kinds.extend(TcpListener::bind("127.0.0.1:0").map(OwnedFd::from));
    if let Ok((one, other)) = UnixStream::pair() {
        kinds.extend([OwnedFd::from(one), other.into()]);
    }
    // The bridge's own socket, as one of its clients has it.
    kinds.extend(UnixStream::connect(front.dir.join("control.sock")).map(OwnedFd::from));
    kinds.extend(EventFd::from_flags(EfdFlags::EFD_CLOEXEC).map(OwnedFd::from));
    kinds.extend(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(|epoll| epoll.0));
    // A pipe that nobody writes to, and one that nobody reads.
    if let Ok((reading, writing)) = nix::unistd::pipe() {
        kinds.extend([reading, writing]);
    }
    kinds
}

/// Descriptors of all kinds and numbers, beside requests that take one and those that take none.
pub(crate) fn descriptors(front: &mut Front, tally: &mut Tally) {
    let kinds = kinds(front);
    let frames: Vec<Vec<u8>> = front.stock.requests.iter().map(frame_of).collect();
    while !front.is_over() {
        let door = front.either_door();
        let Ok(mut line) = front.open(door) else {
            return tally.ended();
        };
        line.patience(GLANCE);
        let count = match front.dice.below(4) {
            0 => 1,
            1 => 2,
            2 => 5,
            _ => PASSED_MAX,
        };
        let first = front.dice.place(kinds.len());
        let passed: Vec<RawFd> = (0..count)
            .map(|at| kinds[(first + at) % kinds.len()].as_raw_fd())
            .collect();
        let frame = &frames[front.dice.place(frames.len())];
        if line.pass(frame, &passed).is_err() {
            tally.ended();
            continue;
        }
        // With a frame each, on the same connection, and with half a frame.
        let _ = line.pass(&frame[..frame.len() / 2], &passed[..1]);
        line.finish();
        tally.exchange(line.answer().as_ref());
    }
}

/// Sockets that hold each other and themselves, left under way to the bridge.
pub(crate) fn cycles(front: &mut Front, tally: &mut Tally) {
    let ping = frame_of(&Request::Ping(Nothing {}));
    while !front.is_over() {
        let Ok(mut line) = front.open(Door::Watch) else {
            return tally.ended();
        };
        let mut all: Vec<UnixStream> = Vec::new();
        for _ in 0..CYCLE {
            let Ok((one, other)) = UnixStream::pair() else {
                break;
            };
            all.extend([one, other]);
        }
        let numbers: Vec<RawFd> = all.iter().map(AsRawFd::as_raw_fd).collect();
        for stream in &all {
            let line = Line::over(stream);
            // The kernel bounds what is under way: from there on it refuses.
            let _ = line.and_then(|line| line.pass(b"x", &numbers));
        }
        // The last of them goes to the bridge, together with the connection that carries it.
        let _ = line.pass(&ping, &[numbers[0], line.as_raw_fd()]);
        drop(all);
        tally.exchange(line.answer().as_ref());
    }
}

/// Credentials of somebody else, said with a request.
pub(crate) fn credentials(front: &mut Front, tally: &mut Tally) {
    let ping = frame_of(&Request::Ping(Nothing {}));
    let own = (getpid().as_raw(), getuid().as_raw(), getgid().as_raw());
    let forged = [
        (1, own.1, own.2),
        (own.0, 0, own.2),
        (own.0, own.1, 0),
        (1, 0, 0),
        own,
    ];
    while !front.is_over() {
        for (pid, uid, gid) in forged {
            let Ok(mut line) = front.open(Door::Watch) else {
                return tally.ended();
            };
            let claimed = UnixCredentials::from(ucred { pid, uid, gid });
            let sent = line.send_with(&ping, &[ControlMessage::ScmCredentials(&claimed)]);
            match (sent, (pid, uid, gid) == own) {
                (Ok(_), true) => tally.exchange(line.answer().as_ref()),
                (Ok(_), false) if own.1 != 0 => tally.forbid(format!("the kernel passed on {claimed:?}")),
                _ => {
                    tally.sent(1);
                    tally.ended();
                }
            }
        }
    }
}
