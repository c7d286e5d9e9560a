//! The real `docker` command within containers: logs, exec, attach, terminals, files.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::{Cli, Pair, Terminal, pace};

const LIMIT: Duration = Duration::from_secs(20);

/// Standard output and exit code, whatever the code.
#[track_caller]
fn coded(cli: &Cli, arguments: &[&str]) -> (String, String, i32) {
    let output = cli.output(arguments);
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
        output.status.code().unwrap(),
    )
}

/// What a command prints that gets `input`.
#[track_caller]
fn fed(mut command: Command, input: &[u8]) -> (Vec<u8>, i32) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.stdout, output.status.code().unwrap())
}

#[test]
fn logs() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    let script =
        "for i in $(seq 1 20); do echo line $i; done; echo oops >&2; printf partial; exec sleep 100000";
    cli.run(&["run", "-d", "--name", "web", "bb", "/bin/sh", "-c", script]);
    pace::until("all is written", LIMIT, || {
        cli.run(&["logs", "web"]).ends_with("partial").then_some(())
    });
    let (out, err, _) = coded(&cli, &["logs", "web"]);
    assert_eq!(out.lines().count(), 21, "{out}");
    assert_eq!(err, "oops\n");
    let (out, _, _) = coded(&cli, &["logs", "--tail", "3", "web"]);
    assert_eq!(out, "line 20\npartial");
    let (out, _, _) = coded(&cli, &["logs", "-t", "--tail", "all", "web"]);
    let first = out.lines().next().unwrap();
    let (time, rest) = first.split_once(' ').unwrap();
    assert_eq!(rest, "line 1");
    assert!(time.len() == 30 && time.ends_with('Z'), "{time}");
    let (out, _, _) = coded(&cli, &["logs", "--since", "1h", "web"]);
    assert_eq!(out.lines().count(), 21);
    let (out, _, _) = coded(&cli, &["logs", "--until", "1h", "web"]);
    assert_eq!(out, "");
    assert_eq!(
        cli.run(&["inspect", "web", "--format", "{{.HostConfig.LogConfig.Type}}"]),
        "json-file"
    );
    cli.run(&["rm", "-f", "web"]);
}

#[test]
fn logs_that_are_followed() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    let script = "for i in $(seq 1 10); do echo old $i; done; read go < /tmp/gate; echo new; exit 3";
    let gate = format!("mkfifo /tmp/gate; {script}");
    cli.run(&[
        "run",
        "-d",
        "--name",
        "web",
        "bb",
        "/bin/busybox",
        "sh",
        "-c",
        &gate.replace("mkfifo", "busybox mkfifo"),
    ]);
    pace::until("the old lines are there", LIMIT, || {
        cli.run(&["logs", "web"]).ends_with("old 10").then_some(())
    });
    let mut follow = cli
        .command(&["logs", "-f", "--tail", "5", "-t", "web"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut next = || {
        lines
            .next()
            .map(|line| line.unwrap().split_once(' ').unwrap().1.to_owned())
    };
    for number in 6..=10 {
        assert_eq!(next(), Some(format!("old {number}")));
    }
    cli.run(&["exec", "web", "/bin/sh", "-c", "echo go > /tmp/gate"]);
    assert_eq!(next().as_deref(), Some("new"));
    assert_eq!(next(), None, "the follower ends with the container");
    assert!(follow.wait().unwrap().success());
    assert_eq!(cli.run(&["wait", "web"]), "3");
}

#[test]
fn exec() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    cli.run(&[
        "run",
        "-d",
        "--name",
        "web",
        "-e",
        "A=own",
        "bb",
        "/bin/sleep",
        "100000",
    ]);
    let (out, err, code) = coded(
        &cli,
        &["exec", "web", "/bin/sh", "-c", "echo out; echo err >&2; exit 42"],
    );
    assert_eq!((out.as_str(), err.as_str(), code), ("out\n", "err\n", 42));
    assert_eq!(
        cli.run(&[
            "exec",
            "-e",
            "B=more",
            "-w",
            "/tmp",
            "web",
            "/bin/sh",
            "-c",
            "echo $A $B; pwd"
        ]),
        "own more\n/tmp"
    );
    assert_eq!(cli.run(&["exec", "-u", "ana", "web", "id", "-u"]), "1000");
    let capabilities = |options: &[&str]| {
        let mut arguments = vec!["exec"];
        arguments.extend(options);
        arguments.extend(["web", "grep", "CapEff", "/proc/self/status"]);
        cli.run(&arguments)
    };
    assert_ne!(capabilities(&[]), capabilities(&["--privileged"]));
    let (_, err, code) = coded(&cli, &["exec", "web", "nosuch"]);
    assert_eq!(code, 127, "{err}");
    let (_, err, code) = coded(&cli, &["exec", "web", "/etc/plain"]);
    assert_eq!(code, 126, "{err}");
    let (out, code) = fed(cli.command(&["exec", "-i", "web", "wc", "-c"]), &[b'x'; 100_000]);
    assert_eq!((String::from_utf8(out).unwrap().trim(), code), ("100000", 0));
    cli.run(&["exec", "-d", "web", "/bin/sh", "-c", "echo was here > /tmp/mark"]);
    pace::until("the detached one has run", LIMIT, || {
        (coded(&cli, &["exec", "web", "cat", "/tmp/mark"]).0 == "was here\n").then_some(())
    });
    cli.run(&["stop", "-t", "0", "web"]);
    assert!(cli.fail(&["exec", "web", "true"]).contains("is not running"));
    cli.run(&["rm", "web"]);
}

