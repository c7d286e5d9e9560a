//! The lives of containers: led by clients, by the runtime's own command, and by themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use harness::binaries::binaries;
use harness::daemon::Daemon;
use harness::droidspaces::Event;
use harness::{Pair, World, pace, pair};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::phone::{LIMIT, Phone, listens, obedient};
use crate::stand_in::expect;

#[test]
fn a_client_starts_stops_restarts_and_kills() {
    let phone = Phone::new(|workspace| {
        obedient(workspace, "media box", 3);
        workspace.knob("argv-log", "");
    });
    let docker = phone.docker();
    let before = docker.inspect("media%20box");
    assert_eq!(
        (&before["State"]["Status"], &before["Name"]),
        (&"created".into(), &"/media box".into())
    );
    let former = before["Id"].as_str().unwrap().to_owned();

    docker.post("/containers/media%20box/start").expect(204);
    docker.post("/containers/media-box/start").expect(304);
    let uuid = phone.config("media box").value("uuid").to_owned();
    let running = docker.inspect("media%20box");
    let id = running["Id"].as_str().unwrap();
    assert!(id.starts_with(&uuid) && id.len() == 64, "{id}");
    assert_eq!(running["State"]["Pid"], phone.pid("media box").unwrap());
    // Who knew it before its first start knows it still.
    for reference in [
        former.as_str(),
        &former[..12],
        id,
        &uuid,
        &uuid[..12],
        "media-box",
    ] {
        assert_eq!(docker.inspect(reference)["Id"], id, "{reference}");
    }

    listens(&phone, "media box");
    docker.post("/containers/media%20box/stop").expect(204);
    docker.post("/containers/media%20box/stop").expect(304);
    let state = phone.state("media%20box");
    assert_eq!(
        (&state["Status"], &state["ExitCode"]),
        (&"exited".into(), &3.into())
    );
    docker.post("/containers/media%20box/restart").expect(204);
    listens(&phone, "media box");
    docker.post("/containers/media%20box/restart?t=5").expect(204);
    docker.post("/containers/media%20box/kill").expect(204);
    docker.post("/containers/media%20box/kill").expect(409);
    let mut acts = phone.acts("media box");
    // The command asks it to end before it is killed: it may be quick enough to obey.
    let last = acts.pop();
    assert!(matches!(last.as_deref(), Some("die 1" | "die 3")), "{last:?}");
    assert_eq!(
        acts,
        [
            "create", "create", "start", "destroy", "die 3", "stop", "start", "restart", "die 3", "stop",
            "start", "restart", "kill"
        ]
    );
    for call in phone.invocations() {
        assert_eq!(call.arguments[0], "--name=media box", "{call:?}");
        let names: Vec<_> = call
            .environment
            .iter()
            .map(|pair| pair.split('=').next().unwrap())
            .collect();
        assert_eq!(names, ["DS_NO_PROXY", "PATH"], "{call:?}");
    }
}

#[test]
fn a_stop_kills_when_its_time_is_over() {
    let phone = Phone::new(|workspace| {
        let draft = workspace.container("deaf");
        draft
            .rootfs(|rootfs| rootfs.init("trap '' TERM\nwhile :; do sleep 1000; done"))
            .write();
    });
    let docker = phone.docker();
    docker.post("/containers/deaf/start").expect(204);
    let begin = Instant::now();
    docker.post("/containers/deaf/stop?t=1").expect(204);
    let took = begin.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(8),
        "{took:?}"
    );
    assert_eq!(phone.acts("deaf").last().map(String::as_str), Some("stop"));
    docker.post("/containers/deaf/start").expect(204);
    let begin = Instant::now();
    docker.post("/containers/deaf/stop?t=0").expect(204);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_signal_that_is_not_the_last_reaches_init() {
    let phone = Phone::new(|workspace| {
        let script = "trap 'echo got it' USR1\necho up\nwhile :; do sleep 1000 & wait; done";
        workspace
            .container("web")
            .rootfs(|rootfs| rootfs.init(script))
            .write();
    });
    let docker = phone.docker();
    docker.post("/containers/web/start").expect(204);
    listens(&phone, "web");
    docker.post("/containers/web/kill?signal=USR1").expect(204);
    pace::until("the signal is taken", LIMIT, || {
        phone.log("web", "console").contains("got it").then_some(())
    });
    assert_eq!(phone.state("web")["Status"], "running");
    docker.post("/containers/web/kill?signal=4711").expect(400);
}

