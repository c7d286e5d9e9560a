//! Many connections, and such that hold on to what they have.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use wire::request::{IfNewer, Nothing, PollEvents, Stop, Subscribe, Wait, WaitCondition};
use wire::{Request, Response};

use crate::Front;
use crate::line::{Door, GLANCE, Line};
use crate::orders;
use crate::stock::frame_of;
use crate::tally::Tally;

/// Connections that are open at once.
const CONNECTIONS: usize = 10_000;
/// More connections than one process is given.
const CROWD: usize = 200;

/// Ten thousand connections at once, as many of them as descriptors permit. Waits for no end of its turn:
/// connecting is all it does.
pub(crate) fn connections(front: &mut Front, tally: &mut Tally) {
    let ping = frame_of(&Request::Ping(Nothing {}));
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let door = front.either_door();
        let Ok(mut line) = front.open(door) else {
            break;
        };
        let _ = line.send(&ping);
        held.push(line);
    }
    for mut line in held {
        tally.exchange(line.answer().as_ref());
    }
}

/// Connections that ask for long answers and read none.
pub(crate) fn deaf(front: &mut Front, tally: &mut Tally) {
    let list = frame_of(&Request::ListContainers(IfNewer { than: 0 }));
    let events = frame_of(&Request::PollEvents(PollEvents::default()));
    let follow = frame_of(&Request::Subscribe(Subscribe {
        after: Some(0),
        ..Subscribe::default()
    }));
    let mut held = Vec::new();
    for number in 0..CROWD {
        let Ok(mut line) = front.open(Door::Watch) else {
            break;
        };
        let (burst, count) = match number % 3 {
            0 => (list.repeat(16), 16),
            1 => (events.repeat(16), 16),
            _ => (follow.clone(), 1),
        };
        if line.send(&burst).is_ok() {
            tally.sent(count);
        } else {
            tally.ended();
        }
        held.push(line);
    }
    linger(front);
}

/// Every place that can be held, held by what has no end.
pub(crate) fn hoards(front: &mut Front, tally: &mut Tally) {
    let reference = orders::victim(front).unwrap_or_default();
    let waits = [
        Request::Subscribe(Subscribe::default()),
        Request::Wait(Wait {
            reference: reference.clone(),
            condition: WaitCondition::Removed,
        }),
        Request::PollEvents(PollEvents {
            after: u64::MAX,
            wait_ms: u32::MAX,
            ..PollEvents::default()
        }),
    ];
    let mut held = Vec::new();
    for number in 0..CROWD {
        if let Ok(mut line) = front.open(Door::Watch) {
            tally.exchange(ask_shortly(&mut line, &waits[number % waits.len()]).as_ref());
            held.push(line);
        }
    }
    // Of uploads that never come, each holds a process as well.
    let (silent, _writer) = nix::unistd::pipe().expect("a pipe");
    let import = frame_of(&Request::ImportImage(Box::default()));
    for _ in 0..CROWD {
        let Ok(line) = front.open(Door::Control) else {
            break;
        };
        let _ = line.pass(&import, &[silent.as_raw_fd()]);
        tally.sent(1);
        held.push(line);
    }
    linger(front);
}

/// Requests that last, whose connection is gone at once: nobody waits for them any more.
pub(crate) fn abandoned(front: &mut Front, tally: &mut Tally) {
    let reference = orders::victim(front).unwrap_or_default();
    let zero: Option<OwnedFd> = File::open("/dev/zero").ok().map(OwnedFd::from);
    while !front.is_over() {
        for request in [
            Request::Stop(Stop {
                reference: reference.clone(),
                // Long enough to be noticed, short enough to be gone at the end of a test.
                timeout_s: Some(1),
                signal: 0,
            }),
            Request::Subscribe(Subscribe::default()),
            Request::ImportImage(Box::default()),
        ] {
            let door = match request.opcode().number() {
                ..32 => Door::Watch,
                _ => Door::Control,
            };
            let Ok(line) = front.open(door) else {
                return tally.ended();
            };
            let passed: Vec<_> = zero.iter().map(AsRawFd::as_raw_fd).collect();
            let _ = line.pass(&frame_of(&request), &passed);
            tally.sent(1);
        }
    }
}

fn ask_shortly(line: &mut Line, request: &Request) -> Option<Response> {
    line.patience(GLANCE);
    line.ask(request)
}

/// Until the turn is over.
fn linger(front: &Front) {
    while !front.is_over() {
        std::thread::park_timeout(GLANCE);
    }
}
