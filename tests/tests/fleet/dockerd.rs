//! The same before a real engine: what it answers passes, whatever it is.

use std::fs;
use std::process::Command;

use harness::{Cli, Dockerd, Terminal};
use serde_json::json;

use crate::scene::{Scene, program};
use crate::standing::Running;

#[test]
fn before_dockerd() {
    let engine = Dockerd::start();
    let scene = Scene::start();
    let (coordinator, [nodes, users]) = scene.local_coordinator();
    let node = scene.node_of(
        &engine.docker().address(),
        Command::new(program()),
        &format!("http://{nodes}"),
    );
    let id = scene.connected();
    let directly = Cli::at(engine.docker().address().to_string());
    let through = scene.by_endpoint(&users, &id);
    let body = json!({
        "Image": "bb:latest", "Cmd": ["/bin/sh", "-c", "echo up; exec sleep 100000"], "StopTimeout": 1,
        "HostConfig": { "NetworkMode": "none" }
    });
    engine.docker().create_from("web", &body);
    engine.docker().start("web");
    for arguments in [
        &["version", "--format", "{{json .Server}}"][..],
        &[
            "ps",
            "-a",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Names}} {{.Image}} {{.Command}} {{.State}}",
        ],
        &["images", "-q", "--no-trunc"],
        &["inspect", "web", "nosuch"],
        &["network", "inspect", "none"],
        &["exec", "web", "nosuch"],
        &["rm", "web"],
        &["start", "nosuch"],
        &["events", "--since", "1", "--until", "1000000000"],
        // Nobody listens there.
        &["pull", "127.0.0.1:1/none:1"],
    ] {
        let [expected, seen] = [&directly, &through].map(|docker| {
            let output = docker.output(arguments);
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (output.status.code(), text(output.stdout), text(output.stderr))
        });
        assert_eq!(seen, expected, "{arguments:?}");
    }
    streams(&scene, &through);
    let known = scene
        .admin()
        .get(&format!("/api/containers/web/status?node_id={id}"));
    assert_eq!(known.expect(200).json()["status"]["status"], "running");
    for daemon in [node, coordinator] {
        assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    }
}

/// A log, a command, a terminal, files and events.
fn streams(scene: &Scene, docker: &Cli) {
    let script = "echo one; while [ ! -e /end ]; do sleep 0.05; done; echo two; exit 3";
    docker.run(&[
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "steps",
        "bb",
        "/bin/sh",
        "-c",
        script,
    ]);
    let mut log = Running::start(docker, &["logs", "-f", "steps"]);
    let mut events = Running::start(
        docker,
        &[
            "events",
            "--since",
            "0",
            "--format",
            "{{.Action}} {{.Actor.Attributes.name}}",
        ],
    );
    assert_eq!(log.line(), "one");
    events.up_to("start steps");
    docker.run(&["exec", "steps", "touch", "/end"]);
    assert_eq!(log.end(), (Some(0), "two\n".to_owned(), String::new()));
    events.up_to("die steps");

    let mut copy = Running::start(docker, &["exec", "-i", "web", "sh", "-c", "cat; exit 3"]);
    copy.feed(b"to and fro\n");
    assert_eq!(copy.end(), (Some(3), "to and fro\n".to_owned(), String::new()));
    let mut shell = Terminal::run(&docker.command(&["exec", "-it", "web", "sh"]));
    shell.expect("# ");
    shell.type_in("echo $((6*7)); exit 7\n");
    shell.expect("42");
    assert_eq!(shell.end(), 7);
    let [given, got] = ["given", "got"].map(|name| scene.pair.dir().join(name));
    fs::write(&given, "content").unwrap();
    docker.run(&["cp", given.to_str().unwrap(), "web:/tmp/file"]);
    docker.run(&["cp", "web:/tmp/file", got.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(got).unwrap(), "content");
}
