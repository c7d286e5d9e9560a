//! Orders that are well made, and go too far.

use std::os::fd::AsRawFd;

use wire::exec::{CreateExec, ExecSpec};
use wire::files::{ContainerPath, WriteArchive};
use wire::request::{ContainerRef, Create, IfNewer, ImportImage, Kill, Remove, Rename, TagImage};
use wire::spec::{Pair, Process, Spec};
use wire::{ImageId, Request, Response};

use crate::Front;
use crate::line::{Door, GLANCE, Line};
use crate::stock::{frame, frame_of, promise};
use crate::tally::Tally;

/// What all our containers' names begin with.
const OURS: &str = "hostile-";
/// Bytes of labels of one container: what a request still holds.
const LABEL_BYTES: usize = 100 * 1024;
/// Containers that are made before they are removed again.
const STORM: usize = 64;

/// The first image that there is.
fn image(front: &Front) -> Option<ImageId> {
    let mut line = front.enter(Door::Watch)?;
    match line.ask(&Request::ListImages(IfNewer { than: 0 }))? {
        Response::Images(images) => images.images.first().map(|image| image.id),
        _ => None,
    }
}

fn create(image_id: ImageId, name: &str, spec: Spec) -> Request {
    Request::Create(Box::new(Create {
        name: name.to_owned(),
        image_id,
        spec,
    }))
}

fn sleeper() -> Spec {
    Spec {
        image: "any".to_owned(),
        process: Process {
            command: vec!["/bin/sleep".to_owned(), "600".to_owned()],
            stop_timeout_s: Some(0),
            ..Process::default()
        },
        ..Spec::default()
    }
}

/// A container of ours that runs, made where there is none; its name.
pub(crate) fn victim(front: &mut Front) -> Option<String> {
    let name = format!("{OURS}victim");
    let image = image(front)?;
    let mut line = front.enter(Door::Control)?;
    line.ask(&create(image, &name, sleeper()))?;
    line.ask(&Request::Start(ContainerRef {
        reference: name.clone(),
    }))?;
    Some(name)
}

/// Containers as fast as they are made, each with as much to keep as a request holds.
pub(crate) fn creates(front: &mut Front, tally: &mut Tally) {
    let Some(image) = image(front) else {
        return tally.ended();
    };
    let mut spec = sleeper();
    spec.labels = vec![
        Pair::new("a", "x".repeat(LABEL_BYTES)),
        Pair::new("b", "y".repeat(LABEL_BYTES)),
    ];
    let mut made = Vec::new();
    let Some(mut line) = front.enter(Door::Control) else {
        return tally.ended();
    };
    while !front.is_over() && made.len() < STORM {
        let name = format!("{OURS}{:016x}", front.dice.below(u64::MAX));
        let answer = line.ask(&create(image, &name, spec.clone()));
        tally.exchange(answer.as_ref());
        match answer {
            Some(Response::Created(_)) => made.push(name),
            Some(_) => {}
            None => break,
        }
    }
    for reference in made {
        let remove = Remove {
            reference,
            force: true,
        };
        tally.exchange(line.ask(&Request::Remove(remove)).as_ref());
    }
}

/// Names that lead elsewhere, or say something to whoever reads them.
const NAMES: &[&str] = &[
    "..",
    ".",
    "/",
    "../../etc/passwd",
    "a/../../b",
    "/etc/passwd",
    "a//b",
    "a\0b",
    "a\nb",
    "a\r\nX-Evil: 1",
    "\u{1b}[2J\u{1b}]0;evil\u{7}",
    "-rf",
    "a b",
    "a:b",
    "%2e%2e%2f",
    "\u{202e}cba",
    "ä",
    "a\u{0}",
];

/// Such names for containers and images, new ones and others' places.
pub(crate) fn names(front: &mut Front, tally: &mut Tally) {
    let Some(image) = image(front) else {
        return tally.ended();
    };
    let victim = victim(front).unwrap_or_default();
    let long = "n".repeat(64 * 1024);
    let pipe = nix::unistd::pipe().expect("a pipe").0;
    while !front.is_over() {
        for name in NAMES.iter().copied().chain([long.as_str()]) {
            let Some(mut line) = front.enter(Door::Control) else {
                return tally.ended();
            };
            let answer = line.ask(&create(image, name, sleeper()));
            tally.must_be_refused(name, answer.as_ref());
            let rename = Rename {
                reference: victim.clone(),
                name: name.to_owned(),
            };
            tally.must_be_refused(name, line.ask(&Request::Rename(rename)).as_ref());
            for reference in [name, "", &victim[..1]] {
                let kill = Kill {
                    reference: reference.to_owned(),
                    // No such signal: it must not be sent, whoever is meant.
                    signal: 77,
                };
                tally.must_be_refused(reference, line.ask(&Request::Kill(kill)).as_ref());
            }
            // A colon in the repository is one before a port.
            if name.contains(':') && !name.contains('\r') {
                continue;
            }
            let tag = TagImage {
                image_id: image,
                tag: format!("{name}:latest"),
            };
            tally.must_be_refused(name, line.ask(&Request::TagImage(tag)).as_ref());
            let import = Request::ImportImage(Box::new(ImportImage {
                tag: format!("{name}:latest"),
                ..ImportImage::default()
            }));
            if line.pass(&frame_of(&import), &[pipe.as_raw_fd()]).is_ok() {
                tally.must_be_refused(name, line.answer().as_ref());
            }
        }
    }
}