#[test]
fn exec_in_a_terminal() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    cli.run(&["run", "-d", "--name", "web", "bb", "/bin/sleep", "100000"]);
    let mut terminal = Terminal::run(&cli.command(&["exec", "-it", "web", "/bin/sh"]));
    terminal.expect("# ");
    terminal.type_in("tty; echo $((6 * 7))\n");
    let shown = terminal.expect("42");
    assert!(shown.contains("/dev/pts/"), "{shown}");
    terminal.resize(40, 132);
    pace::until("the size arrives", LIMIT, || {
        terminal.type_in("stty size; echo done.\n");
        terminal.expect("done.\r\n").contains("40 132").then_some(())
    });
    terminal.type_in("exit 7\n");
    assert_eq!(terminal.end(), 7);
    let mut terminal = Terminal::run(&cli.command(&["exec", "-it", "web", "vi", "/tmp/text"]));
    terminal.expect("- /tmp/text");
    terminal.type_in("i");
    terminal.expect("I /tmp/text");
    terminal.type_in("hello");
    terminal.expect("hello");
    // What follows an escape at once would be taken for the rest of a key.
    terminal.type_in("\x1b");
    terminal.expect("- /tmp/text");
    terminal.type_in(":wq\r");
    assert_eq!(terminal.end(), 0);
    assert_eq!(cli.run(&["exec", "web", "cat", "/tmp/text"]), "hello");
}

#[test]
fn run_in_the_foreground() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    let (out, err, code) = coded(
        &cli,
        &[
            "run",
            "--rm",
            "--network",
            "none",
            "bb",
            "/bin/sh",
            "-c",
            "echo out; echo err >&2; exit 5",
        ],
    );
    assert_eq!((out.as_str(), err.as_str(), code), ("out\n", "err\n", 5));
    let (out, code) = fed(
        cli.command(&["run", "-i", "--rm", "--network", "none", "bb", "wc", "-c"]),
        &[b'y'; 200_000],
    );
    assert_eq!((String::from_utf8(out).unwrap().trim(), code), ("200000", 0));
    let (_, err, code) = coded(&cli, &["run", "--rm", "--network", "none", "bb", "/nothere"]);
    assert_eq!(code, 127, "{err}");
    let mut terminal = Terminal::run(&cli.command(&[
        "run",
        "-it",
        "--rm",
        "--network",
        "none",
        "--name",
        "shell",
        "bb",
        "/bin/sh",
    ]));
    terminal.expect("# ");
    terminal.type_in("stty size\n");
    terminal.expect("24 80");
    terminal.type_in("exit 3\n");
    assert_eq!(terminal.end(), 3);
    pace::until("it is removed", LIMIT, || {
        cli.run(&["ps", "-aq"]).is_empty().then_some(())
    });
}

