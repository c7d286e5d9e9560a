//! The real `docker` command through the agent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use harness::rootfs;
use harness::terminal::Terminal;

use crate::scene::Scene;

/// Ended when the test fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_passes_once() {
    let scene = Scene::start(&[]);
    assert!(scene.cli().fail(&["ps"]).contains("Unauthorized"));
    let mut import = scene
        .command(&["import", "-", "two:latest"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    import
        .stdin
        .take()
        .unwrap()
        .write_all(&rootfs::busybox())
        .unwrap();
    assert!(import.wait().unwrap().success());
    assert_eq!(scene.run(&["images", "-q", "two"]).len(), 12);
    assert_eq!(scene.run(&["run", "--rm", "two", "echo", "hello"]), "hello");
    let code = scene
        .command(&["run", "--name", "seven", "two", "sh", "-c", "exit 7"])
        .status()
        .unwrap();
    assert_eq!(code.code(), Some(7));
    scene.run(&["run", "-d", "--name", "web", "two", "sleep", "1000"]);
    assert_eq!(scene.run(&["ps", "--format", "{{.Names}}"]), "web");
    assert_eq!(
        scene.run(&["exec", "web", "sh", "-c", "echo out; echo err >&2"]),
        "out"
    );
    // Files in and out, larger than any buffer on the way.
    let (sent, got) = (scene.dir.join("sent"), scene.dir.join("got"));
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&sent, &content).unwrap();
    scene.run(&["cp", sent.to_str().unwrap(), "web:/tmp/file"]);
    scene.run(&["cp", "web:/tmp/file", got.to_str().unwrap()]);
    assert!(std::fs::read(&got).unwrap() == content);
    scene.run(&["rm", "-f", "web", "seven"]);
    let events = [
        "events",
        "--since",
        "0",
        "--filter",
        "container=web",
        "--format",
        "{{.Action}}",
    ];
    let mut events = Ended(scene.command(&events).stdout(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(events.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let seen: Vec<String> = lines.take_while(|line| line != "destroy").collect();
    for action in ["create", "start", "kill", "die"] {
        assert!(seen.iter().any(|line| line == action), "{action}: {seen:?}");
    }
}

#[test]
fn what_streams() {
    let scene = Scene::start(&["--request-timeout", "1"]);
    let docker = scene.pair.docker();
    docker.run("talks", "while read -r line; do echo \"got $line\"; done");
    docker.run(
        "web",
        "i=0; while [ $i -lt 3 ]; do echo line $i; i=$((i+1)); sleep 1; done; exec sleep 1000",
    );
    // Longer than any request may take.
    let mut logs = Ended(
        scene
            .command(&["logs", "-f", "web"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let lines = BufReader::new(logs.0.stdout.take().unwrap()).lines();
    let lines: Vec<String> = lines.take(3).map(Result::unwrap).collect();
    assert_eq!(lines, ["line 0", "line 1", "line 2"]);
    // Input to its end, and then all of the output: one direction ends before the other.
    let mut exec = scene
        .command(&["exec", "-i", "web", "sh", "-c", "cat; echo end"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = exec.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let line = [b'x'; 1023];
        for _ in 0..2048 {
            stdin.write_all(&line).unwrap();
            stdin.write_all(b"\n").unwrap();
        }
    });
    let output = exec.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.stdout.len(), 2048 * 1024 + 4);
    assert!(output.stdout.ends_with(b"\nend\n"));
    // A terminal, typed into key by key; its shell takes 1024 characters a line.
    let mut terminal = Terminal::run(&scene.command(&["exec", "-it", "web", "sh"]));
    terminal.expect("# ");
    terminal.resize(33, 99);
    let keys: String = (0..200).map(|number| format!("{number},")).collect();
    for key in format!("echo {keys}\n").chars() {
        terminal.type_in(&key.to_string());
    }
    terminal.expect(&format!("\n{keys}"));
    terminal.type_in("stty size; exit 3\n");
    terminal.expect("33 99");
    assert_eq!(terminal.end(), 3);
    // The container's own input and output.
    let run = [
        "run",
        "--rm",
        "-i",
        "--name",
        "attached",
        "bb",
        "sh",
        "-c",
        "read -r line; echo got $line",
    ];
    let mut attached = scene
        .command(&run)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    attached.stdin.take().unwrap().write_all(b"one\n").unwrap();
    let output = attached.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "got one\n");
}
