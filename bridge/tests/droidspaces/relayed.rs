//! What passes through a relay, both ways.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;

use bridge::sys::terminal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::scene::{DEADLINE, Scene, all, command, interactive, mebibyte, status};
use super::stand_in::{Client, OUTPUT, StandIn, WINDOW, echo, run, window};

#[test]
fn output_errors_and_code() {
    let daemon = StandIn::new(run);
    let scene = Scene::new(&daemon.name);
    let asked = command(&[
        "/bin/sh",
        "-c",
        "echo out; echo \"$1\" >&2; exit 7",
        "sh",
        "an $error",
    ]);
    let mut ran = scene.start("one", &asked);
    let request = daemon.request();
    assert_eq!(request.arguments[..2], ["--name=a box", "run"]);
    assert_eq!(request.arguments[2..], asked.arguments);
    assert_eq!(request.window, None);
    let started = &ran.started;
    assert_eq!(
        (started.terminal, started.input, started.output, started.error),
        (false, false, true, true)
    );
    assert!(started.pid > 0);
    let error = ran.streams.pop().unwrap();
    let output = ran.streams.pop().unwrap();
    assert_eq!(all(output), b"out\n");
    assert_eq!(all(error), b"an $error\n");
    scene.expect_end("one", Some(7));
    assert_eq!(scene.heard(), None);
}

#[test]
fn only_what_is_asked_for_comes_out() {
    let daemon = StandIn::new(run);
    let scene = Scene::new(&daemon.name);
    let mut asked = command(&["/bin/sh", "-c", "echo out; echo err >&2"]);
    asked.attach_stdout = false;
    let mut ran = scene.start("one", &asked);
    assert_eq!(ran.streams.len(), 1);
    assert_eq!(all(ran.streams.pop().unwrap()), b"err\n");
    scene.expect_end("one", Some(0));
}

#[test]
fn what_nobody_reads_is_thrown_away() {
    let daemon = StandIn::new(run);
    let scene = Scene::new(&daemon.name);
    for (id, asked) in [
        ("pipes", command(&["/usr/bin/seq", "100000"])),
        ("terminal", interactive(&["/usr/bin/seq", "100000"])),
    ] {
        let ran = scene.try_start(id, &asked, true).unwrap();
        assert!(ran.streams.is_empty() && !ran.started.terminal && !ran.started.output);
        assert_eq!(daemon.request().window.is_some(), asked.tty);
        scene.expect_end(id, Some(0));
    }
}

#[test]
fn a_mebibyte_comes_out_as_it_was() {
    let daemon = StandIn::new(|_, client: Client| {
        for chunk in mebibyte().chunks(60_001) {
            client.send(OUTPUT, chunk).unwrap();
        }
        client.exit(3);
    });
    let scene = Scene::new(&daemon.name);
    let mut ran = scene.start("one", &command(&["x"]));
    assert!(all(ran.streams.remove(0)) == mebibyte());
    scene.expect_end("one", Some(3));
}

#[test]
fn a_mebibyte_goes_in_and_comes_out_of_a_terminal() {
    let daemon = StandIn::new(echo);
    let scene = Scene::new(&daemon.name);
    let mut ran = scene.start("one", &interactive(&["x"]));
    assert!(ran.started.terminal && ran.streams.len() == 1);
    let master = ran.streams.pop().unwrap();
    let sent = [mebibyte(), b"\x03\x04\x1a\r\n\xff\0end\n".to_vec()].concat();
    let expected = sent.clone();
    let mut typed = File::from(master.try_clone().unwrap());
    let typist = thread::spawn(move || typed.write_all(&sent).unwrap());
    assert!(all(master) == expected);
    typist.join().unwrap();
    scene.expect_end("one", Some(0));
}

#[test]
fn a_process_with_a_terminal() {
    let daemon = StandIn::new(run);
    let scene = Scene::new(&daemon.name);
    let mut ran = scene.start(
        "one",
        &interactive(&["/bin/sh", "-c", "stty size; read x; echo \"<$x>\"; exit 3"]),
    );
    assert_eq!(daemon.request().window, Some((24, 80)));
    let master = ran.streams.pop().unwrap();
    File::from(master.try_clone().unwrap())
        .write_all(b"hello\r")
        .unwrap();
    let shown = String::from_utf8(all(master)).unwrap();
    assert!(
        shown.contains("24 80\r\n") && shown.ends_with("<hello>\r\n"),
        "{shown:?}"
    );
    scene.expect_end("one", Some(3));
}