#[test]
fn the_command_s_own_words_come_back() {
    let phone = Phone::new(|workspace| {
        obedient(workspace, "web", 0);
        workspace.knob("fail-start", "the image is not mountable");
    });
    let docker = phone.docker();
    let answer = docker.post("/containers/web/start").expect(500);
    assert!(
        answer.message().contains("the image is not mountable"),
        "{}",
        answer.message()
    );
    assert_eq!(phone.state("web")["Status"], "created");
    phone.release("fail-start");
    docker.post("/containers/web/start").expect(204);
    phone.knob("fail-stop", "it is locked");
    let answer = docker.post("/containers/web/stop").expect(500);
    assert!(answer.message().contains("it is locked"), "{}", answer.message());
    phone.release("fail-stop");
    docker.post("/containers/web/stop").expect(204);
    docker.post("/containers/nobody/start").expect(404);
}

#[test]
fn what_belongs_to_the_app_is_refused_with_the_reason() {
    let phone = Phone::new(|workspace| obedient(workspace, "web", 0));
    let docker = phone.docker();
    docker.post("/containers/web/start").expect(204);
    let check = |answer: harness::Answer| {
        let answer = answer.expect(501);
        assert!(answer.message().contains("Droidspaces"), "{}", answer.message());
    };
    check(docker.post("/containers/web/rename?name=other"));
    check(docker.delete("/containers/web"));
    check(docker.delete("/containers/web?force=1"));
    docker.delete("/images/droidspaces/web").expect(409);
    check(docker.post("/images/droidspaces/web/tag?repo=other"));
    let body = serde_json::json!({ "Image": "droidspaces/web", "Cmd": ["sh"] });
    check(docker.post_json("/containers/create?name=mine", &body));
    check(docker.ask(
        "POST",
        "/images/create?fromSrc=-",
        Some(("application/x-tar", b"")),
    ));
    // None of it has touched the container.
    assert_eq!(phone.state("web")["Status"], "running");
    docker.post("/containers/prune").expect(200);
    assert_eq!(docker.get("/containers/json").json().as_array().unwrap().len(), 1);
}

/// What others do is told within this time; a machine that tests everything at once is slower.
fn told(since: Instant, what: &str) {
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "{what} was told after {took:?}");
}

#[test]
fn what_others_do_is_told() {
    let phone = Phone::new(|workspace| obedient(workspace, "web", 4));
    let mut follow = phone
        .docker()
        .follow("filters=%7B%22type%22:[%22container%22]%7D");
    let mut next = |what: &str| {
        let event = follow.event().unwrap();
        assert_eq!(event["Action"], what, "{event}");
        event
    };
    expect(&phone, &["--name=web", "start"], 0);
    let begin = Instant::now();
    // Its first start gives it its own id.
    let (created, gone) = (next("create"), next("destroy"));
    assert_ne!(created["id"], gone["id"]);
    assert_eq!(next("start")["id"], created["id"]);
    told(begin, "a start");

    listens(&phone, "web");
    expect(&phone, &["--name=web", "stop"], 0);
    assert_eq!(next("die")["Actor"]["Attributes"]["exitCode"], "4");
    expect(&phone, &["--name=web", "restart"], 0);
    next("start");
    listens(&phone, "web");
    expect(&phone, &["--name=web", "restart"], 0);
    assert_eq!(next("die")["Actor"]["Attributes"]["exitCode"], "4");
    next("start");

    // The container ends by itself, or is killed.
    kill(Pid::from_raw(phone.pid("web").unwrap()), Signal::SIGKILL).unwrap();
    let begin = Instant::now();
    assert_eq!(next("die")["Actor"]["Attributes"]["exitCode"], "1");
    told(begin, "a crash");

    // A new one, a changed one, one less.
    obedient(&phone, "new", 0);
    assert_eq!(next("create")["Actor"]["Attributes"]["name"], "new");
    phone
        .container("new")
        .set("memory_limit", "1048576")
        .set("name", "renamed")
        .write();
    let renamed = next("rename");
    assert_eq!(renamed["Actor"]["Attributes"]["oldName"], "/new");
    next("update");
    fs::remove_dir_all(phone.container_file("new", "")).unwrap();
    assert_eq!(next("destroy")["Actor"]["Attributes"]["name"], "renamed");
}

