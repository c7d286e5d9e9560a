//! Further processes: prepared, started, sized, shown; their streams and their ends.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use wire::exec::{Exec, ExecCreated, ExecSpec, ExecStarted, StartExec};
use wire::{Opcode, RefusalCode, Request, Response, Time};

use crate::client::{Served, ask, entry, request, send};
use crate::stand_in::{SOON, StandIn, Verdict, refuse};

const START: &str = r#"{"Tty":true,"Detach":false}"#;

pub(crate) fn start_request() -> String {
    format!(
        "POST /exec/e1/start HTTP/1.1\r\nHost: \r\nContent-Length: {}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n\r\n{START}",
        START.len()
    )
}

/// The near ends of a process's streams.
pub(crate) struct Ends {
    input: Option<OwnedFd>,
    pub(crate) output: Option<File>,
    error: Option<File>,
    terminal: Option<File>,
}

/// A bridge with one prepared process, `e1`. Its ends arrive when it is started; it has ended once
/// something was sent.
pub(crate) fn with_exec(spec: ExecSpec) -> (StandIn, Receiver<Ends>, Sender<u32>) {
    let stand_in = StandIn::running();
    let exec = Arc::new(Mutex::new(Exec {
        id: "e1".to_owned(),
        spec,
        ..Exec::default()
    }));
    let (told, ends) = channel();
    let (end, ended) = channel::<u32>();
    let ended = Mutex::new(ended);
    stand_in.script(move |request, peer| {
        match request {
            Request::CreateExec(_) => {
                peer.answer(&Response::ExecCreated(ExecCreated { id: "ab".repeat(32) }))
            }
            Request::InspectExec(inspect) if inspect.id != "e1" => {
                peer.answer(&refuse(RefusalCode::NoSuchExec, &inspect.id));
            }
            Request::InspectExec(inspect) => {
                if inspect.until_ended {
                    let code = ended.lock().unwrap().recv().ok();
                    let mut exec = exec.lock().unwrap();
                    (exec.running, exec.exit_code) = (false, code);
                }
                let exec = exec.lock().unwrap().clone();
                peer.answer(&Response::Exec(Box::new(exec)));
            }
            Request::StartExec(start) => {
                let mut exec = exec.lock().unwrap();
                (exec.running, exec.started_at) = (true, Time(1));
                let _ = told.send(open(&exec.spec, start, peer));
            }
            _ => return Verdict::Pass,
        }
        Verdict::Answered
    });
    (stand_in, ends, end)
}

fn open(spec: &ExecSpec, start: &StartExec, peer: &mut crate::stand_in::Peer) -> Ends {
    let mut ends = Ends {
        input: None,
        output: None,
        error: None,
        terminal: None,
    };
    let mut started = ExecStarted {
        pid: 7,
        ..ExecStarted::default()
    };
    let mut passed = Vec::new();
    if start.detach {
    } else if spec.tty {
        let pty = nix::pty::openpty(None, None).unwrap();
        started.terminal = true;
        passed.push(pty.master);
        ends.terminal = Some(File::from(pty.slave));
    } else {
        if spec.attach_stdin {
            let (far, near) = nix::unistd::pipe().unwrap();
            started.input = true;
            passed.push(near);
            ends.input = Some(far);
        }
        for (asked, is_output) in [(spec.attach_stdout, true), (spec.attach_stderr, false)] {
            if !asked {
                continue;
            }
            let (near, far) = nix::unistd::pipe().unwrap();
            passed.push(near);
            if is_output {
                started.output = true;
                ends.output = Some(File::from(far));
            } else {
                started.error = true;
                ends.error = Some(File::from(far));
            }
        }
    }
    let passed: Vec<_> = passed.iter().map(AsFd::as_fd).collect();
    peer.answer_with(&Response::ExecStarted(started), &passed);
    ends
}

async fn next<T: Send + 'static>(from: Receiver<T>) -> T {
    tokio::task::spawn_blocking(move || from.recv_timeout(SOON).unwrap())
        .await
        .unwrap()
}

/// Reads so many bytes, or to the end; then closes.
async fn read(file: File, count: Option<u64>) -> Vec<u8> {
    let read = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        file.take(count.unwrap_or(u64::MAX))
            .read_to_end(&mut all)
            .unwrap();
        all
    });
    read.await.unwrap()
}

