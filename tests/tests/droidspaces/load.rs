//! A workspace that changes from every side at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;

use harness::droidspaces::Workspace;
use harness::{Docker, pace};
use serde_json::Value;

use crate::phone::{LIMIT, Phone, listens, obedient};
use crate::stand_in::expect;

/// Rounds of whoever writes configurations, and of whoever starts and stops.
const WRITES: usize = 150;
const RUNS: usize = 12;
const FOLLOWERS: usize = 3;

/// Configurations come, are renamed, and go; three are left of every four.
fn write(workspace: &Workspace) {
    for round in 0..WRITES {
        let name = format!("t{round}");
        let place = std::path::Path::new("/nowhere");
        let uuid = format!("{:024x}{round:08x}", std::process::id());
        let draft = || workspace.container(&name).rootfs_at(place).set("uuid", &uuid);
        draft().write();
        match round % 4 {
            0 => drop(draft().set("name", &format!("{name}-renamed")).write()),
            1 => drop(draft().set("memory_limit", "4096").write()),
            2 => fs::remove_dir_all(workspace.container_file(&name, "")).unwrap(),
            _ => {}
        }
    }
}

/// Starts and stops by the command; how many starts it made.
fn by_command(workspace: &Workspace, docker: &Docker, names: &[&str]) -> usize {
    let mut starts = 0;
    for _ in 0..RUNS {
        for name in names {
            let option = format!("--name={name}");
            starts += usize::from(workspace.run(&[&option, "start"]).status.success());
            if *name != "both" {
                listens(workspace, name);
                // A run that is over before anybody could look was none.
                pace::until("it is seen", LIMIT, || {
                    (docker.inspect(name)["State"]["Status"] == "running").then_some(())
                });
            }
            workspace.run(&[&option, "stop"]);
        }
    }
    starts
}

/// The same, as a client; what it must not be told is a fault of ours.
fn by_api(workspace: &Workspace, docker: &Docker, names: &[&str]) -> usize {
    let mut starts = 0;
    for _ in 0..RUNS {
        for name in names {
            let started = docker.post(&format!("/containers/{name}/start")).status;
            if *name != "both" {
                listens(workspace, name);
            }
            let stopped = docker.post(&format!("/containers/{name}/stop")).status;
            if *name != "both" {
                assert_eq!((started, stopped), (204, 204), "{name}");
            }
            starts += usize::from(started == 204);
        }
    }
    starts
}

/// Everything that a follower hears until the last container comes.
fn follow(docker: &Docker) -> Vec<Value> {
    let filter = "filters=%7B%22type%22:[%22container%22]%7D";
    let mut follow = docker.follow(&format!("since=0&{filter}"));
    follow.up_to(|event| event["Action"] == "create" && event["Actor"]["Attributes"]["name"] == "last")
}

fn text<'a>(event: &'a Value, place: &str) -> &'a str {
    event.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// Starts and ends take turns, and so do coming and going; nothing is told twice. How often each started.
fn consistent(events: &[Value]) -> BTreeMap<String, usize> {
    let mut there: BTreeSet<&str> = BTreeSet::new();
    let mut running: BTreeSet<&str> = BTreeSet::new();
    let mut starts = BTreeMap::new();
    let mut told = BTreeSet::new();
    for event in events {
        let id = text(event, "/Actor/ID");
        let name = text(event, "/Actor/Attributes/name");
        let fits = match text(event, "/Action") {
            "create" => there.insert(id),
            "destroy" => there.remove(id) && !running.contains(id),
            "start" => {
                *starts.entry(name.to_owned()).or_default() += 1;
                there.contains(id) && running.insert(id)
            }
            "die" => running.remove(id),
            _ => there.contains(id),
        };
        assert!(fits, "{event} in {events:?}");
        assert!(
            told.insert((id, text(event, "/Action"), event["timeNano"].as_u64())),
            "{event} is told twice"
        );
    }
    assert!(running.is_empty(), "{running:?} in {events:?}");
    starts
}

