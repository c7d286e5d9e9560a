//! What no honest client sends, and what goes wrong on a machine: each has a clear answer, and the
//! pair serves the next client as before.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use harness::{Docker, Pair, http};
use serde_json::json;
use wire::frame::Flow;
use wire::request::{ContainerRef, Nothing};
use wire::{HEADER_BYTES, Header, Opcode, RefusalCode, Request, Response};

#[track_caller]
fn check(docker: &Docker, method: &str, path: &str, status: u16, message: &str) {
    let answer = docker.ask(method, path, None);
    assert_eq!(answer.status, status, "{method} {path}: {answer}");
    let found = answer.message();
    assert!(found.contains(message), "{method} {path}: {found}");
}

#[test]
fn things_that_are_not_there() {
    let pair = Pair::start();
    let docker = pair.docker();
    for (method, path) in [
        ("GET", "/containers/nosuch/json"),
        ("POST", "/containers/nosuch/start"),
        ("POST", "/containers/nosuch/stop"),
        ("POST", "/containers/nosuch/restart"),
        ("POST", "/containers/nosuch/kill"),
        ("POST", "/containers/nosuch/wait"),
        ("POST", "/containers/nosuch/rename?name=other"),
        ("DELETE", "/containers/nosuch"),
    ] {
        check(&docker, method, path, 404, "No such container: nosuch");
    }
    check(
        &docker,
        "GET",
        "/images/nosuch/json",
        404,
        "No such image: nosuch:latest",
    );
    check(
        &docker,
        "DELETE",
        "/images/nosuch",
        404,
        "No such image: nosuch:latest",
    );
    check(
        &docker,
        "GET",
        "/networks/nosuch",
        404,
        "network nosuch not found",
    );
    check(&docker, "GET", "/volumes/nosuch", 404, "no such volume");
    check(&docker, "GET", "/nothing/here", 404, "page not found");
    check(&docker, "GET", "/vx/info", 404, "page not found");
}

#[test]
fn versions_outside_what_is_served() {
    let pair = Pair::start();
    let docker = pair.docker();
    check(
        &docker,
        "GET",
        "/v1.99/info",
        400,
        "client version 1.99 is too new. Maximum supported API version is 1.51",
    );
    check(
        &docker,
        "GET",
        "/v1.9/info",
        400,
        "client version 1.9 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer \
         version",
    );
    for version in ["", "/v1.24", "/v1.41", "/v1.51"] {
        let answer = docker.get(&format!("{version}/_ping")).expect(200);
        assert_eq!(answer.body, b"OK");
        assert_eq!(answer.head.header("api-version"), Some("1.51"));
    }
}

#[test]
fn questions_that_make_no_sense() {
    let pair = Pair::start();
    let docker = pair.docker();
    check(&docker, "GET", "/containers/json?filters=%7Bbad", 400, "invalid");
    check(
        &docker,
        "GET",
        "/containers/json?filters=%7B%22nonsense%22%3A%5B%22x%22%5D%7D",
        400,
        "nonsense",
    );
    check(
        &docker,
        "GET",
        "/containers/json?filters=%7B%22status%22%3A%5B%22flying%22%5D%7D",
        400,
        "flying",
    );
    check(&docker, "GET", "/containers/json?limit=x", 400, "x");
    check(&docker, "GET", "/events?since=abc&until=1", 400, "abc");
    check(
        &docker,
        "GET",
        "/events?since=2&until=1",
        400,
        "`since` time (2) cannot be after `until` time (1)",
    );
    docker.create("web", "exit 0");
    check(
        &docker,
        "POST",
        "/containers/web/kill?signal=NOPE",
        400,
        "nvalid signal: NOPE",
    );
    check(
        &docker,
        "POST",
        "/containers/web/rename",
        400,
        "Neither old nor new names may be empty",
    );
    check(
        &docker,
        "POST",
        "/containers/web/rename?name=web",
        400,
        "same name",
    );
    check(
        &docker,
        "POST",
        "/images/bb/tag?repo=UPPER&tag=x",
        400,
        "repository name must be lowercase",
    );
}