fn spec(tty: bool) -> ExecSpec {
    ExecSpec {
        arguments: vec!["sh".to_owned()],
        tty,
        attach_stdin: true,
        attach_stdout: true,
        attach_stderr: true,
        ..ExecSpec::default()
    }
}

#[tokio::test]
async fn what_is_asked_is_what_is_prepared() {
    let (stand_in, ..) = with_exec(spec(false));
    let (entry, _teller) = entry(&stand_in);
    let body = r#"{"AttachStdout":true,"Cmd":["id","-u"],"User":"5","Env":["A=b"],"WorkingDir":"/tmp","Privileged":true}"#;
    let reply = send(&entry, request("POST", "/containers/c/exec", body)).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    assert_eq!(reply.body, format!("{{\"Id\":\"{}\"}}\n", "ab".repeat(32)));
    let asked = stand_in.world(|world| world.asked.clone());
    let [Request::CreateExec(create)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(create.reference, "c");
    assert_eq!(create.spec.arguments, ["id", "-u"]);
    assert!(create.spec.privileged && create.spec.attach_stdout && !create.spec.tty);
    let reply = send(&entry, request("POST", "/containers/c/exec", "{}")).await;
    assert_eq!(reply.message(), "No exec command specified");
}

#[tokio::test]
async fn refusals_are_told_in_dockers_words() {
    let (stand_in, ..) = with_exec(spec(false));
    let (entry, _teller) = entry(&stand_in);
    for (method, path) in [
        ("GET", "/exec/nosuch/json"),
        ("POST", "/exec/nosuch/start"),
        ("POST", "/exec/nosuch/resize?h=1&w=1"),
    ] {
        let reply = ask(&entry, method, path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(reply.message(), "No such exec instance: nosuch");
    }
    let reply = ask(&entry, "POST", "/exec/e1/resize?h=99999999999999999999&w=1").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let reply = send(&entry, request("POST", "/exec/e1/start", "nonsense")).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    for (code, message) in [
        (RefusalCode::NotRunning, "Container c is not running"),
        (
            RefusalCode::Paused,
            "Container web is paused, unpause the container before exec",
        ),
    ] {
        stand_in.script(move |_, peer| {
            peer.answer(&refuse(code, "c"));
            Verdict::Answered
        });
        let reply = send(
            &entry,
            request("POST", "/containers/web/exec", r#"{"Cmd":["x"]}"#),
        )
        .await;
        assert_eq!(
            (reply.status, reply.message().as_str()),
            (StatusCode::CONFLICT, message)
        );
    }
}

#[tokio::test]
async fn both_streams_come_in_frames_and_the_end_waits_for_the_code() {
    let (stand_in, ends, end) = with_exec(spec(false));
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&start_request()).await;
    let head = raw.expect("\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 upgraded\r\n"), "{head}");
    assert!(head.contains("content-type: application/vnd.docker.multiplexed-stream\r\n"));
    let mut ends = next(ends).await;
    raw.write("typed\n").await;
    raw.end_writing().await;
    let input = File::from(ends.input.take().unwrap());
    assert_eq!(read(input, None).await, b"typed\n");
    ends.output.take().unwrap().write_all(b"out").unwrap();
    raw.expect("\x01\0\0\0\0\0\0\x03out").await;
    ends.error.take().unwrap().write_all(b"err").unwrap();
    raw.expect("\x02\0\0\0\0\0\0\x03err").await;
    let waits = |asked: &Request| matches!(asked, Request::InspectExec(inspect) if inspect.until_ended);
    stand_in.until(|world| world.asked.iter().any(waits)).await;
    end.send(4).unwrap();
    assert_eq!(raw.end().await, "");
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/exec/e1/json").await;
    let shown: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        (&shown["ExitCode"], &shown["Running"]),
        (&4.into(), &false.into())
    );
    let reply = ask(&entry, "POST", "/exec/e1/start").await;
    assert_eq!(reply.status, StatusCode::CONFLICT);
    assert_eq!(reply.message(), "Error: Exec command e1 has already run");
    assert_eq!(stand_in.count(Opcode::HangUpExec), 0);
}

