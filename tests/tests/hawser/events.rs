//! What happened to containers arrives, all of it and in its order, however often the line is cut or the agent killed.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::dockhand::{Body, Cut, Environment, Options, Seen, Shell, Stream};
use harness::pair::IMAGE;
use harness::{Docker, pace};
use serde_json::{Value, json};

use crate::scene::{Scene, Takes};

const LIMIT: Duration = Duration::from_secs(20);

/// A life with five events: create, start, kill, die, destroy.
fn live(docker: &Docker, name: &str) {
    docker.create_from(
        name,
        &json!({ "Image": IMAGE, "Cmd": ["/bin/sleep", "100000"], "HostConfig": { "NetworkMode": "none" } }),
    );
    docker.start(name);
    docker.post(&format!("/containers/{name}/kill")).expect(204);
    docker.wait(name);
    docker.delete(&format!("/containers/{name}")).expect(204);
}

/// The events of one container, repetitions left out, and how many of those there were.
fn told(seen: &Seen, name: &str) -> (Vec<String>, usize) {
    let (mut acts, mut times, mut doubles) = (Vec::new(), Vec::new(), 0);
    for (_, event) in seen
        .events
        .iter()
        .filter(|(_, event)| event["containerName"] == name)
    {
        let key = (
            event["action"].as_str().unwrap(),
            event["timestamp"].as_str().unwrap(),
        );
        if times.contains(&key) {
            doubles += 1;
        } else {
            times.push(key);
            acts.push(key.0.to_owned());
        }
    }
    (acts, doubles)
}

/// Waits for the whole life of containers; gives how many events came more than once.
#[track_caller]
fn whole(scene: &Scene, names: &[String]) -> usize {
    scene.server.until("the last container is gone", |seen| {
        let gone = |name: &String| told(seen, name).0.last().is_some_and(|last| last == "destroy");
        names.iter().all(gone).then_some(())
    });
    let seen = scene.server.seen();
    let mut doubles = 0;
    for name in names {
        let (acts, more) = told(&seen, name);
        assert_eq!(acts, ["create", "start", "kill", "die", "destroy"], "{name}");
        doubles += more;
    }
    doubles
}

#[test]
fn a_life_is_told() {
    let scene = Scene::start();
    let docker = scene.docker();
    let id = docker.create_from(
        "web",
        &json!({
            "Image": IMAGE, "Cmd": ["/bin/sleep", "100000"], "Labels": { "a": "b" },
            "Healthcheck": { "Test": ["CMD", "/bin/true"], "Interval": 1_000_000_000_u64 }
        }),
    );
    docker.start("web");
    // Whole: by what stands behind the colon the server knows healthy from unhealthy.
    scene.server.until("it is healthy", |seen| {
        seen.acts(1)
            .contains(&"health_status: healthy web".to_owned())
            .then_some(())
    });
    docker.post("/containers/web/rename?name=site").expect(204);
    for act in ["pause", "unpause"] {
        docker.post(&format!("/containers/site/{act}")).expect(204);
    }
    docker.delete("/containers/site?force=1").expect(204);
    // Neither scanners nor what the server itself made for a look at a volume.
    live(&docker, "dockhand-browse-x");
    live(&docker, "last");
    scene.server.until("all of it", |seen| {
        seen.acts(1).contains(&"destroy last".to_owned()).then_some(())
    });
    let seen = scene.server.seen();
    let of = |wanted: &str| seen.acts(1).iter().position(|act| act == wanted);
    let order = [
        "create web",
        "start web",
        "rename site",
        "pause site",
        "unpause site",
        "kill site",
        "die site",
        "destroy site",
    ];
    let places: Vec<_> = order.iter().map(|act| of(act)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{:?}",
        seen.acts(1)
    );
    assert!(
        !seen
            .acts(1)
            .iter()
            .any(|act| act.contains("browse") || act.starts_with("exec")),
        "{:?}",
        seen.acts(1)
    );
    let (_, first) = &seen.events[of("create web").unwrap()];
    assert_eq!(first["containerId"], id.as_str());
    assert_eq!(first["image"], IMAGE);
    assert_eq!(first["actorAttributes"]["a"], "b");
    // As the engine has it, to the nanosecond.
    let direct = docker.events("since=0&until=0s&filters=%7B%22event%22%3A%5B%22create%22%5D%7D");
    let nanoseconds = direct[0]["timeNano"].as_u64().unwrap();
    assert!(
        first["timestamp"]
            .as_str()
            .unwrap()
            .contains(format!("{:09}", nanoseconds % 1_000_000_000).trim_end_matches('0')),
        "{first}, {nanoseconds}"
    );
}