#[test]
fn sizes_are_told() {
    let (told, sizes) = mpsc::channel();
    let daemon = StandIn::new(move |_, client: Client| {
        while let Some((kind, bytes)) = client.receive() {
            assert_eq!(kind, WINDOW);
            told.send(window(&bytes)).unwrap();
            if window(&bytes) == (1, 2) {
                return client.exit(0);
            }
        }
    });
    let scene = Scene::new(&daemon.name);
    let ran = scene.start("one", &interactive(&["x"]));
    for (rows, columns) in [(50, 200), (65535, 300), (1, 2)] {
        terminal::set_size(&ran.streams[0], rows, columns).unwrap();
        assert_eq!(sizes.recv_timeout(DEADLINE), Ok((rows, columns)));
    }
    scene.expect_end("one", Some(0));
}

/// Waits until nothing more can be written for a while.
fn write_until_stuck(client: &Client) -> usize {
    client.0.set_nonblocking(true).unwrap();
    // One frame with no end in sight.
    let mut sent = 0;
    loop {
        match (&client.0).write(&[b'x'; 4096]) {
            Ok(length) => sent += length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let mut fds = [PollFd::new(client.0.as_fd(), PollFlags::POLLOUT)];
                if poll(&mut fds, PollTimeout::from(500_u16)).unwrap() == 0 {
                    client.0.set_nonblocking(false).unwrap();
                    return sent;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn who_does_not_read_stops_who_writes() {
    const FRAME: usize = 1 << 20;
    for asked in [command(&["x"]), interactive(&["x"])] {
        let (told, stuck) = mpsc::channel();
        let (say, go_on) = mpsc::channel::<()>();
        let go_on = std::sync::Arc::new(std::sync::Mutex::new(go_on));
        let daemon = StandIn::new(move |_, client: Client| {
            (&client.0).write_all(&[OUTPUT, 0, 0x10, 0, 0]).unwrap();
            let sent = write_until_stuck(&client);
            told.send(sent).unwrap();
            go_on.lock().unwrap().recv().unwrap();
            (&client.0).write_all(&vec![b'x'; FRAME - sent]).unwrap();
            client.exit(0);
        });
        let scene = Scene::new(&daemon.name);
        let mut ran = scene.start("one", &asked);
        let sent = stuck.recv_timeout(DEADLINE).unwrap();
        assert!(sent < FRAME, "{sent}");
        let resident = status(ran.started.pid, "VmHWM");
        let kib: u64 = resident.trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 24 * 1024, "{resident}");
        say.send(()).unwrap();
        assert_eq!(all(ran.streams.remove(0)).len(), FRAME);
        scene.expect_end("one", Some(0));
    }
}

#[test]
fn one_who_does_not_read_can_type() {
    let (told, typed) = mpsc::channel();
    let daemon = StandIn::new(move |_, client: Client| {
        (&client.0).write_all(&[OUTPUT, 0, 0x10, 0, 0]).unwrap();
        write_until_stuck(&client);
        let _ = told.send(client.receive());
    });
    let scene = Scene::new(&daemon.name);
    let mut ran = scene.start("one", &interactive(&["x"]));
    let master = ran.streams.pop().unwrap();
    File::from(master.try_clone().unwrap())
        .write_all(b"\x03")
        .unwrap();
    let heard = typed.recv_timeout(DEADLINE).unwrap();
    assert_eq!(heard, Some((OUTPUT, b"\x03".to_vec())));
    // The daemon left in the middle of a frame, which is noticed once there is room for what it said.
    assert!(all(master).iter().all(|&byte| byte == b'x'));
    scene.expect_end("one", None);
}

#[test]
fn a_relay_has_no_power() {
    let daemon = StandIn::new(|_, client: Client| {
        client.send(OUTPUT, b"!").unwrap();
        while client.receive().is_some() {}
    });
    let scene = Scene::new(&daemon.name);
    for (id, asked) in [("pipes", command(&["x"])), ("terminal", interactive(&["x"]))] {
        let ran = scene.start(id, &asked);
        let pid = ran.started.pid;
        // Once it has passed something on, it has given up everything.
        let mut first = [0];
        File::from(ran.streams[0].try_clone().unwrap())
            .read_exact(&mut first)
            .unwrap();
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(pid, set), "0000000000000000", "{set}");
        }
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        assert_eq!(status(pid, "Seccomp"), "2");
        assert_eq!(status(pid, "Name"), "socketd-relay");
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        assert!(environment.is_empty());
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        // Three standard streams, the bridge once more, the daemon, and two for the client.
        assert_eq!(open, 7, "{id}");
        scene.execs.signal(id, nix::libc::SIGTERM).unwrap();
        scene.expect_end(id, None);
    }
}