/// A second start that finds it running gives its configuration another UUID all the same.
#[test]
fn who_runs_stays_who_it_is() {
    let phone = Phone::new(|workspace| obedient(workspace, "web", 4));
    let docker = phone.docker();
    expect(&phone, &["--name=web", "start"], 0);
    phone.until("web", "running");
    let first = docker.inspect("web")["Id"].as_str().unwrap().to_owned();
    let config = phone.container_file("web", "container.config");
    let text = fs::read_to_string(&config).unwrap();
    let other = format!("{:032x}", std::process::id());
    let made = config.with_extension("new");
    fs::write(&made, text.replace(&first[..32], &other)).unwrap();
    fs::rename(&made, &config).unwrap();
    phone.fence();
    assert_eq!(docker.inspect("web")["Id"], first.as_str());

    let mut follow = docker.follow("filters=%7B%22type%22:[%22container%22]%7D");
    expect(&phone, &["--name=web", "stop"], 0);
    let mut next = || {
        let event = follow.event().unwrap();
        (
            event["Action"].clone(),
            event["id"].as_str().unwrap()[..32].to_owned(),
        )
    };
    assert_eq!(next(), ("die".into(), first[..32].to_owned()));
    assert_eq!(next(), ("create".into(), other.clone()));
    assert_eq!(next(), ("destroy".into(), first[..32].to_owned()));
    expect(&phone, &["--name=web", "start"], 0);
    assert_eq!(next(), ("start".into(), other));
}

#[test]
fn a_reboot_from_within_is_a_restart() {
    let phone = Phone::new(|workspace| {
        let script = "trap 'exit 0' TERM\n[ -e /rebooted ] || { touch /rebooted; sleep 1; reboot -f; }\n\
                      while :; do sleep 1000 & wait; done";
        let draft = workspace.container("web");
        draft.rootfs(|rootfs| rootfs.init(script)).write();
    });
    let docker = phone.docker();
    docker.post("/containers/web/start").expect(204);
    let first = phone.pid("web").unwrap();
    phone.until_acts("web", &["start", "restart"]);
    let second = phone.pid("web").unwrap();
    assert_ne!(first, second);
    assert_eq!(phone.state("web")["Pid"], second);
    let acts = phone.acts("web");
    let deaths: Vec<_> = acts.iter().filter(|act| act.starts_with("die")).collect();
    assert_eq!(deaths.len(), 1, "{acts:?}");
    docker.post("/containers/web/stop").expect(204);
}

#[test]
fn what_happened_while_the_bridge_was_away_is_found_out() {
    let mut phone = Phone::new(|workspace| {
        for name in ["stays", "ends", "starts"] {
            obedient(workspace, name, 5);
        }
    });
    let docker = phone.docker();
    docker.post("/containers/stays/start").expect(204);
    docker.post("/containers/ends/start").expect(204);
    phone.pair().bridge().crash();
    listens(&phone, "ends");
    expect(&phone, &["--name=ends", "stop"], 0);
    expect(&phone, &["--name=starts", "start"], 0);
    phone.pair().restart_bridge();
    assert_eq!(phone.acts("stays"), ["create", "create", "start", "destroy"]);
    assert_eq!(
        phone.acts("ends"),
        ["create", "create", "start", "destroy", "die 5"]
    );
    assert_eq!(phone.acts("starts"), ["create", "create", "start", "destroy"]);
    assert_eq!(phone.state("starts")["Status"], "running");
    let ended = phone.state("ends");
    assert_eq!(
        (&ended["Status"], &ended["ExitCode"]),
        (&"exited".into(), &5.into())
    );
    // Nothing has happened since, so nothing is told.
    let known = phone.acts("stays").len() + phone.acts("ends").len() + phone.acts("starts").len();
    phone.pair().bridge().crash();
    phone.pair().restart_bridge();
    let now = phone.acts("stays").len() + phone.acts("ends").len() + phone.acts("starts").len();
    assert_eq!(now, known);
}

