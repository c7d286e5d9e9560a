//! A container's log, who follows it, its input and the size of its terminal.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use bridge::runtime::{Runtime, RuntimeError};
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;
use std::os::fd::AsFd;
use wire::ContainerId;
use wire::log::{ENTRY_HEADER_BYTES, ENTRY_TRAILER_BYTES, EntryHeader, FILE_HEADER_BYTES, Stream};
use wire::spec::Pair;

use crate::scene::Scene;

/// A bell that the runtime keeps, and the end to listen at.
fn bell(scene: &Scene, id: &ContainerId) -> File {
    let (listening, ringing) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    scene.runtime.ring(id, ringing).unwrap();
    File::from(listening)
}

/// Waits for a ring: whether it rang, rather than ended.
fn rings(bell: &mut File) -> bool {
    let mut fds = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
    assert_eq!(
        poll(&mut fds, PollTimeout::from(30_000_u16)),
        Ok(1),
        "it rings or ends"
    );
    bell.read(&mut [0; 4096]).unwrap() > 0
}

fn silent(bell: &mut File) -> bool {
    bell.read(&mut [0; 4096])
        .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Every whole entry of the log as it is now, of all files.
fn entries(scene: &Scene, id: &ContainerId) -> Vec<(EntryHeader, Vec<u8>)> {
    let mut entries = Vec::new();
    let mut last = 0;
    for (file, descriptor) in scene.runtime.open_log(id).unwrap() {
        assert!(file.number > last, "oldest first");
        last = file.number;
        let file = File::from(descriptor);
        let mut at = FILE_HEADER_BYTES as u64;
        let mut header = [0; ENTRY_HEADER_BYTES];
        while file.read_exact_at(&mut header, at).is_ok() {
            let header = EntryHeader::parse(&header).unwrap();
            let mut text = vec![0; header.length as usize];
            let mut trailer = [0; ENTRY_TRAILER_BYTES];
            let begin = at + ENTRY_HEADER_BYTES as u64;
            let end = begin + u64::from(header.length);
            if file.read_exact_at(&mut text, begin).is_err() || file.read_exact_at(&mut trailer, end).is_err()
            {
                break;
            }
            assert_eq!(u32::from_le_bytes(trailer), header.length);
            entries.push((header, text));
            at = end + ENTRY_TRAILER_BYTES as u64;
        }
    }
    entries
}

#[test]
fn entries_say_when_where_and_what() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::shell("printf 'a\\0\\377\\nb'; echo error >&2"));
    assert!(scene.runtime.open_log(&id).unwrap().is_empty());
    scene.runtime.start(&id).unwrap();
    scene.end(&id);
    let mut found = entries(&scene, &id);
    found.sort_by_key(|(header, _)| header.stream == Stream::Error);
    let shown: Vec<_> = found
        .iter()
        .map(|(header, text)| (header.stream, header.partial, text.as_slice()))
        .collect();
    assert_eq!(
        shown,
        [
            (Stream::Output, false, b"a\0\xff\n".as_slice()),
            (Stream::Output, true, b"b"),
            (Stream::Error, false, b"error\n"),
        ]
    );
    let now = bridge::shim::now().0;
    assert!(
        found
            .iter()
            .all(|(header, _)| now - header.time.0 < 60_000_000_000)
    );
}

#[test]
fn size_and_number_of_files_are_as_asked() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("yes 0123456789 | head -c 1000000");
    spec.log_options = vec![Pair::new("max-size", "100k"), Pair::new("max-file", "3")];
    let (id, _) = scene.start(spec.clone());
    scene.end(&id);
    let files = scene.runtime.open_log(&id).unwrap();
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|(file, _)| file.bytes < 300_000), "{files:?}");
    assert_eq!(files[2].0.number, files[0].0.number + 2);
    let texts = entries(&scene, &id);
    assert!(
        texts
            .iter()
            .all(|(header, text)| header.partial || text.ends_with(b"\n"))
    );
    for (key, value) in [("max-size", "much"), ("max-file", "0"), ("mode", "non-blocking")] {
        spec.log_options = vec![Pair::new(key, value)];
        assert!(
            matches!(scene.try_create(spec.clone()), Err(RuntimeError::InvalidSpec(text)) if text.contains(key))
        );
    }
}

#[test]
fn a_log_deleted_by_hand_goes_on_in_a_new_file() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("echo one; read line; echo two");
    spec.process.open_stdin = true;
    let (id, _) = scene.start(spec);
    scene.await_output(&id, "one");
    fs::remove_file(scene.directory(&id).join("log")).unwrap();
    let mut input = File::from(scene.runtime.open_input(&id).unwrap().end);
    input.write_all(b"on\n").unwrap();
    assert_eq!(scene.end(&id).code, 0);
    assert_eq!(scene.log(&id).0, "two\n");
    assert_eq!(scene.runtime.open_log(&id).unwrap()[0].0.number, 2);
}

