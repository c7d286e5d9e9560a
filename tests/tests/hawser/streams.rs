//! Answers that stream, archives, and what is too large.

use std::io::Write;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use harness::dockhand::{Body, Manner, Options, Piece};
use harness::{Agent, Dockhand, pace, pair};

use crate::engine::{self, Engine};
use crate::scene::{Scene, Takes, demultiplexed};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn logs_live() {
    let mut scene = Scene::start();
    let environment = scene.environment();
    scene.docker().run(
        "web",
        "n=0; while true; do n=$((n+1)); echo line $n; sleep 0.05; done",
    );
    let path = "/containers/web/logs?stdout=true&stderr=true&follow=true&timestamps=true&tail=10";
    let pid = scene.pair.socketd().pid();
    let streams: Vec<_> = (0..5)
        .map(|_| environment.stream("GET", path, Body::None))
        .collect();
    for stream in &streams {
        stream.until("line 12");
    }
    assert_eq!(Takes::of(pid).logs, 5);
    for stream in &streams {
        stream.cancel();
        let (_, reason) = stream.collect();
        assert_eq!(reason, "cancelled");
    }
    pace::until("its readers are gone", LIMIT, || {
        (Takes::of(pid).logs == 0).then_some(())
    });
    let stream = environment.stream("GET", path, Body::None);
    stream.until("line");
    scene.docker().post("/containers/web/kill").expect(204);
    let (_, reason) = stream.collect();
    assert_eq!(reason, "completed");
    // What is not there is told as data, for that is what pages show.
    let stream = environment.stream(
        "GET",
        "/containers/nosuch/logs?follow=true&stdout=true",
        Body::None,
    );
    let (text, _) = stream.collect();
    assert!(
        String::from_utf8(text)
            .unwrap()
            .contains("No such container: nosuch")
    );
    // As a vulnerability scan waits for its container.
    let stream = environment.stream("POST", "/containers/web/wait", Body::None);
    let (text, _) = stream.collect();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["StatusCode"],
        137
    );
}

/// Every byte arrives, in its order, while other requests are answered.
#[test]
fn a_long_log() {
    let scene = Scene::start();
    let environment = scene.environment();
    scene.docker().run("web", "seq 1 300000");
    scene.docker().wait("web");
    let stream = environment.stream("GET", "/containers/web/logs?stdout=true&follow=true", Body::None);
    let other = environment
        .begin("GET", "/containers/json?all=true", Body::None)
        .unwrap();
    let (bytes, reason) = stream.collect();
    other.reply().unwrap().expect(200);
    assert_eq!(reason, "completed");
    let text = String::from_utf8(demultiplexed(&bytes)).unwrap();
    assert!(
        text.lines()
            .map(|line| line.parse::<u32>().unwrap())
            .eq(1..=300_000)
    );
}

