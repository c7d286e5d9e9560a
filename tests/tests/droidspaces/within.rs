//! Containers from within: further processes by the daemon and without it, terminals, lists, statistics.

use std::process::{Command, Stdio};

use harness::{Terminal, pace};

use crate::phone::{LIMIT, Phone, obedient};
use crate::speech::daemon;

fn docker(phone: &Phone, arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command
        .arg("-H")
        .arg(phone.docker().address().to_string())
        .args(arguments);
    command
}

/// What the docker command says, and its exit code.
#[track_caller]
fn check(phone: &Phone, arguments: &[&str], code: i32, expected: &str) {
    let output = docker(phone, arguments).stdin(Stdio::null()).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains(expected), "{arguments:?}: {text}");
}

fn commands(phone: &Phone) {
    check(
        phone,
        &["exec", "web", "echo", "two  words", "*"],
        0,
        "two  words *",
    );
    check(
        phone,
        &["exec", "web", "sh", "-c", "echo out; echo err >&2; exit 7"],
        7,
        "out\nerr",
    );
    check(
        phone,
        &[
            "exec",
            "-w",
            "/bin",
            "-e",
            "A=b c",
            "web",
            "sh",
            "-c",
            "pwd; echo $A",
        ],
        0,
        "/bin\nb c",
    );
    check(phone, &["exec", "web", "hostname"], 0, "web");
    check(phone, &["top", "web"], 0, "sleep");
    check(phone, &["stats", "--no-stream", "web"], 0, "web");
    check(phone, &["exec", "--privileged", "web", "true"], 1, "privileged");
}

fn input(phone: &Phone) {
    let mut child = docker(phone, &["exec", "-i", "web", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes = vec![b'x'; 300_000];
    let mut stdin = child.stdin.take().unwrap();
    let copy = bytes.clone();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &copy).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.stdout.len(), bytes.len());
    assert!(output.status.success());
}

fn terminal(phone: &Phone) {
    let mut terminal = Terminal::run(&docker(phone, &["exec", "-it", "web", "sh"]));
    terminal.type_in("stty size; echo rea''dy\n");
    terminal.expect("24 80");
    terminal.expect("ready");
    terminal.resize(33, 101);
    pace::until("the new size arrives", LIMIT, || {
        terminal.type_in("stty size; echo do''ne\n");
        terminal.expect("done").contains("33 101").then_some(())
    });
    terminal.type_in("exit 9\n");
    assert_eq!(terminal.end(), 9);
}

#[test]
fn by_the_daemon() {
    let phone = Phone::new(|workspace| obedient(workspace, "web", 0));
    let _daemon = daemon(&phone);
    phone.docker().post("/containers/web/start").expect(204);
    commands(&phone);
    input(&phone);
    terminal(&phone);
}

#[test]
fn without_the_daemon() {
    let phone = Phone::new(|workspace| obedient(workspace, "web", 0));
    phone.docker().post("/containers/web/start").expect(204);
    commands(&phone);
    input(&phone);
    terminal(&phone);
}

#[test]
fn what_runs_in_a_container_ends_with_it() {
    let phone = Phone::new(|workspace| obedient(workspace, "web", 0));
    let docker = phone.docker();
    docker.post("/containers/web/start").expect(204);
    let body = serde_json::json!({ "Cmd": ["sleep", "100000"], "AttachStdout": true });
    let exec = docker.post_json("/containers/web/exec", &body).expect(201).json();
    let id = exec["Id"].as_str().unwrap().to_owned();
    docker
        .post_json(
            &format!("/exec/{id}/start"),
            &serde_json::json!({ "Detach": true }),
        )
        .expect(200);
    assert_eq!(docker.get(&format!("/exec/{id}/json")).json()["Running"], true);
    docker.post("/containers/web/kill").expect(204);
    let ended = docker.get(&format!("/exec/{id}/json")).json();
    assert_eq!(ended["Running"], false);
    assert_ne!(ended["ExitCode"], 0);
    docker.post_json("/containers/web/exec", &body).expect(409);
}