/// Cut after messages of each kind, in both directions, while containers come and go.
#[test]
fn cuts_at_every_kind_of_message() {
    let mut scene = Scene::start_with(
        Options {
            ping: Duration::from_millis(50),
            ..Options::quick()
        },
        |agent| agent,
    );
    let docker = scene.docker();
    docker.run("still", "echo here; exec sleep 100000");
    live(&docker, "first");
    whole(&scene, &["first".to_owned()]);
    let quiet = Takes::of(scene.agent.pid());
    let quiet_engine = Takes::of(scene.pair.socketd().pid());
    let cuts = [
        Cut::after_hearing("hello", 1),
        Cut::after_sending("welcome", 1),
        Cut::after_hearing("container_event", 1),
        Cut::after_hearing("container_event", 4),
        Cut::after_hearing("ping", 1),
        Cut::after_sending("pong", 1),
        Cut::after_hearing("pong", 2),
        Cut::after_sending("ping", 1),
        Cut::after_sending("request", 1),
        Cut::after_hearing("response", 1),
        Cut::after_hearing("stream", 1),
        Cut::after_hearing("exec_ready", 1),
        Cut::after_hearing("exec_output", 1),
        Cut::after_sending("exec_input", 1),
        Cut::after_sending("exec_start", 1),
        Cut::after_sending("stream_end", 1),
    ];
    let mut names = Vec::new();
    for (number, cut) in cuts.into_iter().enumerate() {
        let before = scene.server.seen().ends.len();
        let environment = scene.server.connected(1);
        // Only now, so that it does not meet the messages of the round before.
        let is_at_the_door = number < 2;
        scene.server.cut(cut);
        if is_at_the_door {
            scene.server.cut_now(1);
        }
        let name = format!("life{number}");
        // Each may be what is cut, and none must hang.
        let call = environment.begin("GET", "/containers/json", Body::None);
        let opened = (scene.server.seen().ends.len() == before)
            .then(|| open(&environment).ok())
            .flatten();
        if let Some((_, stream)) = &opened {
            // What the container said, or that the line is cut.
            stream.hear();
            stream.cancel();
        }
        live(&docker, &name);
        drop(call);
        scene
            .server
            .until("the cut", |seen| (seen.ends.len() > before).then_some(()));
        drop(opened);
        names.push(name);
    }
    scene.server.connected(1);
    whole(&scene, &names);
    let (agent, engine) = (scene.agent.pid(), scene.pair.socketd().pid());
    pace::until("nothing is left of what was cut", LIMIT, || {
        let (ours, theirs) = (Takes::of(agent), Takes::of(engine));
        (ours.descriptors <= quiet.descriptors
            && ours.threads <= quiet.threads + 8
            && theirs.logs == 0
            // Connections that are kept for later; what leaks, leaks with each cut.
            && theirs.descriptors <= quiet_engine.descriptors + 12)
            .then_some(())
    });
    assert_eq!(scene.server.seen().strays, [Value::Null; 0]);
}

/// A terminal and a log that are open, unless the line is cut already.
fn open(environment: &Environment) -> Result<(Shell, Stream), String> {
    let shell = environment.try_exec("still", "/bin/sh", "")?;
    shell.type_in("echo here\n");
    let stream = environment.try_stream("GET", "/containers/still/logs?stdout=1&follow=1", Body::None)?;
    Ok((shell, stream))
}

/// Killed and cut over and over; what comes twice is at most what was on its way.
#[test]
fn kills_and_cuts_in_a_loop() {
    let mut scene = Scene::start();
    let docker = scene.docker();
    live(&docker, "first");
    whole(&scene, &["first".to_owned()]);
    let quiet_engine = Takes::of(scene.pair.socketd().pid()).descriptors;
    let mut names = Vec::new();
    for round in 0..12 {
        for part in 0..2 {
            let name = format!("life{round}-{part}");
            live(&docker, &name);
            names.push(name);
        }
        match round % 3 {
            0 => scene.server.cut_now(1),
            1 => scene.crash_agent(),
            // It goes by itself, and while it is away more happens.
            _ => {
                scene.agent.end();
                let name = format!("alone{round}");
                live(&docker, &name);
                names.push(name);
                scene.agent = scene.how.start();
            }
        }
        // Else the next one meets an agent that has not connected yet.
        scene.server.connected(1);
    }
    let doubles = whole(&scene, &names);
    // Twelve times, what lives two containers long.
    assert!(doubles <= 12 * 10, "{doubles} came more than once");
    let engine = scene.pair.socketd().pid();
    pace::until("nothing is left of the agents before", LIMIT, || {
        (Takes::of(engine).descriptors <= quiet_engine + 8).then_some(())
    });
    let ids: BTreeMap<_, _> = scene
        .server
        .seen()
        .hellos
        .iter()
        .map(|hello| (hello.hello["agentId"].to_string(), ()))
        .collect();
    assert_eq!(ids.len(), 1, "it is one agent: {ids:?}");
}
