//! Daemons and clients that go, lie, or are somebody else.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;

use bridge::runtime::RuntimeError;
use nix::libc;
use rustix::fs::Uid;
use rustix::thread::set_thread_res_uid;

use super::scene::{CONTAINER, DEADLINE, Scene, all, command, interactive};
use super::stand_in::{Client, OUTPUT, StandIn, listen, name};

#[test]
fn what_is_no_frame_ends_it() {
    let cases: [&[u8]; 9] = [
        b"",
        b"\x01\0\0",
        b"\x01\0\0\0\x05abc",
        b"\0\0\0\0\0",
        b"\x03\0\0\0\x04\0\x01\0\x01",
        b"\x7f\0\0\0\x01a",
        b"\x01\x7f\xff\xff\xff",
        b"\xff\0\0\0\x08\0\0\0\0\0\0\0\0",
        b"\xff\0\0\0\x04\0\0",
    ];
    for bytes in cases {
        for asked in [command(&["x"]), interactive(&["x"])] {
            let daemon = StandIn::new(move |_, client: Client| (&client.0).write_all(bytes).unwrap());
            let scene = Scene::new(&daemon.name);
            let mut ran = scene.start("one", &asked);
            scene.expect_end("one", None);
            // What was whole of it was passed on.
            let expected: &[u8] = if bytes.ends_with(b"abc") { b"abc" } else { b"" };
            assert_eq!(all(ran.streams.remove(0)), expected, "{}", bytes.escape_ascii());
        }
    }
}

/// A daemon that says when its client has gone, after writing what the test says.
fn noticing(write: impl Fn(&Client) + Send + Clone + 'static) -> (StandIn, mpsc::Receiver<()>) {
    let (told, gone) = mpsc::channel();
    let daemon = StandIn::new(move |_, client: Client| {
        write(&client);
        while client.receive().is_some() {}
        let _ = told.send(());
    });
    (daemon, gone)
}

#[test]
fn a_client_of_a_terminal_that_goes_ends_it() {
    let (daemon, gone) = noticing(|_| ());
    let scene = Scene::new(&daemon.name);
    drop(scene.start("one", &interactive(&["x"])));
    gone.recv_timeout(DEADLINE).unwrap();
    scene.expect_end("one", None);
}

#[test]
fn a_client_of_pipes_that_goes_ends_who_writes() {
    let (daemon, gone) = noticing(|client| while client.send(OUTPUT, b"x").is_ok() {});
    let scene = Scene::new(&daemon.name);
    drop(scene.start("one", &command(&["x"])));
    gone.recv_timeout(DEADLINE).unwrap();
    scene.expect_end("one", None);
}

#[test]
fn a_client_that_goes_while_its_terminal_is_full_ends_it() {
    let (daemon, gone) = noticing(|client| while client.send(OUTPUT, &[b'x'; 4096]).is_ok() {});
    let scene = Scene::new(&daemon.name);
    let ran = scene.start("one", &interactive(&["x"]));
    File::from(ran.streams[0].try_clone().unwrap())
        .read_exact(&mut [0; 64])
        .unwrap();
    drop(ran);
    gone.recv_timeout(DEADLINE).unwrap();
    scene.expect_end("one", None);
}

#[test]
fn somebody_else_with_the_daemons_name_is_not_trusted() {
    let name = name();
    let squatted = name.clone();
    let (say, ready) = mpsc::channel();
    let squatter = thread::spawn(move || {
        let nobody = Uid::from_raw(65534);
        set_thread_res_uid(None, nobody, None).unwrap();
        let listener = listen(&squatted);
        say.send(()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        heard
    });
    ready.recv_timeout(DEADLINE).unwrap();
    assert!(nix::unistd::geteuid().is_root());
    let scene = Scene::new(&name);
    let Err(RuntimeError::System { error, .. }) = scene.try_start("one", &command(&["x"]), false) else {
        panic!("it was trusted");
    };
    assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    // Not a word was said to it.
    assert_eq!(squatter.join().unwrap(), b"");
    assert_eq!(scene.heard(), None);
}

#[test]
fn signals_end_the_relay_or_nothing() {
    let (daemon, gone) = noticing(|_| ());
    let scene = Scene::new(&daemon.name);
    for (id, signal) in [("a", libc::SIGTERM), ("b", libc::SIGHUP), ("c", libc::SIGKILL)] {
        let _ran = scene.start(id, &interactive(&["x"]));
        assert!(matches!(
            scene.execs.signal(id, libc::SIGUSR1),
            Err(RuntimeError::Unsupported(_))
        ));
        scene.execs.signal(id, 0).unwrap();
        scene.execs.signal(id, signal).unwrap();
        gone.recv_timeout(DEADLINE).unwrap();
        scene.expect_end(id, None);
        // It has ended, which is no error.
        scene.execs.signal(id, libc::SIGUSR1).unwrap();
    }
}

#[test]
fn the_end_of_the_container_is_theirs() {
    let (daemon, gone) = noticing(|_| ());
    let scene = Scene::new(&daemon.name);
    let _held = [
        scene.start("a", &command(&["x"])),
        scene.start("b", &interactive(&["x"])),
    ];
    let other = wire::ContainerId([8; 32]);
    scene.execs.container_ended(&other);
    assert_eq!(scene.heard(), None);
    scene.execs.container_ended(&CONTAINER);
    // They are told before that returns.
    let mut ended = [scene.heard(), scene.heard()];
    ended.sort();
    assert_eq!(ended, [Some("a".to_owned()), Some("b".to_owned())]);
    for _ in 0..2 {
        gone.recv_timeout(DEADLINE).unwrap();
    }
}

#[test]
fn a_daemon_that_tells_how_they_ended_is_heard() {
    let (say, end) = mpsc::channel::<()>();
    let end = std::sync::Arc::new(std::sync::Mutex::new(end));
    let daemon = StandIn::new(move |_, client: Client| {
        end.lock().unwrap().recv().unwrap();
        client.exit(137);
    });
    let scene = Scene::new(&daemon.name);
    let _ran = scene.start("one", &command(&["x"]));
    say.send(()).unwrap();
    scene.execs.container_ended(&CONTAINER);
    scene.expect_end("one", Some(137));
}

#[test]
fn a_relay_outlives_who_started_it() {
    let (say, go_on) = mpsc::channel::<()>();
    let go_on = std::sync::Arc::new(std::sync::Mutex::new(go_on));
    let daemon = StandIn::new(move |_, client: Client| {
        go_on.lock().unwrap().recv().unwrap();
        client.send(OUTPUT, b"still here").unwrap();
        client.exit(0);
    });
    let scene = Scene::new(&daemon.name);
    let mut ran = scene.start("one", &command(&["x"]));
    // Nobody hears of any end from here on.
    drop(scene);
    say.send(()).unwrap();
    assert_eq!(all(ran.streams.remove(0)), b"still here");
}