#[test]
fn everybody_at_once() {
    let phone = Phone::new(|workspace| {
        // One that two start and stop at once may be deaf still.
        workspace.knob("stop-timeout", "2000");
        for (number, name) in ["command0", "command1", "api0", "api1", "both"]
            .iter()
            .enumerate()
        {
            obedient(workspace, name, 0);
            let uuid = format!("{:024x}{:08x}", std::process::id(), 0xffff_0000 + number);
            let rootfs = workspace.container_file(name, "rootfs");
            workspace
                .container(name)
                .rootfs_at(&rootfs)
                .set("uuid", &uuid)
                .write();
        }
    });
    let docker = phone.docker();
    let workspace: &Workspace = &phone;
    let (by_command, by_api, streams) = thread::scope(|scope| {
        let followers: Vec<_> = (0..FOLLOWERS).map(|_| scope.spawn(|| follow(&docker))).collect();
        let writer = scope.spawn(|| write(workspace));
        let command = scope.spawn(|| by_command(workspace, &docker, &["command0", "command1", "both"]));
        let api = scope.spawn(|| by_api(workspace, &docker, &["api0", "api1", "both"]));
        writer.join().unwrap();
        let counts = (command.join().unwrap(), api.join().unwrap());
        // Two that start it at once may have made two runs, of which the command finds one.
        pace::until("both has ended", LIMIT, || {
            phone.run(&["--name=both", "stop"]);
            docker.post("/containers/both/kill");
            (phone.state("both")["Status"] == "exited").then_some(())
        });
        workspace
            .container("last")
            .rootfs_at(std::path::Path::new("/nowhere"))
            .write();
        let streams: Vec<_> = followers
            .into_iter()
            .map(|follower| follower.join().unwrap())
            .collect();
        (counts.0, counts.1, streams)
    });
    assert!(
        by_command > 2 * RUNS && by_api >= 2 * RUNS,
        "{by_command} {by_api}"
    );
    for stream in &streams {
        assert_eq!(stream, &streams[0], "everybody is told the same");
    }
    let starts = consistent(&streams[0]);
    for name in ["command0", "command1", "api0", "api1"] {
        assert_eq!(starts[name], RUNS, "{name}");
    }
    check_truth(&phone);
}

/// The list is what lies in the workspace.
fn check_truth(phone: &Phone) {
    let mut expected = BTreeSet::new();
    for entry in fs::read_dir(phone.root().join("Containers")).unwrap() {
        let folder = entry.unwrap().file_name().into_string().unwrap();
        expected.insert(format!("/{}", phone.config(&folder).value("name")));
    }
    let list = phone.list();
    let names: BTreeSet<String> = list
        .iter()
        .map(|item| item["Names"][0].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((&names, list.len()), (&expected, expected.len()));
    assert!(list.iter().all(|item| item["State"] != "running"));
    assert_eq!(phone.docker().inspect("t1")["HostConfig"]["Memory"], 4096);
}

/// What happened meanwhile is not all found out, but what is told fits together.
#[test]
fn a_bridge_that_crashes_meanwhile() {
    let mut phone = Phone::new(|workspace| {
        obedient(workspace, "one", 5);
        obedient(workspace, "two", 0);
    });
    let Phone { workspace, pair, .. } = &mut phone;
    let (workspace, pair) = (workspace.as_ref().unwrap(), pair.as_mut().unwrap());
    thread::scope(|scope| {
        let runs = ["one", "two"].map(|name| {
            scope.spawn(move || {
                let option = format!("--name={name}");
                for _ in 0..RUNS / 2 {
                    for act in ["start", "restart"] {
                        assert!(workspace.run(&[&option, act]).status.success());
                        listens(workspace, name);
                    }
                    assert!(workspace.run(&[&option, "stop"]).status.success());
                }
            })
        });
        let writer = scope.spawn(|| write(workspace));
        while !runs.iter().all(thread::ScopedJoinHandle::is_finished) {
            pair.bridge().crash();
            pair.restart_bridge();
        }
        runs.into_iter().for_each(|run| run.join().unwrap());
        writer.join().unwrap();
    });
    for name in ["one", "two"] {
        phone.until(name, "exited");
    }
    assert_eq!(phone.state("one")["ExitCode"], 5);
    consistent(&phone.past("0"));
    phone.fence();
    check_truth(&phone);
}

#[test]
fn a_short_run_is_told_as_any_other() {
    let phone = Phone::new(|workspace| {
        let draft = workspace
            .container("brief")
            .set("uuid", &format!("{:032x}", std::process::id()));
        draft.rootfs(|rootfs| rootfs.init("usleep 50000; exit 4")).write();
    });
    let docker = phone.docker();
    // How it ended may come too late on a busy machine.
    let acts = || -> Vec<String> {
        let acts = phone.acts("brief").into_iter();
        acts.map(|act| act.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    };
    let mut expected = vec!["create"];
    for round in 0..6 {
        if round % 2 == 0 {
            docker.post("/containers/brief/start").expect(204);
        } else {
            expect(&phone, &["--name=brief", "start"], 0);
        }
        pace::until("it is over", LIMIT, || phone.pid("brief").is_none().then_some(()));
        expected.extend(["start", "die"]);
        pace::until("it is told", LIMIT, || (acts() == expected).then_some(()));
    }
}