#[test]
fn containers_that_cannot_be_made() {
    let pair = Pair::start();
    let docker = pair.docker();
    let create = |name: &str, body: &str| {
        let path = format!("/containers/create?name={name}");
        let answer = docker.ask("POST", &path, Some(("application/json", body.as_bytes())));
        (answer.status, answer.message())
    };
    let check = |name: &str, body: &str, status: u16, message: &str| {
        let (found, text) = create(name, body);
        assert_eq!(found, status, "{body}: {text}");
        assert!(text.contains(message), "{body}: {text}");
    };
    let id = docker.create("web", "exit 0");
    check(
        "web",
        r#"{"Image":"bb","Cmd":["x"]}"#,
        409,
        &format!("\"/web\" is already in use by container \"{id}\""),
    );
    check(
        "-bad-",
        r#"{"Image":"bb","Cmd":["x"]}"#,
        400,
        "Invalid container name (-bad-)",
    );
    check(
        "other",
        r#"{"Image":"nosuch:tag","Cmd":["x"]}"#,
        404,
        "No such image: nosuch:tag",
    );
    check("other", r#"{"Image":"bb"}"#, 400, "no command specified");
    check("other", "{}", 400, "");
    check("other", "{not json", 400, "");
    check("other", r#"{"Image":"bb","Cmd":7}"#, 400, "");
    check(
        "other",
        r#"{"Image":"bb","Cmd":["x"],"HostConfig":{"Binds":["/tmp:relative"]}}"#,
        400,
        "",
    );
    check(
        "other",
        r#"{"Image":"bb","Cmd":["x"],"HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}"#,
        400,
        "sometimes",
    );
    let answer = docker.ask("POST", "/containers/create", Some(("text/plain", b"{}")));
    assert_eq!(answer.status, 400, "{answer}");
    assert_eq!(
        docker
            .get("/containers/json?all=1")
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_command_that_is_not_there() {
    let pair = Pair::start();
    let docker = pair.docker();
    for (name, command, code) in [("lost", "/nothere", 127), ("plain", "/etc/plain", 126)] {
        docker.create_from(name, &json!({ "Image": "bb", "Cmd": [command] }));
        let answer = docker.post(&format!("/containers/{name}/start")).expect(400);
        assert!(answer.message().contains(command), "{answer}");
        let state = docker.inspect(name);
        assert_eq!(state["State"]["Status"], "created", "{command}");
        assert_eq!(state["State"]["ExitCode"], code, "{command}");
        assert!(
            harness::leftovers::mounts_below(pair.dir()).is_empty(),
            "{command}"
        );
    }
}

#[test]
fn archives_that_are_none() {
    let pair = Pair::start_empty();
    let docker = pair.docker();
    let import = |bytes: &[u8]| {
        let answer = docker.ask(
            "POST",
            "/images/create?fromSrc=-&repo=evil",
            Some(("application/x-tar", bytes)),
        );
        // Docker answers at once or in the stream; a failure must be told either way.
        let told = answer.status >= 400 || String::from_utf8_lossy(&answer.body).contains("\"error\"");
        assert!(told, "{answer}");
        assert_eq!(docker.get("/images/json").json(), json!([]));
    };
    import(b"this is not a tar, only some words");
    let mut torn = harness::rootfs::busybox();
    torn.truncate(100_000);
    import(&torn);
    import(&escaping("../../outside"));
    import(&escaping("bin/../../outside"));
    assert!(!pair.dir().join("outside").exists());
}

/// A tar whose only file wants to be elsewhere.
fn escaping(path: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    // The writer would refuse the path; the bytes of the header do not.
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(4);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, &b"evil"[..]).unwrap();
    tar.into_inner().unwrap()
}

#[test]
fn bytes_that_are_not_http() {
    let pair = Pair::start_empty();
    for address in [pair.unix(), pair.tcp()] {
        for bytes in [
            &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\0\0\0\0\r\n\r\n",
        ] {
            let mut connection = http::Connection::open(&address).unwrap();
            connection.send_raw(bytes).unwrap();
            let answer = connection.answer(false);
            assert!(answer.is_err() || answer.unwrap().status >= 400);
        }
        // One that says nothing, and one that goes away in the middle, keep nobody from being served.
        let silent = http::Connection::open(&address).unwrap();
        http::Connection::open(&address)
            .unwrap()
            .send_raw(b"POST /containers/create HTTP/1.1\r\nContent-Le")
            .unwrap();
        assert_eq!(Docker::new(address).get("/_ping").status, 200);
        drop(silent);
    }
}

/// Sends bytes to a socket of the bridge and reads one frame, if one comes.
fn exchange(pair: &Pair, socket: &str, bytes: &[u8]) -> Option<Response> {
    let mut stream = UnixStream::connect(pair.bridge_socket(socket)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).ok()?;
    let header = Header::parse(&header, wire::limits::RESPONSE_BYTES_MAX).unwrap();
    let mut payload = vec![0; header.length as usize];
    stream.read_exact(&mut payload).unwrap();
    Some(Response::decode(header.kind, &payload).unwrap())
}

fn frame(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.append_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn frames_that_are_wrong() {
    let pair = Pair::start_empty();
    let ping = frame(&Request::Ping(Nothing {}));
    assert_eq!(exchange(&pair, "watch", &ping), Some(Response::Pong(Nothing {})));

    let refused = |socket: &str, bytes: &[u8], code: RefusalCode| match exchange(&pair, socket, bytes) {
        Some(Response::Refused(refusal)) => assert_eq!(refusal.code, code, "{bytes:02x?}"),
        other => panic!("{bytes:02x?}: {other:?}"),
    };
    let changed = |at: usize, byte: u8| {
        let mut bytes = ping.clone();
        bytes[at] = byte;
        bytes
    };
    refused("watch", &changed(0, b'X'), RefusalCode::Malformed);
    refused("watch", &changed(4, 1), RefusalCode::Malformed);
    refused("watch", &changed(5, 1), RefusalCode::Malformed);
    refused("watch", &changed(5, 0x80), RefusalCode::Malformed);
    refused("watch", &changed(11, 0xff), RefusalCode::Malformed);
    refused("watch", &changed(12, 1), RefusalCode::Malformed);
    refused("watch", &ping[..5], RefusalCode::Malformed);
    refused("watch", &ping[..13], RefusalCode::Malformed);
    refused("watch", &changed(6, 0xfe), RefusalCode::UnknownOpcode);
    let mut trailing = changed(8, 3);
    trailing.push(0);
    refused("watch", &trailing, RefusalCode::Malformed);

    let start = Request::Start(ContainerRef {
        reference: "x".to_owned(),
    });
    refused("watch", &frame(&start), RefusalCode::NotPermitted);
    refused("control", &frame(&start), RefusalCode::NoSuchContainer);
    refused(
        "control",
        &frame(&Request::Info(Nothing {})),
        RefusalCode::NotPermitted,
    );
    let import = Request::ImportImage(Box::default());
    refused("control", &frame(&import), RefusalCode::Malformed);

    // After all that, the next one is served.
    assert_eq!(exchange(&pair, "watch", &ping), Some(Response::Pong(Nothing {})));
    assert_eq!(pair.docker().get("/info").status, 200);
}

#[test]
fn a_peer_that_stalls_or_goes_holds_nobody_up() {
    let pair = Pair::start_empty();
    let ping = frame(&Request::Ping(Nothing {}));
    let mut stalled = Vec::new();
    for end in 0..ping.len() {
        let mut stream = UnixStream::connect(pair.bridge_socket("watch")).unwrap();
        stream.write_all(&ping[..end]).unwrap();
        stalled.push(stream);
    }
    assert_eq!(exchange(&pair, "watch", &ping), Some(Response::Pong(Nothing {})));
    assert_eq!(pair.docker().get("/info").status, 200);
    drop(stalled);
    assert_eq!(exchange(&pair, "watch", &ping), Some(Response::Pong(Nothing {})));
}

#[test]
fn an_answer_s_kind_is_no_opcode() {
    let pair = Pair::start_empty();
    let bytes = Header {
        kind: 0x8001,
        flow: Flow::Last,
        length: 0,
    }
    .to_bytes();
    let answer = exchange(&pair, "control", &bytes);
    assert!(
        matches!(&answer, Some(Response::Refused(refusal)) if refusal.code == RefusalCode::UnknownOpcode),
        "{answer:?}"
    );
    assert_eq!(Opcode::from_number(0x8001), None);
}

#[test]
fn a_bridge_that_is_down_is_told_at_once() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    pair.bridge().crash();
    let begin = std::time::Instant::now();
    for path in [
        "/containers/json",
        "/info",
        "/images/json",
        "/networks",
        "/system/df",
    ] {
        let answer = docker.get(path);
        assert_eq!(answer.status, 503, "{path}: {answer}");
        assert!(!answer.message().is_empty());
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    pair.restart_bridge();
    assert_eq!(docker.get("/images/json").json().as_array().unwrap().len(), 1);
}
