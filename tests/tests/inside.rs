//! Bad luck and bad input on what is done within containers: what is not there, who goes away, who
//! never reads, and what must not get out.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use harness::pair::IMAGE;
use harness::{Connection, Docker, Pair, pace};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// A process that does not hear SIGTERM has ten seconds.
const LIMIT: Duration = Duration::from_secs(30);
/// What a daemon may grow by, whatever passes through it, in KiB.
const GROWTH: u64 = 8 * 1024;
/// The long line, in bytes; the variable gives another length.
const LINE: usize = 16 * 1024 * 1024;
const LINE_VARIABLE: &str = "SOCKETD_TEST_LINE_BYTES";

#[track_caller]
fn check(docker: &Docker, method: &str, path: &str, body: &Value, status: u16, message: &str) {
    let bytes = body.to_string();
    let body = (!body.is_null()).then_some(("application/json", bytes.as_bytes()));
    let answer = docker.ask(method, path, body);
    assert_eq!(answer.status, status, "{method} {path}: {answer}");
    let found = answer.message();
    assert!(found.contains(message), "{method} {path}: {found}");
}

fn prepare(docker: &Docker, container: &str, script: &str) -> String {
    let body = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": ["/bin/sh", "-c", script] });
    let answer = docker.post_json(&format!("/containers/{container}/exec"), &body);
    answer.expect(201).json()["Id"].as_str().unwrap().to_owned()
}

/// Starts it and gives the stream; nothing of it is read.
fn begin(docker: &Docker, exec: &str) -> Connection {
    let mut connection = docker.connect();
    let body = "{\"Detach\":false,\"Tty\":false}";
    let request = format!(
        "POST /exec/{exec}/start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n{body}",
        body.len()
    );
    connection.send_raw(request.as_bytes()).unwrap();
    assert_eq!(connection.head(false).unwrap().status, 101);
    connection
}

/// Reads to the end of such a stream.
fn drain(mut connection: Connection) {
    let mut buffer = [0; 4096];
    while connection.read_raw(&mut buffer).unwrap() > 0 {}
}

fn look_at(docker: &Docker, exec: &str) -> Value {
    docker.get(&format!("/exec/{exec}/json")).expect(200).json()
}

/// Memory of a process, in KiB.
fn memory(pid: i32) -> u64 {
    number(&format!("/proc/{pid}/status"), "VmRSS:")
}

fn number(path: &str, field: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn both(pair: &mut Pair) -> [(i32, u64); 2] {
    [pair.socketd().pid(), pair.bridge().pid()].map(|pid| (pid, memory(pid)))
}

#[track_caller]
fn check_growth(before: [(i32, u64); 2]) {
    for (pid, had) in before {
        let has = memory(pid);
        assert!(has < had + GROWTH, "{pid} grew from {had} to {has} KiB");
    }
}

#[test]
fn what_is_not_there_or_does_not_run() {
    let pair = Pair::start();
    let docker = pair.docker();
    let nothing = Value::Null;
    let sentence = "No such exec instance: 00ff";
    check(&docker, "GET", "/exec/00ff/json", &nothing, 404, sentence);
    check(&docker, "POST", "/exec/00ff/start", &json!({}), 404, sentence);
    check(
        &docker,
        "POST",
        "/exec/00ff/resize?h=1&w=1",
        &nothing,
        404,
        sentence,
    );
    let command = json!({ "Cmd": ["true"] });
    let sentence = "No such container: nosuch";
    check(
        &docker,
        "POST",
        "/containers/nosuch/exec",
        &command,
        404,
        sentence,
    );
    let id = docker.create("web", "exec sleep 100000");
    let sentence = format!("{id} is not running");
    for path in ["exec", "pause", "resize?h=1&w=1"] {
        check(
            &docker,
            "POST",
            &format!("/containers/web/{path}"),
            &command,
            409,
            &sentence,
        );
    }
    check(&docker, "GET", "/containers/web/top", &nothing, 409, &sentence);
    docker.start("web");
    check(
        &docker,
        "POST",
        "/containers/web/exec",
        &json!({ "Cmd": [] }),
        400,
        "No exec command specified",
    );
    let exec = prepare(&docker, "web", "exit 3");
    drain(begin(&docker, &exec));
    assert_eq!(look_at(&docker, &exec)["ExitCode"], 3);
    let again = format!("/exec/{exec}/start");
    check(&docker, "POST", &again, &json!({}), 409, "has already run");
    let before = prepare(&docker, "web", "exit 0");
    docker.post("/containers/web/pause").expect(204);
    let sentence = "Container web is paused, unpause the container before exec";
    check(&docker, "POST", "/containers/web/exec", &command, 409, sentence);
    docker.post("/containers/web/unpause").expect(204);
    docker.post("/containers/web/kill").expect(204);
    docker.wait("web");
    let start = format!("/exec/{before}/start");
    assert!(matches!(docker.post_json(&start, &json!({})).status, 404 | 409));
}

#[test]
fn sizes_that_are_none() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.create_from(
        "web",
        &json!({ "Image": IMAGE, "Cmd": ["/bin/sleep", "100000"], "Tty": true, "StopTimeout": 1 }),
    );
    docker.start("web");
    let exec = prepare(&docker, "web", "true");
    for place in ["containers/web".to_owned(), format!("exec/{exec}")] {
        for query in [
            "",
            "?h=40",
            "?h=x&w=80",
            "?h=-1&w=80",
            "?h=65536&w=80",
            "?h=40&w=99999999999999999999",
        ] {
            let path = format!("/{place}/resize{query}");
            check(&docker, "POST", &path, &Value::Null, 400, "strconv.Atoi");
        }
    }
    docker.post("/containers/web/resize?h=65535&w=65535").expect(200);
    docker.post("/containers/web/resize?h=0&w=0").expect(200);
}

