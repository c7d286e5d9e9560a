//! What each page of the server asks for, answered from real containers.

use harness::dockhand::{Body, Environment, Options};
use harness::pair::{self, IMAGE};
use harness::{Agent, Dockhand, rootfs};
use serde_json::{Value, json};

use crate::engine::{self, Engine};
use crate::scene::{Scene, demultiplexed};

#[track_caller]
fn check(environment: &Environment, method: &str, path: &str, body: Body, status: u16) -> Value {
    let reply = environment.ask(method, path, body).expect(status);
    assert!(
        !reply.is_binary || reply.body.is_empty(),
        "{path} is text, and comes as base64"
    );
    if reply.body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| String::from_utf8_lossy(&reply.body).into())
}

#[track_caller]
fn get(environment: &Environment, path: &str) -> Value {
    check(environment, "GET", path, Body::None, 200)
}

/// Through the agent and directly it is the same.
#[test]
fn lists_and_details() {
    let scene = Scene::start();
    let (docker, environment) = (scene.docker(), scene.environment());
    let id = docker.run("web", "exec sleep 100000");
    docker.create("made", "exit 0");
    let health = "/containers/json?filters=%7B%22health%22%3A%5B%22healthy%22%5D%7D";
    for path in [
        "/version",
        "/containers/json?all=true",
        health,
        "/images/json",
        "/volumes",
        "/networks",
        &format!("/containers/{id}/json"),
        &format!("/images/{IMAGE}/json"),
        "/containers/web/top",
    ] {
        let directly = || docker.get(path).expect(200).json();
        // "Up 1 second" may become "Up 2 seconds" between two of them, and does not go back.
        let (before, through, after) = (directly(), get(&environment, path), directly());
        assert!(
            through == before || through == after,
            "{path}: {through}\nbefore: {before}\nafter: {after}"
        );
    }
    assert_eq!(get(&environment, "/_ping"), "OK");
    for path in ["/info", "/system/df"] {
        assert!(get(&environment, path).is_object(), "{path}");
    }
    let stats = get(&environment, &format!("/containers/{id}/stats?stream=false"));
    assert_eq!(stats["id"], id.as_str());
    // A dashboard asks for all of it at once.
    let calls: Vec<_> = (0..50)
        .map(|_| {
            environment
                .begin("GET", "/containers/json?all=true", Body::None)
                .unwrap()
        })
        .collect();
    for call in calls {
        let list = call.reply().unwrap().expect(200).json();
        assert_eq!(list.as_array().unwrap().len(), 2);
    }
    let missing = check(&environment, "GET", "/containers/nosuch/json", Body::None, 404);
    assert_eq!(missing["message"], "No such container: nosuch");
    let reply = environment.ask("HEAD", "/containers/web/archive?path=/bin", Body::None);
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let has_stat = |name: &String| name.eq_ignore_ascii_case("x-docker-container-path-stat");
    assert!(
        reply.headers.as_object().unwrap().keys().any(has_stat),
        "{}",
        reply.headers
    );
    assert_eq!(scene.server.seen().threw, [""; 0]);
}

/// Answers without a body have none: the server's runtime throws at an empty one.
#[test]
fn acts() {
    let scene = Scene::start();
    let environment = scene.environment();
    let made = check(
        &environment,
        "POST",
        "/containers/create?name=web",
        Body::Json(json!({ "Image": IMAGE, "Cmd": ["/bin/sleep", "100000"], "StopTimeout": 1 })),
        201,
    );
    let id = made["Id"].as_str().unwrap();
    let post = |path: &str, status| {
        let path = format!("/containers/{id}/{path}");
        check(&environment, "POST", &path, Body::None, status)
    };
    post("start", 204);
    post("start", 304);
    post("pause", 204);
    post("unpause", 204);
    post("restart?t=0", 204);
    post("rename?name=site", 204);
    check(
        &environment,
        "POST",
        &format!("/containers/{id}/update"),
        Body::Json(json!({ "RestartPolicy": { "Name": "unless-stopped" } })),
        200,
    );
    assert_eq!(scene.docker().inspect("site")["State"]["Running"], true);
    post("stop?t=0", 204);
    post("stop?t=0", 304);
    let path = format!("/containers/{id}?force=true");
    check(&environment, "DELETE", &path, Body::None, 204);
    let gone = check(&environment, "DELETE", &path, Body::None, 404);
    assert!(gone["message"].as_str().unwrap().contains(id), "{gone}");
    for kind in ["containers", "images", "volumes", "networks"] {
        let path = format!("/{kind}/prune");
        let reply = environment.ask("POST", &path, Body::None);
        assert!(matches!(reply.status, 200 | 501), "{path}: {reply}");
    }
    assert_eq!(scene.server.seen().threw, [""; 0]);
}