#[test]
fn earlier_history_is_taken_over_once() {
    let uuid = "0123456789abcdef0123456789abcdef";
    let mut phone = Phone::new(|workspace| {
        workspace
            .container("web")
            .set("uuid", uuid)
            .rootfs(|_| {})
            .write();
        for (action, name) in [("start", "web"), ("die", "web"), ("start", "web")] {
            workspace.append_event(&Event::now(action, uuid, name));
        }
        // A record that was never finished shifts those after it.
        let file = workspace.event_file();
        let mut bytes = fs::read(&file).unwrap();
        bytes.extend([7; 10]);
        bytes.extend(Event::now("die", uuid, "web").encode());
        fs::write(&file, bytes).unwrap();
    });
    // Nobody has kept how it ended, which clients see as 255.
    let expected = ["start", "die 255", "start", "die 255"];
    assert_eq!(phone.acts("web"), expected);
    phone.append_event(&Event::now("start", uuid, "web"));
    phone.pair().bridge().crash();
    phone.pair().restart_bridge();
    assert_eq!(phone.acts("web"), expected);
}

/// Starts, stops and ends by whoever, on a kernel that tells of no process's end.
fn check_kernel(world: World) {
    let phone = Phone::in_world(world, |workspace| obedient(workspace, "web", 4));
    let docker = phone.docker();
    docker.post("/containers/web/start").expect(204);
    docker.post("/containers/web/stop").expect(204);
    expect(&phone, &["--name=web", "start"], 0);
    phone.until("web", "running");
    let mut follow = docker.follow("filters=%7B%22type%22:[%22container%22]%7D");
    let begin = Instant::now();
    kill(Pid::from_raw(phone.pid("web").unwrap()), Signal::SIGKILL).unwrap();
    let died = follow.event().unwrap();
    assert_eq!(
        (&died["Action"], &died["Actor"]["Attributes"]["exitCode"]),
        (&"die".into(), &"1".into())
    );
    told(begin, "a crash");
    docker.post("/containers/web/start").expect(204);
    docker.post("/containers/web/kill").expect(204);
    assert_eq!(phone.state("web")["Status"], "exited");
}

#[test]
fn as_linux_4_14() {
    check_kernel(World::Linux4_14);
}

#[test]
fn as_linux_3_10() {
    check_kernel(World::Linux3_10);
}

#[test]
fn a_slow_one_keeps_no_other_waiting() {
    let phone = Phone::new(|workspace| {
        let draft = workspace.container("deaf");
        draft
            .rootfs(|rootfs| rootfs.init("trap '' TERM\nwhile :; do sleep 1000; done"))
            .write();
        obedient(workspace, "quick", 0);
    });
    let docker = phone.docker();
    docker.post("/containers/deaf/start").expect(204);
    let begin = Instant::now();
    let slow = std::thread::spawn({
        let docker = docker.clone();
        move || docker.post("/containers/deaf/stop?t=6").expect(204)
    });
    pace::until("the command stops it", LIMIT, || {
        phone.sidecar("deaf", "lock").exists().then_some(())
    });
    docker.post("/containers/quick/start").expect(204);
    kill(Pid::from_raw(phone.pid("quick").unwrap()), Signal::SIGKILL).unwrap();
    phone.until("quick", "exited");
    docker.post("/containers/quick/start").expect(204);
    docker.post("/containers/quick/stop").expect(204);
    // It runs still, and is told so at once.
    docker.post("/containers/deaf/start").expect(304);
    assert!(!slow.is_finished(), "all that took {:?}", begin.elapsed());
    slow.join().unwrap();
}