#[test]
fn attach() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    cli.run(&["run", "-dit", "--name", "shell", "bb", "/bin/sh"]);
    let mut one = Terminal::run(&cli.command(&["attach", "shell"]));
    let mut two = Terminal::run(&cli.command(&["attach", "shell"]));
    pace::until("both are there", LIMIT, || {
        let events = cli.run(&[
            "events",
            "--since",
            "1h",
            "--until",
            "0s",
            "--filter",
            "event=attach",
        ]);
        (events.lines().count() >= 2).then_some(())
    });
    one.type_in("echo $((40 + 2))\n");
    one.expect("42");
    two.expect("42");
    two.type_in("\x10\x11");
    assert_eq!(two.end(), 1, "letting go is no end of the container");
    one.type_in("exit 9\n");
    assert_eq!(one.end(), 9);
    cli.run(&["rm", "shell"]);
}

#[test]
fn what_it_does() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    cli.run(&[
        "run",
        "-d",
        "--name",
        "web",
        "--memory",
        "64m",
        "bb",
        "/bin/sleep",
        "100000",
    ]);
    let stats = cli.run(&[
        "stats",
        "--no-stream",
        "--format",
        "{{.Name}} {{.PIDs}} {{.MemUsage}}",
        "web",
    ]);
    assert!(
        stats.starts_with("web 1 ") && stats.ends_with("/ 64MiB"),
        "{stats}"
    );
    let top = cli.run(&["top", "web"]);
    let mut lines = top.lines();
    assert!(lines.next().unwrap().starts_with("UID"), "{top}");
    assert!(lines.next().unwrap().ends_with("/bin/sleep 100000"), "{top}");
    assert!(cli.run(&["top", "web", "-eo", "pid,comm"]).ends_with("sleep"));
    cli.run(&[
        "update",
        "--memory",
        "128m",
        "--memory-swap",
        "256m",
        "--restart",
        "on-failure:3",
        "web",
    ]);
    let stats = cli.run(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "web"]);
    assert!(stats.ends_with("/ 128MiB"), "{stats}");
    assert_eq!(
        cli.run(&[
            "inspect",
            "web",
            "--format",
            "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}"
        ]),
        "134217728 on-failure"
    );
    cli.run(&["pause", "web"]);
    assert!(cli.run(&["ps", "--format", "{{.Status}}"]).ends_with("(Paused)"));
    assert!(cli.fail(&["exec", "web", "true"]).contains("is paused"));
    cli.run(&["unpause", "web"]);
    cli.run(&["exec", "web", "true"]);
    cli.run(&["kill", "web"]);
    assert_eq!(cli.run(&["wait", "web"]), "137");
}

