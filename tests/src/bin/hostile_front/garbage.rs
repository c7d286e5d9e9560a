//! What is no request, or only nearly one.

use wire::request::{IfNewer, Nothing};
use wire::{Opcode, Request};

use crate::line::{Door, GLANCE};
use crate::stock::frame_of;
use crate::tally::Tally;
use crate::{Front, forge};

/// Connections that hold half a frame at once.
const HALVES: usize = 64;
/// Requests that are sent without reading an answer.
const FLOOD: usize = 10_000;

/// Bytes that nobody chose.
pub(crate) fn bytes(front: &mut Front, tally: &mut Tally) {
    while !front.is_over() {
        let door = front.either_door();
        let Ok(mut line) = front.open(door) else {
            return tally.ended();
        };
        let length = front.dice.place(4096);
        let mut bytes = front.dice.bytes(length);
        if front.dice.below(2) == 0 {
            // The beginning of a good header, so that the rest is looked at.
            bytes.splice(0..0, *b"SKTD\x02\x00");
        }
        let _ = line.send(&bytes);
        line.finish();
        tally.exchange(line.answer().as_ref());
    }
}

/// Good frames of every opcode, changed.
pub(crate) fn mutants(front: &mut Front, tally: &mut Tally) {
    while !front.is_over() {
        let door = front.either_door();
        let Ok(mut line) = front.open(door) else {
            return tally.ended();
        };
        line.patience(GLANCE);
        // Several on one connection, as long as it lasts.
        for _ in 0..8 {
            let at = front.dice.place(front.stock.frames.len());
            let mut frame = front.stock.frames[at].clone();
            forge::mutate(&mut front.dice, &mut frame, &front.stock.frames);
            if line.send(&frame).is_err() {
                break;
            }
            tally.sent(1);
        }
        line.finish();
        while let Some(answer) = line.answer() {
            tally.came(&answer);
        }
    }
}

/// Frames that never end, on as many connections as there are.
pub(crate) fn halves(front: &mut Front, tally: &mut Tally) {
    let mut held = Vec::new();
    for number in 0..HALVES {
        let door = front.either_door();
        let Ok(mut line) = front.open(door) else {
            break;
        };
        let frame = &front.stock.frames[number % front.stock.frames.len()];
        let half = &frame[..front.dice.place(frame.len())];
        if line.send(half).is_ok() {
            tally.sent(1);
        }
        held.push(line);
    }
    // A byte now and then, so that each seems to go on.
    while !front.is_over() {
        for line in &mut held {
            let _ = line.send(&[0]);
        }
        std::thread::park_timeout(GLANCE);
    }
    for mut line in held {
        line.patience(GLANCE);
        match line.answer() {
            Some(answer) => tally.came(&answer),
            None => tally.ended(),
        }
    }
}

/// As many requests as a connection takes, and no answer read before the last.
pub(crate) fn floods(front: &mut Front, tally: &mut Tally) {
    let ping = frame_of(&Request::Ping(Nothing {}));
    let list = frame_of(&Request::ListContainers(IfNewer { than: 0 }));
    while !front.is_over() {
        for (request, door) in [(&ping, Door::Watch), (&ping, Door::Control), (&list, Door::Watch)] {
            let Ok(mut line) = front.open(door) else {
                return tally.ended();
            };
            let burst = request.repeat(64);
            for _ in 0..FLOOD / 64 {
                if front.is_over() || line.send(&burst).is_err() {
                    tally.ended();
                    break;
                }
                tally.sent(64);
            }
        }
    }
}

/// Every request at the door that it may not come through.
pub(crate) fn wrong_doors(front: &mut Front, tally: &mut Tally) {
    let requests = front.stock.requests.clone();
    while !front.is_over() {
        for request in &requests {
            let door = match request.opcode() {
                Opcode::Ping | Opcode::Capabilities => continue,
                opcode if opcode.number() < 32 => Door::Control,
                _ => Door::Watch,
            };
            let Some(mut line) = front.enter(door) else {
                return tally.ended();
            };
            let answer = line.ask(request);
            tally.must_be_refused(request.opcode(), answer.as_ref());
        }
    }
}
