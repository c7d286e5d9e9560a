//! The agent before a real engine: dockerd, on a machine of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use harness::daemon::Daemon;
use harness::docker::acts;
use harness::dockhand::{Body, Environment, Options, Said};
use harness::{Agent, Docker, Dockerd, Dockhand, pair, rootfs};
use serde_json::{Value, json};

use crate::scene::demultiplexed;

/// What a server is told of.
const ACTIONS: &[&str] = &[
    "create", "start", "stop", "die", "kill", "restart", "pause", "unpause", "destroy", "rename", "update",
];

/// An engine, and an agent of a server's environment 1 before that.
struct Scene {
    environment: Environment,
    docker: Docker,
    server: Dockhand,
    agent: Daemon,
    how: Agent,
    dir: PathBuf,
    // Ends last.
    _engine: Dockerd,
}

impl Scene {
    fn start() -> Self {
        let engine = Dockerd::start();
        let docker = engine.docker().clone();
        let dir = pair::new_dir();
        let server = Dockhand::start(Options::quick());
        let token = server.make_token(1);
        let how = Agent::new(docker.address(), &server.url(), &token, &dir.join("agent"));
        let agent = how.start();
        Self {
            environment: server.connected(1),
            docker,
            server,
            agent,
            how,
            dir,
            _engine: engine,
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.agent.end();
        if thread::panicking() {
            let _ = std::io::stderr().write_all(self.agent.log().as_bytes());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Scene {
    /// Asks through the agent, and gives what JSON comes.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Body, status: u16) -> Value {
        let reply = self.environment.ask(method, path, body).expect(status);
        serde_json::from_slice(&reply.body).unwrap_or(Value::Null)
    }

    /// Makes a container through the agent, and starts it.
    #[track_caller]
    fn run(&self, name: &str, script: &str) -> String {
        let body = json!({
            "Image": "bb:latest", "Cmd": ["/bin/sh", "-c", script], "StopTimeout": 1,
            "HostConfig": { "NetworkMode": "none" }
        });
        let path = format!("/containers/create?name={name}");
        let made = self.ask("POST", &path, Body::Json(body), 201);
        self.ask("POST", &format!("/containers/{name}/start"), Body::None, 204);
        made["Id"].as_str().unwrap().to_owned()
    }

    /// Waits until the server was told everything that the engine tells of this container, and no more.
    #[track_caller]
    fn was_told(&self, name: &str) {
        let filters = format!("%7B%22container%22%3A%5B%22{name}%22%5D%7D");
        let path = format!("since=0&until={}&filters={filters}", now());
        let of = |acts: Vec<String>| -> Vec<String> {
            let known = acts.into_iter().filter(|act| {
                let (action, of) = act.rsplit_once(' ').unwrap();
                ACTIONS.contains(&action) && of == name
            });
            known.collect()
        };
        let expected = of(acts(&self.docker.events(&path)));
        assert!(expected.contains(&format!("destroy {name}")), "{expected:?}");
        self.server.until(&format!("the life of {name}"), |seen| {
            let told = of(seen.acts(1));
            assert!(told.len() <= expected.len(), "{told:?}, not {expected:?}");
            (told == expected).then_some(())
        });
    }
}

/// A second from now: what happened in this one is asked for, too.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() + 1
}

#[test]
fn the_agent_before_dockerd() {
    let mut scene = Scene::start();
    let hello = scene.server.seen().hellos[0].hello.clone();
    let version = scene.docker.get("/version").expect(200).json();
    assert_eq!(hello["dockerVersion"], version["Version"]);
    let id = scene.run(
        "web",
        "n=0; while true; do n=$((n+1)); echo line $n; sleep 0.05; done",
    );
    lists_and_details(&scene, &id);
    streams(&scene);
    terminals(&scene);
    files(&scene);
    lives(&mut scene);
    let seen = scene.server.seen();
    assert_eq!(seen.threw, [""; 0]);
    // The end of the terminal that there was not: its error has closed it already.
    let strays: Vec<_> = seen.strays.iter().map(|stray| &stray["reason"]).collect();
    assert_eq!((strays, seen.unparseable), (vec![&json!("error")], 0));
    // As a test leaves it that fails: it goes with its machine.
    scene.run("frozen", "exec sleep 100000");
    scene.ask("POST", "/containers/frozen/pause", Body::None, 204);
}

/// Through the agent and directly it is the same.
fn lists_and_details(scene: &Scene, id: &str) {
    scene.ask("POST", "/containers/web/pause", Body::None, 204);
    for path in [
        "/version",
        "/images/json",
        "/volumes",
        "/networks",
        &format!("/containers/{id}/json"),
        "/images/bb:latest/json",
        "/containers/nosuch/json",
    ] {
        let directly = scene.docker.get(path);
        let status = directly.head.status;
        let through = scene.ask("GET", path, Body::None, status);
        assert_eq!(sorted(through), sorted(directly.json()), "{path}");
    }
    scene.ask("POST", "/containers/web/unpause", Body::None, 204);
    let list = scene.ask("GET", "/containers/json?all=true", Body::None, 200);
    assert_eq!(
        (&list[0]["Id"], &list[0]["State"], list.as_array().unwrap().len()),
        (&json!(id), &json!("running"), 1)
    );
    let stats = scene.ask("GET", "/containers/web/stats?stream=false", Body::None, 200);
    assert_eq!(stats["id"], id);
    for path in ["/info", "/system/df"] {
        assert!(scene.ask("GET", path, Body::None, 200).is_object(), "{path}");
    }
    let reply = scene
        .environment
        .ask("HEAD", "/containers/web/archive?path=/bin", Body::None);
    assert_eq!((reply.status, reply.body.len()), (200, 0));
}

/// A list in an order of its own: dockerd's networks come in any.
fn sorted(mut value: Value) -> Value {
    if let Some(list) = value.as_array_mut() {
        list.sort_by_key(Value::to_string);
    }
    value
}

/// Logs as they come, pulls that fail, imports that do not.
fn streams(scene: &Scene) {
    let environment = &scene.environment;
    let path = "/containers/web/logs?stdout=true&stderr=true&follow=true&timestamps=true&tail=5";
    let logs = environment.stream("GET", path, Body::None);
    logs.until("line 20\n");
    logs.cancel();
    assert_eq!(logs.collect().1, "cancelled");
    let past = environment
        .get("/containers/web/logs?stdout=true&tail=3")
        .expect(200);
    let text = demultiplexed(&past.body);
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 3);
    // Nobody listens there.
    let path = "/images/create?fromImage=127.0.0.1:1/none&tag=1";
    let (told, lost) = environment.stream("POST", path, Body::None).progress();
    assert_eq!((told.len(), lost), (1, 0), "{told:?}");
    let why = told[0].to_string();
    assert!(why.contains("connection refused"), "{why}");
    let path = "/images/create?fromSrc=-&repo=again&tag=1";
    let stream = environment.stream("POST", path, Body::Binary(rootfs::busybox()));
    let (told, lost) = stream.progress();
    assert_eq!(lost, 0, "{told:?}");
    let image = scene.ask("GET", "/images/again:1/json", Body::None, 200);
    assert_eq!(image["Id"], told.last().unwrap()["status"]);
    scene.ask("DELETE", "/images/again:1", Body::None, 200);
}

/// A terminal, typed into key by key, and a program without one.
fn terminals(scene: &Scene) {
    let environment = &scene.environment;
    let mut shell = environment.exec("web", "/bin/sh", "root");
    shell.until("# ");
    shell.resize(99, 44);
    for key in "stty size; echo $((40+2))\u{e4}\n".chars() {
        shell.type_in(&key.to_string());
    }
    shell.until("44 99\r\n42\u{e4}\r\n");
    shell.type_in("exit 3\n");
    let (shown, end) = shell.end();
    assert_eq!(end, Said::End("container_exit".to_owned()), "{shown}");
    let refused = environment.exec("nosuch", "/bin/sh", "");
    assert!(matches!(refused.end().1, Said::Error(why) if why.contains("nosuch")));
    let body = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": ["/bin/sh", "-c", "echo to stderr >&2; exit 4"] });
    let made = scene.ask("POST", "/containers/web/exec", Body::Json(body), 201);
    let exec = made["Id"].as_str().unwrap();
    let start = Body::Json(json!({ "Detach": false, "Tty": false }));
    let reply = environment
        .ask("POST", &format!("/exec/{exec}/start"), start)
        .expect(200);
    assert_eq!(demultiplexed(&reply.body), b"to stderr\n");
    let after = scene.ask("GET", &format!("/exec/{exec}/json"), Body::None, 200);
    assert_eq!(
        (&after["Running"], &after["ExitCode"]),
        (&json!(false), &json!(4))
    );
}

/// What goes in comes out again.
fn files(scene: &Scene) {
    let content: Vec<u8> = (0..3_u32 << 20).map(|at| (at * 31 % 251) as u8).collect();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "file", &content[..]).unwrap();
    let archive = Body::Binary(builder.into_inner().unwrap());
    scene.ask("PUT", "/containers/web/archive?path=/tmp", archive, 200);
    let reply = scene
        .environment
        .get("/containers/web/archive?path=/tmp/file")
        .expect(200);
    let mut archive = tar::Archive::new(&reply.body[..]);
    let mut got = Vec::new();
    archive
        .entries()
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .read_to_end(&mut got)
        .unwrap();
    assert!(got == content, "it came to harm");
}