#[test]
fn bells_ring_for_what_is_written_and_end_with_the_run() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("read line; echo one; read line");
    spec.process.open_stdin = true;
    let id = scene.create(spec);
    let mut early = bell(&scene, &id);
    let deserter = bell(&scene, &id);
    assert!(silent(&mut early));
    drop(deserter);
    scene.runtime.start(&id).unwrap();
    assert!(rings(&mut early), "it started");
    let mut late = bell(&scene, &id);
    assert!(rings(&mut late), "something may have been written before");
    let mut input = File::from(scene.runtime.open_input(&id).unwrap().end);
    input.write_all(b"on\n").unwrap();
    scene.await_output(&id, "one");
    assert!(rings(&mut early) && rings(&mut late));
    input.write_all(b"on\n").unwrap();
    while rings(&mut early) {}
    while rings(&mut late) {}
    assert_eq!(scene.end(&id).code, 0);
}

#[test]
fn a_bell_that_waits_ends_with_a_start_that_fails_and_with_the_container() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::command(&["/not/there"]));
    let mut waiting = bell(&scene, &id);
    scene.runtime.start(&id).expect_err("it is not there");
    assert!(!rings(&mut waiting));
    let mut waiting = bell(&scene, &id);
    scene.runtime.remove(&id).unwrap();
    assert!(!rings(&mut waiting));
    let (_, ringing) = pipe2(OFlag::O_CLOEXEC).unwrap();
    assert!(matches!(
        scene.runtime.ring(&id, ringing),
        Err(RuntimeError::NoSuchContainer(_))
    ));
}

#[test]
fn a_thousand_bells_of_nobody_are_let_go() {
    let mut scene = Scene::new();
    let never = scene.create(Scene::command(&["sleep", "600"]));
    let (id, _) = scene.start(Scene::command(&["sleep", "600"]));
    for of in [never, id] {
        for _ in 0..1000 {
            drop(bell(&scene, &of));
        }
    }
    // Those who listen are bounded.
    let mut heard = Vec::new();
    let refused = loop {
        let (listening, ringing) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
        match scene.runtime.ring(&id, ringing) {
            Ok(()) => heard.push(listening),
            Err(error) => break error,
        }
        assert!(heard.len() < 1000);
    };
    assert!(matches!(refused, RuntimeError::System { .. }), "{refused}");
}

#[test]
fn input_ends_with_its_client_where_it_is_for_one() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("cat; echo end");
    spec.process.open_stdin = true;
    spec.process.stdin_once = true;
    let (id, _) = scene.start(spec.clone());
    let input = scene.runtime.open_input(&id).unwrap();
    assert!(!input.terminal);
    let mut input = File::from(input.end);
    input.write_all(b"word\n").unwrap();
    assert!(matches!(
        scene.runtime.open_input(&id),
        Err(RuntimeError::Unsupported(_))
    ));
    drop(input);
    assert_eq!(scene.end(&id).code, 0);
    assert_eq!(scene.log(&id).0, "word\nend\n");
    assert!(matches!(
        scene.runtime.open_input(&id),
        Err(RuntimeError::NotRunning)
    ));

    spec.process.stdin_once = false;
    let (id, _) = scene.start(spec);
    for word in ["one", "two"] {
        let mut input = File::from(scene.runtime.open_input(&id).unwrap().end);
        input.write_all(format!("{word}\n").as_bytes()).unwrap();
        drop(input);
        scene.await_output(&id, word);
    }
    scene.runtime.signal(&id, libc::SIGKILL).unwrap();
    assert_eq!(scene.end(&id).code, 137);
}

/// As `docker run --rm` does: a short run is over, and its log gone with it, before anybody is told that there is one.
#[test]
fn whoever_follows_from_before_the_start_has_the_file_that_is_written() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::shell("echo all of it"));
    let _bell = bell(&scene, &id);
    let mut files = scene.runtime.open_log(&id).unwrap();
    assert_eq!(files.len(), 1);
    // A second one makes no other.
    let _other = bell(&scene, &id);
    scene.runtime.start(&id).unwrap();
    scene.end(&id);
    assert_eq!(scene.runtime.open_log(&id).unwrap().len(), 1);
    scene.runtime.remove(&id).unwrap();
    let (_, file) = files.pop().unwrap();
    let mut text = Vec::new();
    File::from(file).read_to_end(&mut text).unwrap();
    assert!(text.windows(10).any(|part| part == b"all of it\n"), "{text:?}");
}

#[test]
fn a_terminal_has_the_size_that_was_asked() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("trap 'stty size; exit' WINCH; stty size; while :; do read line; done");
    spec.process.tty = true;
    spec.process.open_stdin = true;
    (spec.process.rows, spec.process.columns) = (31, 91);
    let (id, _) = scene.start(spec);
    scene.await_output(&id, "31 91");
    let input = scene.runtime.open_input(&id).unwrap();
    assert!(input.terminal);
    scene.runtime.resize(&id, 17, 77).unwrap();
    let end: OwnedFd = input.end;
    // Some shells look at a trap while they read, and have ended by now; others after a line.
    let _ = File::from(end).write_all(b"on\n");
    scene.await_output(&id, "17 77");
    scene.end(&id);
    assert!(matches!(
        scene.runtime.resize(&id, 1, 1),
        Err(RuntimeError::NotRunning)
    ));
}