#[tokio::test]
async fn a_detached_start_answers_at_once_and_empty() {
    let (stand_in, ends, _end) = with_exec(spec(false));
    let (entry, _teller) = entry(&stand_in);
    let body = r#"{"Detach":true,"ConsoleSize":[24,80]}"#;
    let reply = send(&entry, request("POST", "/exec/e1/start", body)).await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, ""));
    let ends = next(ends).await;
    assert!(ends.output.is_none() && ends.terminal.is_none());
    assert_eq!(stand_in.count(Opcode::HangUpExec), 0);
}

#[tokio::test]
async fn a_size_told_before_the_start_is_kept_and_one_told_later_is_set() {
    let (stand_in, ends, end) = with_exec(spec(true));
    let served = Served::new(&stand_in).await;
    let resize = |size: &str| format!("POST /exec/e1/resize?{size} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut other = served.connect().await;
    other.write(&resize("h=40&w=120")).await;
    other.expect("200 OK").await;
    let mut raw = served.connect().await;
    raw.write(&start_request()).await;
    raw.expect("\r\n\r\n").await;
    let started = stand_in.world(|world| {
        let mut asked = world.asked.iter();
        asked.find_map(|asked| match asked {
            Request::StartExec(start) => Some((start.rows, start.columns)),
            _ => None,
        })
    });
    assert_eq!(started, Some((40, 120)));
    let mut terminal = next(ends).await.terminal.unwrap();
    other.write(&resize("h=50&w=132")).await;
    other.expect("200 OK").await;
    let size = rustix::termios::tcgetwinsize(&terminal).unwrap();
    assert_eq!((size.ws_row, size.ws_col), (50, 132));
    terminal.write_all(b"prompt> ").unwrap();
    raw.expect("prompt> ").await;
    raw.write("ls\n").await;
    assert_eq!(read(terminal, Some(3)).await, b"ls\n");
    end.send(0).unwrap();
    raw.end().await;
    assert_eq!(stand_in.count(Opcode::HangUpExec), 0);
    other.write(&resize("h=1&w=1")).await;
    other.expect("409 Conflict").await;
}

#[tokio::test]
async fn a_client_that_vanishes_hangs_its_process_up() {
    let hung = |world: &crate::stand_in::World| {
        let mut asked = world.asked.iter();
        asked.any(|asked| asked.opcode() == Opcode::HangUpExec)
    };
    // With a terminal, the end of its input says so.
    let (stand_in, ends, _end) = with_exec(spec(true));
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&start_request()).await;
    raw.expect("\r\n\r\n").await;
    let _ends = next(ends).await;
    drop(raw);
    stand_in.until(hung).await;
    // Without one, on a unix socket, the kernel does: nothing needs to be written.
    let (stand_in, ends, _end) = with_exec(spec(false));
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&start_request()).await;
    raw.expect("\r\n\r\n").await;
    let _ends = next(ends).await;
    drop(raw);
    stand_in.until(hung).await;
}

#[tokio::test]
async fn keys_let_go_of_a_process_that_goes_on() {
    let (stand_in, ends, end) = with_exec(spec(true));
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&start_request()).await;
    raw.expect("\r\n\r\n").await;
    let mut terminal = next(ends).await.terminal.unwrap();
    raw.write("\x10\x11").await;
    assert_eq!(raw.end().await, "");
    // More than a terminal holds: somebody still reads.
    let written = tokio::task::spawn_blocking(move || {
        for _ in 0..64 {
            terminal.write_all(&[b'x'; 4096]).unwrap();
        }
    });
    written.await.unwrap();
    end.send(0).unwrap();
    assert_eq!(stand_in.count(Opcode::HangUpExec), 0);
}

#[tokio::test]
async fn a_command_that_is_missing_is_told_in_the_stream() {
    let (stand_in, ..) = with_exec(spec(false));
    stand_in.script(|request, peer| {
        match request {
            Request::InspectExec(_) => peer.answer(&Response::Exec(Box::new(Exec {
                id: "e1".to_owned(),
                ..Exec::default()
            }))),
            _ => peer.answer(&refuse(RefusalCode::CommandNotFound, "nosuch")),
        }
        Verdict::Answered
    });
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&start_request()).await;
    raw.expect("\r\n\r\n").await;
    let rest = raw.end().await;
    let text = "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown\r\n";
    assert!(
        rest.starts_with("\x01\0\0\0\0\0\0") && rest.ends_with(text),
        "{rest:?}"
    );
    let (entry, _teller) = entry(&stand_in);
    let reply = send(&entry, request("POST", "/exec/e1/start", r#"{"Detach":true}"#)).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}