/// Everything that pages do to a container; what the engine tells of it; and of one that lived while there was no agent.
fn lives(scene: &mut Scene) {
    let post = |scene: &Scene, path: &str, status: u16| {
        scene.ask("POST", &format!("/containers/{path}"), Body::None, status)
    };
    for (path, status) in [
        ("web/start", 304),
        ("web/pause", 204),
        ("web/unpause", 204),
        ("web/restart?t=0", 204),
        ("web/kill?signal=USR1", 204),
        ("web/stop?t=0", 204),
        ("web/stop?t=0", 304),
    ] {
        post(scene, path, status);
    }
    let policy = json!({ "RestartPolicy": { "Name": "unless-stopped" } });
    scene.ask("POST", "/containers/web/update", Body::Json(policy), 200);
    scene.ask("DELETE", "/containers/web?force=true", Body::None, 204);
    let gone = scene.ask("DELETE", "/containers/web?force=true", Body::None, 404);
    assert_eq!(gone["message"], "No such container: web");
    scene.was_told("web");
    scene.agent.crash();
    let host = json!({ "NetworkMode": "none" });
    let body = json!({ "Image": "bb:latest", "Cmd": ["/bin/sh", "-c", "exit 3"], "HostConfig": host });
    scene.docker.create_from("alone", &body);
    scene.docker.start("alone");
    assert_eq!(scene.docker.wait("alone"), 3);
    scene.docker.delete("/containers/alone").expect(204);
    scene.agent = scene.how.start();
    scene.was_told("alone");
    for kind in ["containers", "images", "volumes", "networks"] {
        scene.ask("POST", &format!("/{kind}/prune"), Body::None, 200);
    }
}