/// Over a unix socket, as here, that is noticed at once. (Over TCP it is at the next write: the end of
/// what a client says may as well be all that it has to say.)
#[test]
fn a_client_that_vanishes() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run("web", "exec sleep 100000");
    for script in [
        "while true; do echo here; sleep 0.1; done",
        // Nothing is ever written to the client.
        "exec sleep 100000",
        // Busy to the end, and deaf.
        "trap '' TERM PIPE; while true; do echo here; done",
    ] {
        let exec = prepare(&docker, "web", script);
        let stream = begin(&docker, &exec);
        let seen = look_at(&docker, &exec);
        assert_eq!(seen["Running"], true, "{seen}");
        let process = format!("/proc/{}", seen["Pid"]);
        assert!(Path::new(&process).exists(), "{process}");
        drop(stream);
        pace::until(&format!("the process of `{script}` is gone"), LIMIT, || {
            (!Path::new(&process).exists()).then_some(())
        });
        pace::until("and known to be", LIMIT, || {
            (look_at(&docker, &exec)["Running"] == false).then_some(())
        });
    }
    assert_eq!(docker.inspect("web")["State"]["Running"], true);
}

#[test]
fn a_reader_that_never_reads() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.run(
        "talks",
        "while ! [ -e /tmp/go ]; do sleep 0.05; done; yes | head -c 67108864",
    );
    let mut unread = docker.connect();
    let path = "/containers/talks/logs?stdout=1&follow=1";
    unread.send("GET", path, None).unwrap();
    assert_eq!(unread.head(false).unwrap().status, 200);
    let warm = prepare(&docker, "talks", "touch /tmp/go");
    let before = both(&mut pair);
    drain(begin(&docker, &warm));
    assert_eq!(docker.wait("talks"), 0, "its output waits for nobody");
    check_growth(before);
    docker.run("web", "exec sleep 100000");
    let exec = prepare(&docker, "web", "exec yes");
    let stream = begin(&docker, &exec);
    let io = format!("/proc/{}/io", look_at(&docker, &exec)["Pid"]);
    let mut last = 0;
    pace::until("it cannot write more", LIMIT, || {
        let before = std::mem::replace(&mut last, number(&io, "wchar:"));
        (last > 0 && last == before).then_some(())
    });
    check_growth(before);
    drop(stream);
    drop(unread);
}

