//! One script of commands, run by the real `docker` against ours and against a real dockerd: the events
//! are the same, and so is what filters leave of them.
//!
//! `DOCKERD=unix:///path` says where a dockerd listens. Without it the comparison is with what one said
//! when `dockerd_events.txt` was written. One in a network of its own, that touches nothing:
//!
//! ```sh
//! unshare -n dockerd --data-root D/data --exec-root D/exec -p D/pid -H unix://D/sock --iptables=false --bridge=none
//! ```

use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use harness::{Cli, Pair};
use serde_json::Value;

/// What a dockerd 20.10.24 said.
const STORED: &str = include_str!("dockerd_events.txt");

/// A container's life and an image's, in everything that both daemons can do. What a command begins is over
/// before the next one.
const SCRIPT: &[&[&str]] = &[
    &["tag", "cmp:one", "cmp:two"],
    &[
        "create",
        "--name",
        "cmpa",
        "--label",
        "team=a",
        "--network",
        "none",
        "cmp:one",
        "/bin/sleep",
        "100000",
    ],
    &["start", "cmpa"],
    &["rename", "cmpa", "cmpb"],
    &["stop", "-t", "0", "cmpb"],
    &["start", "cmpb"],
    &["restart", "-t", "0", "cmpb"],
    &["kill", "-s", "USR1", "cmpb"],
    &["kill", "cmpb"],
    &["wait", "cmpb"],
    &[
        "create",
        "--name",
        "cmpx",
        "--network",
        "none",
        "cmp:two",
        "/bin/sh",
        "-c",
        "exit 3",
    ],
    &["start", "cmpx"],
    &["wait", "cmpx"],
    &["rm", "cmpx"],
    &[
        "create",
        "--name",
        "cmplost",
        "--network",
        "none",
        "cmp:one",
        "/nothere",
    ],
    &["start", "cmplost"],
    &["rm", "cmplost"],
    &["start", "cmpb"],
    &["rm", "-f", "cmpb"],
    &["rmi", "cmp:two"],
    &["rmi", "cmp:one"],
];

/// The one command that must fail.
const FAILS: &[&str] = &["start", "cmplost"];

/// What is asked of the events, each a run of `docker events`.
const FILTERS: &[&[&str]] = &[
    &[],
    &["type=container"],
    &["type=image"],
    &["type=network"],
    &["type=image", "type=network"],
    &["event=die"],
    &["event=start", "event=die"],
    &["event=die", "type=network"],
    &["container=cmpa"],
    &["container=cmpb"],
    &["container=cmpb", "container=cmpx"],
    &["container=cmpb", "event=kill"],
    &["image=cmp:one"],
    &["image=cmp"],
    &["image=cmp:two", "event=create"],
    &["label=team=a", "event=stop"],
    &["label=team"],
    &["label=team=b"],
    &["network=none", "event=connect"],
    &["daemon=nobody"],
    &["scope=local", "event=rename"],
    &["scope=swarm"],
];

/// A piece of what dockerd says, what ours says in its place, and why.
type Difference = (&'static str, &'static str, &'static str);

const DIFFERENCES: &[Difference] = &[
    (
        "image tag IMAGE name=cmp:one status:tag id:IMAGE\nimage import IMAGE name=IMAGE status:import id:IMAGE\n",
        "image import IMAGE name=IMAGE status:import id:IMAGE\nimage tag IMAGE name=cmp:one status:tag id:IMAGE\n",
        "an image is there before it has a name",
    ),
    (
        "network connect NETWORK container=ID(cmplost) name=none type=null\n",
        "",
        "a container that cannot start joins no network",
    ),
    (
        "network disconnect NETWORK container=ID(cmplost) name=none type=null\n",
        "",
        "and leaves none",
    ),
    (
        "image untag IMAGE name=IMAGE status:untag id:IMAGE\nimage untag IMAGE name=IMAGE status:untag id:IMAGE\n",
        "image untag IMAGE name=cmp:two status:untag id:IMAGE\nimage untag IMAGE name=cmp:one status:untag id:IMAGE\n",
        "the name that went is said: the id alone cannot tell which of several it was",
    ),
    (
        "\n== image=cmp\n",
        "\nimage untag IMAGE name=cmp:one status:untag id:IMAGE\n== image=cmp\n",
        "and so it is found by that name",
    ),
    (
        "\n== image=cmp:two event=create\n",
        "\nimage untag IMAGE name=cmp:two status:untag id:IMAGE\nimage untag IMAGE name=cmp:one status:untag id:IMAGE\n\
         == image=cmp:two event=create\n",
        "and by the name without its tag",
    ),
];

/// Another difference that stays: an attribute of ours that the dockerd of the comparison is too old for.
const NEWER: &[&str] = &["execDuration"];

#[test]
fn events_are_those_of_dockerd() {
    let pair = Pair::start_empty();
    let ours = run(&Cli::of(&pair));
    let mut theirs = match env::var("DOCKERD") {
        Ok(address) => {
            let said = run(&Cli::at(address));
            assert_eq!(said, STORED, "this dockerd says other things than the stored one");
            said
        }
        Err(_) => {
            let _ = writeln!(
                io::stderr(),
                "DOCKERD names no dockerd: compared with what a stored one said"
            );
            STORED.to_owned()
        }
    };
    for (said, instead, why) in DIFFERENCES {
        assert!(theirs.contains(said), "no longer a difference ({why}): {said}");
        theirs = theirs.replace(said, instead);
    }
    assert_eq!(ours, theirs, "ours:\n{ours}");
}

/// Runs the script and every filter; gives what came out, without what is different each time.
fn run(cli: &Cli) -> String {
    let begin = now();
    let image = cli.import("cmp:one");
    let mut words = HashMap::from([(image.clone(), "IMAGE".to_owned())]);
    for command in SCRIPT {
        if *command == FAILS {
            cli.fail(command);
            continue;
        }
        let printed = cli.run(command);
        if let ["create", "--name", name, ..] = *command {
            words.insert(printed, format!("ID({name})"));
        }
    }
    let network = cli.run(&["network", "inspect", "none", "--format", "{{.Id}}"]);
    words.insert(network, "NETWORK".to_owned());
    let end = now();
    let mut text = String::new();
    for filters in FILTERS {
        let _ = writeln!(text, "== {}", filters.join(" "));
        let mut command = vec![
            "events",
            "--since",
            &begin,
            "--until",
            &end,
            "--format",
            "{{json .}}",
        ];
        command.extend(filters.iter().flat_map(|filter| ["--filter", *filter]));
        for line in cli.run(&command).lines() {
            text.push_str(&plain(&serde_json::from_str(line).unwrap(), &words));
            text.push('\n');
        }
    }
    text
}

/// An event as `container die ID(cmpa) exitCode=3 name=cmpa`.
fn plain(event: &Value, words: &HashMap<String, String>) -> String {
    let said = |value: &Value| {
        let text = value.as_str().unwrap().to_owned();
        words.get(&text).cloned().unwrap_or(text)
    };
    let actor = &event["Actor"];
    let mut line = format!(
        "{} {} {}",
        said(&event["Type"]),
        said(&event["Action"]),
        said(&actor["ID"])
    );
    for (key, value) in actor["Attributes"].as_object().unwrap() {
        if !NEWER.contains(&key.as_str()) {
            let _ = write!(line, " {key}={}", said(value));
        }
    }
    for field in ["status", "id", "from"] {
        if let Some(value) = event.get(field) {
            let _ = write!(line, " {field}:{}", said(value));
        }
    }
    assert_eq!(event["scope"], "local");
    line
}

fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
}