fn archive_of(megabytes: usize) -> Vec<u8> {
    let bytes: Vec<u8> = (0..megabytes << 20).map(|at| (at * 31 % 251) as u8).collect();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_data(&mut header, format!("file{megabytes}"), &bytes[..])
        .unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn archives_up_and_down() {
    let scene = Scene::start();
    let environment = scene.environment();
    scene.docker().run("web", "exec sleep 100000");
    for (megabytes, manner) in [
        (0, Manner::Text),
        (1, Manner::Fragments(1000)),
        (1, Manner::Binary),
        (20, Manner::Text),
        (5, Manner::Fragments(100_000)),
    ] {
        scene.server.speak(manner);
        let archive = archive_of(megabytes);
        let path = "/containers/web/archive?path=/tmp";
        environment
            .ask("PUT", path, Body::Binary(archive.clone()))
            .expect(200);
        let reply = environment
            .get(&format!("/containers/web/archive?path=/tmp/file{megabytes}"))
            .expect(200);
        assert!(reply.is_binary);
        let file = |archive: &[u8]| {
            let mut archive = tar::Archive::new(archive);
            let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            bytes
        };
        assert!(
            file(&reply.body) == file(&archive),
            "{megabytes} MiB came to harm"
        );
    }
    let takes = Takes::of(scene.agent.pid());
    assert!(takes.most_kib < 32 << 10, "{takes:?}");
}

/// Answers of an engine, up to the largest the server would take and beyond: refused where they are too large, with a
/// sentence, and nothing is lost but the answer.
#[test]
fn what_is_too_large_is_refused() {
    let dir = pair::new_dir();
    let engine = Engine::start(&dir.join("engine.sock"), |path, out| {
        let Some(size) = path
            .split_once("size=")
            .map(|(_, size)| size.parse::<u64>().unwrap())
        else {
            return engine::version(out);
        };
        let kind = if path.contains("/text") {
            "text/plain"
        } else {
            "application/x-tar"
        };
        engine::head(out, kind, size << 20)?;
        let piece = vec![b'x'; 1 << 20];
        (0..size).try_for_each(|_| out.write_all(&piece))
    });
    let server = Dockhand::start(Options::quick());
    let token = server.make_token(1);
    let agent = Agent::new(engine.address(), &server.url(), &token, &dir.join("agent"));
    let agent = agent.start();
    let environment = server.connected(1);
    for (path, status) in [
        ("/tar?size=0", 200),
        ("/tar?size=2", 200),
        ("/tar?size=40", 200),
        ("/text?size=10", 200),
        ("/tar?size=80", 413),
        ("/tar?size=1000000", 413),
        ("/text?size=120", 413),
    ] {
        let reply = environment.get(path);
        if status == 200 {
            assert!(
                reply.status == 200 && reply.body.iter().all(|byte| *byte == b'x'),
                "{path}"
            );
            let size: usize = path.split_once('=').unwrap().1.parse().unwrap();
            assert_eq!(reply.body.len(), size << 20, "{path}");
        } else {
            assert!(matches!(reply.status, 413 | 502), "{path}: {reply}");
            assert!(!reply.message().is_empty());
        }
    }
    let seen = server.seen();
    assert_eq!((seen.welcomes(), seen.ends.len()), (1, 0), "{:?}", seen.ends);
    let takes = Takes::of(agent.pid());
    assert!(takes.most_kib < 32 << 10, "{takes:?}");
    drop(agent);
    std::fs::remove_dir_all(dir).unwrap();
}

/// A server that does not read holds up what is for it, and nothing else: neither memory nor the engine fills.
#[test]
fn a_server_that_stalls() {
    let scene = Scene::start();
    let environment = scene.environment();
    // A log that never ends by itself, faster than anybody reads.
    scene
        .docker()
        .run("web", "exec yes 0123456789012345678901234567890123456789");
    let path = "/containers/web/logs?stdout=true&follow=true";
    let streams: Vec<_> = (0..3)
        .map(|_| environment.stream("GET", path, Body::None))
        .collect();
    streams[0].until("0123");
    scene.server.listen(false);
    let pid = scene.agent.pid();
    let written = || {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        io.lines()
            .find_map(|line| line.strip_prefix("wchar:"))
            .unwrap()
            .trim()
            .parse::<u64>()
            .unwrap()
    };
    let mut last = 0;
    pace::until("it has stopped to send", LIMIT, || {
        let now = written();
        (std::mem::replace(&mut last, now) == now).then_some(())
    });
    let takes = Takes::of(pid);
    assert!(takes.most_kib < 32 << 10, "{takes:?}");
    scene.docker().post("/containers/web/kill").expect(204);
    scene.server.listen(true);
    environment.get("/_ping").expect(200);
    let (done, ended) = channel();
    for stream in streams {
        let done = done.clone();
        thread::spawn(move || {
            stream.cancel();
            while let Piece::Data(_) = stream.hear() {}
            done.send(())
        });
    }
    for _ in 0..3 {
        ended.recv_timeout(LIMIT).unwrap();
    }
    assert_eq!(scene.server.seen().welcomes(), 1);
}
