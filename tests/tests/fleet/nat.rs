//! A device behind an operator's translator: it is used as if it were on the same network.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use harness::nat::OUTSIDE;
use harness::{Nat, pace};
use serde_json::json;

use crate::scene::{LIMIT, Scene, program};

/// What it prints where it succeeds.
#[track_caller]
fn output(mut command: Command, input: &str) -> String {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn behind_nat_and_after_a_cut() {
    let nat = Nat::start();
    let scene = Scene::start();
    let arguments = ["--bind-address", OUTSIDE, "--allow-plain"];
    let coordinator = scene.coordinator(nat.outside(program()), &arguments);
    let url = format!("http://{OUTSIDE}:50051");
    let node = scene.node(nat.inside(program()), &url);
    let id = scene.connected();
    let docker = |arguments: &[&str], input: &str| {
        let address = format!("{OUTSIDE}:3000");
        let mut command = scene.docker(nat.outside("docker"), &address, &id);
        command.args(arguments);
        output(command, input)
    };
    scene.pair.docker().run("web", "echo hello; exec sleep 100000");
    let everything = |round: &str| {
        assert!(docker(&["ps", "--format", "{{.Names}}"], "").contains("web"));
        pace::until("its log", LIMIT, || {
            docker(&["logs", "web"], "").contains("hello").then_some(())
        });
        let said = docker(&["exec", "-i", "web", "sh"], "echo in $((6*7))\n");
        assert_eq!(said, "in 42\n");
        let file = scene.pair.dir().join("file");
        fs::write(&file, round).unwrap();
        docker(&["cp", file.to_str().unwrap(), "web:/tmp/file"], "");
        assert_eq!(docker(&["exec", "web", "cat", "/tmp/file"], ""), round);
        let listed = scene
            .admin()
            .get(&format!("/api/containers?node_id={id}"))
            .expect(200)
            .json();
        let mut all = listed["containers"].as_array().unwrap().iter();
        let web = all.find(|one| one["container_id"] == "web").unwrap();
        assert_eq!(web["status"], "running");
    };
    everything("first");
    // A port that is the device's engine, for whoever can show no key.
    let asked = json!({ "node_id": id, "address": "127.0.0.1:0" });
    let port = scene.admin().post_json("/api/ports", &asked).expect(201).json();
    let mut bare = nat.outside("docker");
    bare.args([
        "-H",
        &format!("tcp://{}", port["address"].as_str().unwrap()),
        "ps",
        "--format",
        "{{.Names}}",
    ]);
    assert!(output(bare, "").contains("web"));

    nat.cut();
    // What happens meanwhile is told later, once.
    scene.pair.docker().run("meanwhile", "exit 3");
    scene.pair.docker().wait("meanwhile");
    let asked = format!("/api/containers/web/logs?node_id={id}");
    let refused = scene.admin().get(&asked);
    assert!(matches!(refused.head.status, 502 | 504), "{}", refused.json());
    nat.mend();
    assert_eq!(scene.connected(), id);
    pace::until("it answers again", LIMIT, || {
        (scene.admin().get(&asked).head.status == 200).then_some(())
    });
    everything("second");
    let heard = scene.heard("die meanwhile");
    for action in ["create", "start", "die"] {
        assert_eq!(heard.get(&format!("{action} meanwhile")), Some(&1), "{heard:?}");
    }
    let exit = scene
        .admin()
        .get(&format!("/api/containers/meanwhile/status?node_id={id}"))
        .expect(200);
    assert_eq!(exit.json()["status"]["exit_code"], 3);
    for daemon in [node, coordinator] {
        assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    }
}