/// How many bytes of output a framed answer holds.
fn payload(connection: &mut Connection) -> usize {
    let mut buffer = vec![0; 64 * 1024];
    let mut sum = 0;
    loop {
        let mut header = [0; 8];
        if connection.read(&mut header[..1]).unwrap() == 0 {
            return sum;
        }
        connection.read_exact(&mut header[1..]).unwrap();
        assert_eq!(header[..4], [1, 0, 0, 0]);
        let mut left = header[4..]
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        sum += left;
        while left > 0 {
            let wanted = left.min(buffer.len());
            let count = connection.read(&mut buffer[..wanted]).unwrap();
            assert!(count > 0, "the answer ends in a frame");
            left -= count;
        }
    }
}

#[test]
fn a_line_that_does_not_end() {
    let length = std::env::var(LINE_VARIABLE).map_or(LINE, |text| text.parse().unwrap());
    let mut pair = Pair::start();
    let docker = pair.docker();
    let script = format!("head -c {length} /dev/zero");
    docker.create_from(
        "web",
        &json!({
            "Image": IMAGE, "Cmd": ["/bin/sh", "-c", script],
            "HostConfig": { "LogConfig": { "Type": "json-file", "Config": { "max-size": "2g" } } }
        }),
    );
    let before = both(&mut pair);
    docker.start("web");
    assert_eq!(docker.wait("web"), 0);
    for query in ["stdout=1", "stdout=1&tail=1"] {
        let mut connection = docker.connect();
        connection
            .send("GET", &format!("/containers/web/logs?{query}"), None)
            .unwrap();
        assert_eq!(connection.head(false).unwrap().status, 200);
        let got = payload(&mut connection);
        assert!(
            got == length || (query.ends_with("tail=1") && got > 0),
            "{query}: {got}"
        );
    }
    check_growth(before);
}

#[test]
fn a_log_that_somebody_deletes() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run("web", "echo here; exec sleep 100000");
    let logs = || docker.get("/containers/web/logs?stdout=1").expect(200).body;
    pace::until("the log is written", LIMIT, || {
        logs().ends_with(b"here\n").then_some(())
    });
    let path = docker.inspect("web")["LogPath"].as_str().unwrap().to_owned();
    fs::remove_file(&path).unwrap();
    assert_eq!(logs(), b"", "{path} is gone");
    assert_eq!(docker.inspect("web")["State"]["Running"], true);
    docker.post("/containers/web/restart?t=0").expect(204);
    pace::until("the next run has a log", LIMIT, || {
        logs().ends_with(b"here\n").then_some(())
    });
}

/// An entry whose name is taken as it is.
fn add(tar: &mut Builder<Vec<u8>>, name: &str, kind: EntryType, target: &str) {
    let mut header = Header::new_gnu();
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..name.len()].copy_from_slice(name.as_bytes());
    gnu.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, &[][..]).unwrap();
}

#[test]
fn a_tar_that_wants_out() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run("runs", "exec sleep 100000");
    docker.create("rests", "exit 0");
    let outside = pair.dir().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let target = outside.to_str().unwrap();
    let up = "../".repeat(8);
    for container in ["runs", "rests"] {
        let entries = [
            vec![(
                format!("{up}{}/a", &target[1..]),
                EntryType::Regular,
                String::new(),
            )],
            vec![(format!("{target}/b"), EntryType::Regular, String::new())],
            vec![
                ("way".to_owned(), EntryType::Symlink, target.to_owned()),
                ("way/c".to_owned(), EntryType::Regular, String::new()),
            ],
            vec![("hard".to_owned(), EntryType::Link, format!("{target}/secret"))],
        ];
        for entries in entries {
            let mut tar = Builder::new(Vec::new());
            for (name, kind, link) in &entries {
                add(&mut tar, name, *kind, link);
            }
            let tar = tar.into_inner().unwrap();
            let path = format!("/containers/{container}/archive?path=/tmp");
            let answer = docker.ask("PUT", &path, Some(("application/x-tar", &tar)));
            assert!(matches!(answer.status, 200 | 400), "{entries:?}: {answer}");
            let names: Vec<_> = fs::read_dir(&outside)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names, ["secret"], "{entries:?}");
        }
        let path = format!("/containers/{container}/archive?path=/tmp/way/secret");
        docker.get(&path).expect(404);
        let path = format!("/containers/{container}/archive?path=/tmp/hard");
        docker.get(&path).expect(404);
    }
}
