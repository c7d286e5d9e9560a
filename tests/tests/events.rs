//! Events: all of them, once, in order, to everybody, live and later.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::{Docker, Pair};
use serde_json::Value;
use wire::request::{PollEvents, Subscribe};
use wire::{Event, HEADER_BYTES, Header, Request, Response};

/// Now, as `seconds.nanoseconds`.
fn now() -> String {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{}.{:09}", elapsed.as_secs(), elapsed.subsec_nanos())
}

/// What happened to containers, in order: `create web`.
fn acts(events: &[Value]) -> Vec<String> {
    let containers = events.iter().filter(|event| event["Type"] == "container");
    containers
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            format!(
                "{} {}",
                text(&event["Action"]),
                text(&event["Actor"]["Attributes"]["name"])
            )
        })
        .collect()
}

fn is(event: &Value, action: &str, name: &str) -> bool {
    event["Action"] == action && event["Actor"]["Attributes"]["name"] == name
}

/// A short life that leaves events of every kind.
fn live(docker: &Docker, name: &str) {
    docker.run(name, "exec sleep 100000");
    docker.post(&format!("/containers/{name}/kill")).expect(204);
    docker.wait(name);
    docker.delete(&format!("/containers/{name}")).expect(204);
}

#[test]
fn live_and_later_are_the_same() {
    let pair = Pair::start();
    let docker = pair.docker();
    let begin = now();
    let mut follow = docker.follow("");
    live(&docker, "web");
    let seen = follow.up_to(|event| is(event, "destroy", "web"));
    assert_eq!(
        acts(&seen),
        ["create web", "start web", "kill web", "die web", "destroy web"]
    );

    let replayed = docker.events(&format!("since={begin}&until={}", now()));
    assert_eq!(replayed, seen);
    let times: Vec<_> = replayed
        .iter()
        .map(|event| event["timeNano"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn replay_goes_on_live_without_gap_or_repetition() {
    let pair = Pair::start();
    let docker = pair.docker();
    let begin = now();
    for number in 0..10 {
        live(&docker, &format!("past{number}"));
    }
    let mut follow = docker.follow(&format!("since={begin}"));
    for number in 0..10 {
        live(&docker, &format!("later{number}"));
    }
    let seen = follow.up_to(|event| is(event, "destroy", "later9"));
    assert_eq!(seen, docker.events(&format!("since={begin}&until={}", now())));
    assert_eq!(acts(&seen).len(), 20 * 5);
}

#[test]
fn every_reader_sees_everything() {
    let pair = Pair::start();
    let docker = pair.docker();
    let mut readers: Vec<_> = (0..8).map(|_| docker.follow("")).collect();
    live(&docker, "seen");
    let expected = readers[0].up_to(|event| is(event, "destroy", "seen"));
    for reader in &mut readers[1..] {
        assert_eq!(reader.up_to(|event| is(event, "destroy", "seen")), expected);
    }
}

#[test]
fn a_span_of_time_ends() {
    let pair = Pair::start();
    let docker = pair.docker();
    let begin = now();
    live(&docker, "one");
    let middle = now();
    live(&docker, "two");
    let count = |query: &str| acts(&docker.events(query)).len();
    assert_eq!(count(&format!("since={begin}&until={middle}")), 5);
    assert_eq!(count(&format!("since={middle}&until={}", now())), 5);
    assert_eq!(count(&format!("since={begin}&until={}", now())), 10);
    assert_eq!(count(&format!("since=0&until={begin}")), 0);
    // The future comes: until then the answer streams, and then it ends by itself.
    let mut soon: f64 = now().parse().unwrap();
    soon += 0.5;
    assert_eq!(count(&format!("since={middle}&until={soon:.3}")), 5);
}

#[test]
fn filters() {
    let pair = Pair::start();
    let docker = pair.docker();
    let begin = now();
    live(&docker, "one");
    live(&docker, "two");
    let end = now();
    let check = |filters: &str, expected: &[&str]| {
        let filters = filters
            .replace('{', "%7B")
            .replace('}', "%7D")
            .replace('"', "%22")
            .replace(' ', "%20");
        let events = docker.events(&format!("since={begin}&until={end}&filters={filters}"));
        assert_eq!(acts(&events), expected, "{filters}");
    };
    check(r#"{"container":["one"],"event":["die"]}"#, &["die one"]);
    check(
        r#"{"event":["start","destroy"],"type":["container"]}"#,
        &["start one", "destroy one", "start two", "destroy two"],
    );
    check(r#"{"type":["image"]}"#, &[]);
    check(
        r#"{"image":["bb:latest"],"event":["kill"]}"#,
        &["kill one", "kill two"],
    );
    // The form of old clients.
    check(
        r#"{"container":{"two":true},"event":{"kill":true}}"#,
        &["kill two"],
    );
    check(r#"{"label":["nobody"]}"#, &[]);
}

#[test]
fn an_event_has_docker_s_shape() {
    let pair = Pair::start();
    let docker = pair.docker();
    let begin = now();
    let id = docker.run("shape", "exit 4");
    docker.wait("shape");
    let events = docker.events(&format!("since={begin}&until={}", now()));
    let die = events.iter().find(|event| event["Action"] == "die").unwrap();
    assert_eq!(die["status"], "die");
    assert_eq!(die["id"], id.as_str());
    assert_eq!(die["from"], "bb:latest");
    assert_eq!(die["Type"], "container");
    assert_eq!(die["scope"], "local");
    assert_eq!(die["Actor"]["ID"], id.as_str());
    assert_eq!(die["Actor"]["Attributes"]["exitCode"], "4");
    assert_eq!(die["Actor"]["Attributes"]["image"], "bb:latest");
    assert_eq!(
        die["time"].as_u64().unwrap(),
        die["timeNano"].as_u64().unwrap() / 1_000_000_000
    );
}

/// Asks the bridge itself, and reads the frames of its answer up to the first with events.
fn first_events(pair: &Pair, request: &Request) -> Vec<Event> {
    let mut stream = UnixStream::connect(pair.bridge_socket("watch")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut bytes = Vec::new();
    request.append_to(&mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
    loop {
        let mut header = [0; HEADER_BYTES];
        stream.read_exact(&mut header).unwrap();
        let header = Header::parse(&header, wire::limits::RESPONSE_BYTES_MAX).unwrap();
        let mut payload = vec![0; header.length as usize];
        stream.read_exact(&mut payload).unwrap();
        match Response::decode(header.kind, &payload).unwrap() {
            Response::Events(events) => return events.events,
            Response::Subscribed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_bridge_reads_from_a_number_or_a_time() {
    let pair = Pair::start();
    let docker = pair.docker();
    live(&docker, "web");
    let all = first_events(&pair, &Request::PollEvents(PollEvents::default()));
    assert!(all.len() > 5);
    let from = &all[3];
    let polls = [
        PollEvents {
            after: 3,
            ..PollEvents::default()
        },
        PollEvents {
            since: from.time,
            from_there: true,
            ..PollEvents::default()
        },
    ];
    for poll in polls {
        assert_eq!(first_events(&pair, &Request::PollEvents(poll)), all[3..]);
    }
    let subscribe = |after, since| Request::Subscribe(Subscribe { after, since });
    assert_eq!(
        first_events(&pair, &subscribe(Some(3), wire::Time::NEVER)),
        all[3..]
    );
    assert_eq!(first_events(&pair, &subscribe(None, from.time)), all[3..]);
    assert_eq!(first_events(&pair, &subscribe(Some(4), from.time)), all[4..]);
}
