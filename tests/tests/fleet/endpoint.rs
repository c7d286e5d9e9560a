//! The real `docker` command, by a node's endpoint and by a port of the node's: as without a coordinator.

use std::fs;
use std::thread;
use std::time::UNIX_EPOCH;

use harness::{Cli, Terminal, pace};
use serde_json::json;

use crate::scene::LIMIT;
use crate::standing::{Running, Standing};

#[test]
fn the_docker_command() {
    let standing = Standing::start();
    let ways = standing.ways();
    standing.pair().docker().run("web", "exec sleep 100000");
    shown(&standing, &ways);
    followed(&standing, &ways);
    attached(&standing, &ways);
    run_in(&ways);
    typed(&ways);
    copied(&standing, &ways);
    events(&standing, &ways);
    run_and_removed(&ways);
}

/// What is asked once has the same answer, down to the sentence of an error and the exit code.
fn shown(standing: &Standing, ways: &[(&str, Cli)]) {
    let docker = standing.pair().docker();
    docker.run("done", "echo out; echo err >&2; exit 3");
    docker.wait("done");
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    let row = "{{.ID}} {{.Names}} {{.Image}} {{.Command}} {{.CreatedAt}} {{.State}} {{.Ports}} {{.Networks}}";
    for arguments in [
        &["version", "--format", "{{json .Server}}"][..],
        &["ps", "-a", "--no-trunc", "--format", row],
        &["ps", "-q", "--filter", "name=we"],
        &["ps", "-q", "--filter", "nosuch=1"],
        &["images", "-q", "--no-trunc"],
        &["inspect", "web", "done", "nosuch"],
        &["history", "--no-trunc", "--human=false", "bb"],
        &["network", "inspect", "bridge", "host"],
        &["volume", "ls"],
        &["top", "web"],
        &["diff", "web"],
        &["logs", "-t", "done"],
        &["logs", "--tail", "1", "nosuch"],
        &["wait", "done"],
        &[
            "stats",
            "--no-stream",
            "--format",
            "{{.Name}} {{.ID}} {{.PIDs}}",
            "web",
        ],
        &[
            "events",
            "--since",
            "0",
            "--until",
            &now,
            "--format",
            "{{json .}}",
        ],
        &["pull", "nosuch:1"],
        &["start", "nosuch"],
        &["rm", "web"],
        &["rename", "web", "done"],
        &["exec", "done", "true"],
        &["exec", "web", "nosuch"],
        &["exec", "nosuch", "true"],
        &["cp", "web:/nosuch", "-"],
        &["service", "ls"],
    ] {
        let told = each(ways, |docker| {
            let output = docker.output(arguments);
            let [said, complaint] =
                [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
            (output.status.code(), said, complaint)
        });
        for (seen, (way, _)) in told.iter().zip(ways) {
            assert_eq!(seen, &told[0], "{way}: {arguments:?}");
        }
    }
}

/// Goes every way at once.
fn each<T: Send>(ways: &[(&str, Cli)], go: impl Fn(&Cli) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let go = &go;
        let all: Vec<_> = ways
            .iter()
            .map(|(_, docker)| scope.spawn(move || go(docker)))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// A script that says `one`, `two` once there is a file `/two`, and ends once there is one `/end`.
const STEPS: &str = "until_there() { while [ ! -e $1 ]; do sleep 0.05; done; }
echo one; until_there /two; echo two; until_there /end; echo three >&2; exit 3";

/// Lines of a log arrive while their container runs, and the log ends with it.
fn followed(standing: &Standing, ways: &[(&str, Cli)]) {
    let docker = standing.pair().docker();
    docker.run("steps", STEPS);
    let mut all: Vec<Running> = ways
        .iter()
        .map(|(_, docker)| Running::start(docker, &["logs", "-f", "steps"]))
        .collect();
    for (one, (way, _)) in all.iter_mut().zip(ways) {
        assert_eq!(one.line(), "one", "{way}");
    }
    ways[0].1.run(&["exec", "steps", "touch", "/two"]);
    for (one, (way, _)) in all.iter_mut().zip(ways) {
        assert_eq!(one.line(), "two", "{way}");
    }
    ways[0].1.run(&["exec", "steps", "touch", "/end"]);
    for (one, (way, _)) in all.into_iter().zip(ways) {
        assert_eq!(one.end(), (Some(0), String::new(), "three\n".to_owned()), "{way}");
    }
}

/// Whoever is attached sees what is written from then on, types, and is told how it ends.
fn attached(standing: &Standing, ways: &[(&str, Cli)]) {
    let docker = standing.pair().docker();
    docker.run(
        "ticks",
        "while [ ! -e /end ]; do echo tick; sleep 0.05; done; exit 3",
    );
    let mut all: Vec<Running> = ways
        .iter()
        .map(|(_, docker)| Running::start(docker, &["attach", "--no-stdin", "--sig-proxy=false", "ticks"]))
        .collect();
    for (one, (way, _)) in all.iter_mut().zip(ways) {
        assert_eq!(one.line(), "tick", "{way}");
    }
    ways[0].1.run(&["exec", "ticks", "touch", "/end"]);
    for (one, (way, _)) in all.into_iter().zip(ways) {
        let (code, _, complaint) = one.end();
        assert_eq!((code, complaint.as_str()), (Some(3), ""), "{way}");
    }
    for (at, (way, docker)) in ways.iter().enumerate() {
        let name = format!("asks{at}");
        let script = "read line; echo \"<$line>\"; exit 4";
        let body = json!({
            "Image": "bb:latest", "Cmd": ["/bin/sh", "-c", script], "OpenStdin": true, "StdinOnce": true
        });
        standing.pair().docker().create_from(&name, &body);
        let mut started = Running::start(docker, &["start", "-ai", &name]);
        started.feed(b"hello\n");
        assert_eq!(
            started.end(),
            (Some(4), "<hello>\n".to_owned(), String::new()),
            "{way}"
        );
    }
}

/// A program without a terminal: both of its outputs, an input that ends, and its exit code.
fn run_in(ways: &[(&str, Cli)]) {
    // Far more than any buffer on the way holds.
    let input = "0123456789abcde\n".repeat(1 << 16);
    for (way, docker) in ways {
        let script = "cat; echo err >&2; exit 3";
        let mut child = Running::start(docker, &["exec", "-i", "web", "sh", "-c", script]);
        let feeder = child.feed_aside(input.clone());
        let (code, out, complaint) = child.end();
        feeder.join().unwrap();
        assert_eq!((code, complaint.as_str()), (Some(3), "err\n"), "{way}");
        assert!(out == input, "{way}: {} bytes come back", out.len());
    }
}

/// A terminal: its size, keys in the order in which they are typed, another size, and the exit code.
fn typed(ways: &[(&str, Cli)]) {
    let line: String = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    for (way, docker) in ways {
        let mut shell = Terminal::run(&docker.command(&["exec", "-it", "web", "sh"]));
        shell.expect("# ");
        // The command tells of a size once more when it runs, so the first answer may be of the time before.
        pace::until("the size is there", LIMIT, || {
            shell.type_in("stty size; echo done.\n");
            shell.expect("done.\r\n").contains("24 80").then_some(())
        });
        shell.type_in("echo rea''dy; read line; echo \"<$line>\"\n");
        shell.expect("ready\r\n");
        for key in line.chars() {
            shell.type_in(&key.to_string());
        }
        shell.type_in("\n");
        shell.expect(&format!("<{line}>\r\n"));
        shell.resize(40, 132);
        pace::until("the other size is there", LIMIT, || {
            shell.type_in("stty size; echo done.\n");
            shell.expect("done.\r\n").contains("40 132").then_some(())
        });
        shell.type_in("exit 7\n");
        assert_eq!(shell.end(), 7, "{way}");
    }
}

/// Files and folders go in and come out as they are.
fn copied(standing: &Standing, ways: &[(&str, Cli)]) {
    let dir = standing.pair().dir().join("copies");
    fs::create_dir_all(dir.join("in/deep")).unwrap();
    let content: Vec<u8> = (0..3_u32 << 20).map(|at| (at * 31 % 251) as u8).collect();
    fs::write(dir.join("in/file"), &content).unwrap();
    fs::write(dir.join("in/deep/small"), "small").unwrap();
    let given = dir.join("in").to_str().unwrap().to_owned();
    for (at, (way, docker)) in ways.iter().enumerate() {
        let (within, out) = (format!("web:/copy{at}"), dir.join(format!("out{at}")));
        docker.run(&["cp", &given, &within]);
        docker.run(&["cp", &within, out.to_str().unwrap()]);
        assert!(
            fs::read(out.join("file")).unwrap() == content,
            "{way}: it came to harm"
        );
        assert_eq!(fs::read(out.join("deep/small")).unwrap(), b"small", "{way}");
    }
}

/// What happened and what happens, in one stream.
fn events(standing: &Standing, ways: &[(&str, Cli)]) {
    let arguments = [
        "events",
        "--since",
        "0",
        "--filter",
        "type=container",
        "--format",
        "{{.TimeNano}} {{.Action}} {{.Actor.Attributes.name}}",
    ];
    let mut all: Vec<Running> = ways
        .iter()
        .map(|(_, docker)| Running::start(docker, &arguments))
        .collect();
    for (one, (way, _)) in all.iter_mut().zip(ways) {
        assert!(one.line().ends_with(" create web"), "{way}");
    }
    let docker = standing.pair().docker();
    docker.run("late", "exit 0");
    docker.wait("late");
    let mut seen = all.iter_mut().map(|one| one.up_to(" die late"));
    let directly = seen.next().unwrap();
    for (told, (way, _)) in seen.zip(&ways[1..]) {
        assert_eq!(told, directly, "{way}");
    }
}

/// A container of one's own: made, attached to, waited for and removed.
fn run_and_removed(ways: &[(&str, Cli)]) {
    for (way, docker) in ways {
        let arguments = [
            "run",
            "--rm",
            "-i",
            "--network",
            "none",
            "--name",
            "mine",
            "bb",
            "sh",
            "-c",
            "cat; exit 5",
        ];
        let mut mine = Running::start(docker, &arguments);
        mine.feed(b"to and fro\n");
        assert_eq!(
            mine.end(),
            (Some(5), "to and fro\n".to_owned(), String::new()),
            "{way}"
        );
        pace::until("it is removed", LIMIT, || {
            docker
                .run(&["ps", "-aq", "--filter", "name=mine"])
                .is_empty()
                .then_some(())
        });
        let mut shell = Terminal::run(&docker.command(&["run", "--rm", "-it", "bb", "sh"]));
        shell.expect("# ");
        shell.type_in("echo $((6*7)); exit 6\n");
        shell.expect("42");
        assert_eq!(shell.end(), 6, "{way}");
    }
}