/// Processes, files and shells are looked for by commands.
#[test]
fn commands() {
    let scene = Scene::start();
    let environment = scene.environment();
    scene.docker().run("web", "exec sleep 100000");
    for (command, expected) in [
        (json!(["/bin/ps"]), "sleep"),
        (json!(["/bin/ls", "-la", "/"]), "bin"),
        (
            json!([
                "/bin/sh",
                "-c",
                "for s in bash sh; do test -x /bin/$s && echo has $s; done; true"
            ]),
            "has sh",
        ),
        (json!(["/bin/sh", "-c", "echo to stderr >&2"]), "to stderr"),
    ] {
        let body = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": command });
        let made = check(
            &environment,
            "POST",
            "/containers/web/exec",
            Body::Json(body),
            201,
        );
        let exec = made["Id"].as_str().unwrap();
        let start = Body::Json(json!({ "Detach": false, "Tty": false }));
        let reply = environment
            .ask("POST", &format!("/exec/{exec}/start"), start)
            .expect(200);
        assert!(reply.is_binary, "its headers are no text");
        let shown = String::from_utf8(demultiplexed(&reply.body)).unwrap();
        assert!(shown.contains(expected), "{command}: {shown}");
        let after = get(&environment, &format!("/exec/{exec}/json"));
        assert_eq!(
            (&after["Running"], &after["ExitCode"]),
            (&json!(false), &json!(0))
        );
    }
    assert_eq!(scene.server.seen().threw, [""; 0]);
}

#[test]
fn logs_of_the_past() {
    let scene = Scene::start();
    let environment = scene.environment();
    scene.docker().run("web", "seq 1 1000; printf 'no \\377 text\\n'");
    scene.docker().wait("web");
    let reply = environment
        .get("/containers/web/logs?stdout=true&stderr=true&timestamps=true&tail=3")
        .expect(200);
    let text = demultiplexed(&reply.body);
    assert!(
        text.ends_with(b"no \xff text\n"),
        "bytes that are no text came to harm"
    );
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 3);
}

/// An import shows its progress, and its request has a body that streams.
#[test]
fn an_import_streams() {
    let scene = Scene::start();
    let environment = scene.environment();
    let path = "/images/create?fromSrc=-&repo=again&tag=1";
    let stream = environment.stream("POST", path, Body::Binary(rootfs::busybox()));
    let (told, lost) = stream.progress();
    assert_eq!(lost, 0, "{told:?}");
    let id = told.last().unwrap()["status"].as_str().unwrap();
    assert!(id.starts_with("sha256:"), "{told:?}");
    let image = get(&environment, "/images/again:1/json");
    assert_eq!(image["Id"], id);
    // What is refused is shown as well.
    let refused = environment.stream(
        "POST",
        "/images/create?fromImage=127.0.0.1:1/none&tag=1",
        Body::None,
    );
    let (told, lost) = refused.progress();
    assert_eq!((told.len(), lost), (1, 0), "{told:?}");
}

/// Progress is read message by message, and a line that is cut in two is lost.
#[test]
fn progress_is_cut_at_line_ends() {
    let dir = pair::new_dir();
    let lines: String = (0..2000)
        .map(|number| {
            format!("{{\"status\":\"Downloading\",\"id\":\"{number}\",\"text\":\"\u{e4}\u{20ac}\"}}\r\n")
        })
        .collect();
    for chunk in [1, 7, 4096, 100_000] {
        let bytes = lines.clone().into_bytes();
        // Few chunks of one byte are enough.
        let bytes = if chunk == 1 {
            bytes[..bytes.len() / 20].to_vec()
        } else {
            bytes
        };
        let text = String::from_utf8_lossy(&bytes);
        let is_whole = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        let whole = text.lines().filter(is_whole).count();
        let engine = Engine::start(&dir.join(format!("{chunk}.sock")), move |path, out| {
            if path.contains("/images/create") {
                engine::chunked(out, "application/json", bytes.chunks(chunk))
            } else {
                engine::version(out)
            }
        });
        let server = Dockhand::start(Options::quick());
        let token = server.make_token(1);
        let agent = Agent::new(
            engine.address(),
            &server.url(),
            &token,
            &dir.join(format!("{chunk}")),
        );
        let _agent = agent.start();
        let environment = server.connected(1);
        let stream = environment.stream("POST", "/images/create?fromImage=alpine&tag=3.20", Body::None);
        let (told, lost) = stream.progress();
        // What is behind the last end of a line may be half a line.
        assert_eq!(told.len(), whole, "chunks of {chunk}");
        assert!(lost <= 1, "chunks of {chunk}: {lost} lines came in pieces");
    }
    std::fs::remove_dir_all(dir).unwrap();
}