/// Paths that leave the container.
pub(crate) fn paths(front: &mut Front, tally: &mut Tally) {
    let Some(reference) = victim(front) else {
        return tally.ended();
    };
    let target = front.forbidden.display().to_string();
    let up = "../".repeat(40);
    let paths = [
        target.clone(),
        format!("{up}{target}"),
        format!("/{up}{target}"),
        format!("/proc/self/root{target}"),
        format!("/proc/1/root{target}"),
        format!("/proc/self/cwd/{up}{target}"),
        format!("/dev/fd/3/{up}{target}"),
        format!("/bin/./{up}{target}"),
        format!("{target}\0"),
    ];
    while !front.is_over() {
        for path in &paths {
            let Some(mut line) = front.enter(Door::Control) else {
                return tally.ended();
            };
            let ask = ContainerPath {
                reference: reference.clone(),
                path: path.clone(),
            };
            tally.must_be_refused(path, line.ask(&Request::StatPath(ask.clone())).as_ref());
            tally.must_be_refused(path, line.ask(&Request::ReadArchive(ask)).as_ref());
            let write = Request::WriteArchive(WriteArchive {
                reference: reference.clone(),
                path: path.clone(),
                ..WriteArchive::default()
            });
            let zero = std::fs::File::open("/dev/zero").expect("zeros");
            if line.pass(&frame_of(&write), &[zero.as_raw_fd()]).is_ok() {
                tally.must_be_refused(path, line.answer().as_ref());
            }
        }
    }
}

/// Lists that are longer than they may be, and such that only say so.
pub(crate) fn long_lists(front: &mut Front, tally: &mut Tally) {
    let image = image(front).unwrap_or_default();
    let short = vec![String::new(); 16 * 1024 + 1];
    let spec = Spec {
        process: Process {
            env: short,
            ..Process::default()
        },
        ..sleeper()
    };
    let create = frame_of(&create(image, "hostile-list", spec));
    let promises: Vec<Vec<u8>> = [u32::MAX, 1 << 30, 16 * 1024 + 1]
        .into_iter()
        .flat_map(|count| [32, 41, 42, 51].map(|opcode| frame(opcode, &promise(count))))
        .collect();
    while !front.is_over() {
        for bytes in std::iter::once(&create).chain(&promises) {
            let Some(mut line) = front.enter(Door::Control) else {
                return tally.ended();
            };
            tally.must_be_refused(&bytes[..20], line.ask_raw(bytes).as_ref());
        }
    }
}

/// Every request, aimed at a container that runs, over and over and beside each other.
pub(crate) fn aimed(front: &mut Front, tally: &mut Tally) {
    let image = image(front).unwrap_or_default();
    while !front.is_over() {
        let Some(reference) = victim(front) else {
            return tally.ended();
        };
        let Some(mut control) = front.enter(Door::Control) else {
            return tally.ended();
        };
        let exec = prepare(&mut control, &reference).unwrap_or_default();
        let requests = front.stock.aimed(&reference, &exec, image);
        for _ in 0..requests.len() {
            if front.is_over() {
                break;
            }
            let request = &requests[front.dice.place(requests.len())];
            let door = match request.opcode().number() {
                ..32 => Door::Watch,
                _ => Door::Control,
            };
            let Some(mut line) = front.enter(door) else {
                return tally.ended();
            };
            line.patience(GLANCE);
            let Ok(zero) = std::fs::File::open("/dev/zero") else {
                return;
            };
            let _ = line.pass(&frame_of(request), &[zero.as_raw_fd()]);
            tally.exchange(line.answer().as_ref());
        }
    }
}

/// Has a further process prepared; its id.
fn prepare(line: &mut Line, reference: &str) -> Option<String> {
    let spec = ExecSpec {
        arguments: vec!["/bin/true".to_owned()],
        ..ExecSpec::default()
    };
    let create = CreateExec {
        reference: reference.to_owned(),
        spec,
    };
    match line.ask(&Request::CreateExec(Box::new(create)))? {
        Response::ExecCreated(created) => Some(created.id),
        _ => None,
    }
}