/// Every file below a folder, with what is in it and when it was last written.
fn all_files(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>, SystemTime)>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, about) = (entry.path(), entry.metadata().unwrap());
        if about.is_dir() {
            all_files(&path, found);
        } else if about.is_file() {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes, about.modified().unwrap()));
        }
    }
}

#[test]
fn looking_writes_nothing() {
    let before = std::cell::RefCell::new(Vec::new());
    let phone = Phone::new(|workspace| {
        obedient(workspace, "web", 0);
        workspace
            .container("other")
            .set("net_mode", "nat")
            .rootfs_at(workspace.rootfs().path())
            .write();
        // What Droidspaces itself would mend or remove when it looks.
        workspace.write_sidecar("web", "pid", "4194304");
        workspace.write_sidecar("other", "pid", "1");
        workspace.append_event(&Event::now("start", "0123456789abcdef0123456789abcdef", "gone"));
        all_files(workspace.root(), &mut before.borrow_mut());
    });
    let docker = phone.docker();
    for path in [
        "/containers/json?all=1&size=1",
        "/containers/web/json",
        "/containers/other/logs?stdout=1",
        "/images/json",
        "/networks",
        "/info",
        "/system/df",
        "/events?since=0&until=1",
    ] {
        docker.get(path).expect(200);
    }
    let mut after = Vec::new();
    all_files(phone.root(), &mut after);
    let (mut before, mut after) = (before.into_inner(), after);
    before.sort();
    after.sort();
    let changed: Vec<_> = before
        .iter()
        .zip(&after)
        .filter(|(a, b)| a != b)
        .map(|(a, _)| &a.0)
        .collect();
    assert!(changed.is_empty() && before.len() == after.len(), "{changed:?}");
}

#[test]
fn both_kinds_live_side_by_side() {
    let phone = Phone::with(&["--runtime", "native"], |workspace| {
        obedient(workspace, "web", 3)
    });
    let docker = phone.docker();
    docker.import("bb:latest", &harness::rootfs::busybox());
    let body =
        serde_json::json!({ "Image": "bb:latest", "Cmd": ["sleep", "100000"], "StopSignal": "SIGKILL" });
    docker.post_json("/containers/create?name=web", &body).expect(409);
    docker
        .post_json("/containers/create?name=mine", &body)
        .expect(201);
    for name in ["web", "mine"] {
        docker.post(&format!("/containers/{name}/start")).expect(204);
    }
    let list = docker.get("/containers/json").json();
    let mut names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Names"][0].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["/mine", "/web"]);
    let networks = docker.get("/networks").json();
    let networks: Vec<_> = networks
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Name"].as_str().unwrap())
        .collect();
    assert_eq!(networks, ["droidspaces-bridge", "bridge", "host", "none"]);
    let images = docker.get("/images/json").json();
    assert_eq!(images.as_array().unwrap().len(), 2);
    for name in ["web", "mine"] {
        docker.post(&format!("/containers/{name}/stop")).expect(204);
    }
    docker.delete("/containers/mine").expect(204);
    docker.delete("/containers/web").expect(501);
}

/// A bridge sees no container of a runtime that it was not started with. Whoever wants all stopped means these, too.
#[test]
fn down_stops_what_the_bridge_does_not_see() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.run("web", "exec sleep 100000");
    let init = docker.inspect("web")["State"]["Pid"].as_i64().unwrap();
    pair.bridge().crash();
    let dir = pair.dir().to_owned();
    let workspace = dir.join("workspace");
    let mut other = Daemon::spawn(
        "another bridge",
        &binaries().bridge,
        &[
            "serve".as_ref(),
            "--state-dir".as_ref(),
            dir.as_os_str(),
            "--runtime".as_ref(),
            "droidspaces".as_ref(),
            "--droidspaces-root".as_ref(),
            workspace.as_os_str(),
        ],
    );
    pace::until("it answers", LIMIT, || {
        let list = docker.get("/containers/json?all=1");
        (list.status == 200 && list.json().as_array().is_some_and(Vec::is_empty)).then_some(())
    });
    assert!(pair::down(&dir));
    assert_eq!(other.wait().code(), Some(0));
    assert!(!Path::new(&format!("/proc/{init}")).exists());
}