#[test]
fn files() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    let here = pair.dir().join("here");
    fs::create_dir_all(here.join("tree/below")).unwrap();
    fs::write(here.join("tree/below/file"), "content").unwrap();
    let at = |name: &str| here.join(name).display().to_string();
    cli.run(&["run", "-d", "--name", "web", "bb", "/bin/sleep", "100000"]);
    assert_eq!(cli.run(&["diff", "web"]), "");
    cli.run(&["cp", &at("tree"), "web:/tmp/"]);
    assert_eq!(
        cli.run(&["exec", "web", "cat", "/tmp/tree/below/file"]),
        "content"
    );
    cli.run(&[
        "exec",
        "web",
        "/bin/sh",
        "-c",
        "echo more >> /tmp/tree/below/file; ln -s tree/below/file /tmp/link",
    ]);
    cli.run(&["cp", "web:/tmp/tree", &at("back")]);
    assert_eq!(
        fs::read_to_string(here.join("back/below/file")).unwrap(),
        "contentmore\n"
    );
    cli.run(&["cp", "-L", "web:/tmp/link", &at("followed")]);
    assert_eq!(
        fs::read_to_string(here.join("followed")).unwrap(),
        "contentmore\n"
    );
    let tar = cli.output(&["cp", "web:/tmp/tree", "-"]).stdout;
    let mut names: Vec<_> = tar::Archive::new(&tar[..])
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["tree/", "tree/below/", "tree/below/file"]);
    assert!(
        cli.fail(&["cp", "web:/nosuch", &at("x")])
            .contains("Could not find the file /nosuch")
    );
    // A container that does not run has files too.
    cli.run(&["stop", "-t", "0", "web"]);
    cli.run(&["cp", "web:/tmp/tree/below/file", &at("stopped")]);
    assert_eq!(fs::read_to_string(here.join("stopped")).unwrap(), "contentmore\n");
    cli.run(&["cp", &at("stopped"), "web:/etc/put"]);
    cli.run(&["start", "web"]);
    assert_eq!(cli.run(&["exec", "web", "cat", "/etc/put"]), "contentmore");
}

#[test]
fn what_changed_and_what_is_made_of_it() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    cli.run(&["run", "-d", "--name", "web", "bb", "/bin/sleep", "100000"]);
    let make =
        "mkdir -p /tmp/tree/below; echo contentmore > /tmp/tree/below/file; ln -s tree/below/file /tmp/link";
    cli.run(&["exec", "web", "/bin/sh", "-c", make]);
    let diff = cli.run(&["diff", "web"]);
    for line in [
        "C /tmp",
        "A /tmp/link",
        "A /tmp/tree",
        "A /tmp/tree/below",
        "A /tmp/tree/below/file",
    ] {
        assert!(diff.lines().any(|have| have == line), "{line}: {diff}");
    }
    let mut exported = Vec::new();
    let mut export = cli
        .command(&["export", "web"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    export.stdout.take().unwrap().read_to_end(&mut exported).unwrap();
    assert!(export.wait().unwrap().success());
    assert!(
        tar::Archive::new(&exported[..])
            .entries()
            .unwrap()
            .any(|entry| { entry.unwrap().path().unwrap().ends_with("tmp/tree/below/file") })
    );
    let id = cli.run(&[
        "commit",
        "-m",
        "why",
        "--change",
        "CMD [\"cat\", \"/tmp/link\"]",
        "web",
        "kept:1",
    ]);
    assert!(id.starts_with("sha256:"), "{id}");
    assert_eq!(cli.run(&["run", "--rm", "kept:1"]), "contentmore");
}

#[test]
fn health() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    cli.run(&[
        "run",
        "-d",
        "--name",
        "web",
        "--health-cmd",
        "test -e /tmp/well",
        "--health-interval",
        "100ms",
        "--health-retries",
        "2",
        "--health-timeout",
        "5s",
        "bb",
        "/bin/sleep",
        "100000",
    ]);
    let becomes = |state: &str| {
        pace::until(state, LIMIT, || {
            (cli.run(&["inspect", "web", "--format", "{{.State.Health.Status}}"]) == state).then_some(())
        });
    };
    becomes("unhealthy");
    assert!(
        cli.run(&["ps", "--format", "{{.Status}}"])
            .ends_with("(unhealthy)")
    );
    cli.run(&["exec", "web", "touch", "/tmp/well"]);
    becomes("healthy");
    assert!(
        cli.run(&["ps", "--filter", "health=healthy", "--format", "{{.Status}}"])
            .ends_with("(healthy)")
    );
    let events = || {
        cli.run(&[
            "events",
            "--since",
            "1h",
            "--until",
            "0s",
            "--filter",
            "event=health_status",
            "--format",
            "{{.Action}}",
        ])
    };
    // The command cuts times to whole seconds.
    pace::until("the span of time reaches the events", LIMIT, || {
        (events() == "health_status: unhealthy\nhealth_status: healthy").then_some(())
    });
    cli.run(&["rm", "-f", "web"]);
}
