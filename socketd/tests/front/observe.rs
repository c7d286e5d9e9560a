//! What those see who look after socketd: health and numbers.

use axum::http::StatusCode;
use wire::{Action, Opcode, Request, Response, Status};

use crate::client::{Raw, Reply, Served, ask, entry};
use crate::stand_in::{StandIn, Verdict, image, summary};

async fn health(stand_in: &StandIn) -> (StatusCode, serde_json::Value) {
    let (entry, _teller) = entry(stand_in);
    let reply = ask(&entry, "GET", "/_socketd/health").await;
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

#[tokio::test]
async fn health_says_what_is_amiss() {
    let mut stand_in = StandIn::running();
    stand_in.happen(Action::Start, "c");
    let (status, health_now) = health(&stand_in).await;
    assert_eq!(status, StatusCode::OK, "{health_now}");
    assert_eq!(health_now["status"], "ok");
    assert_eq!(health_now["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health_now["bridge"]["reachable"], true);
    assert_eq!(health_now["journal"]["last_sequence"], 1);
    assert!(
        health_now["since"].as_str().unwrap().ends_with('Z'),
        "{health_now}"
    );

    stand_in.script(|request, peer| match request {
        Request::Info(_) => {
            let mut info = wire::Info::default();
            info.journal.failure = "the disk is full".to_owned();
            peer.answer(&Response::Info(Box::new(info)));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (status, health_now) = health(&stand_in).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health_now["status"], "degraded");
    assert_eq!(health_now["journal"]["failure"], "the disk is full");
    assert_eq!(health_now["bridge"]["reachable"], true);

    stand_in.down();
    let (status, health_now) = health(&stand_in).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health_now["bridge"]["reachable"], false);
    let error = health_now["bridge"]["error"].as_str().unwrap();
    assert!(error.starts_with("socketd-bridge is not running"), "{error}");
    assert!(health_now.get("journal").is_none());
}

#[tokio::test]
async fn a_bridge_that_stalls_is_not_healthy_for_long() {
    let stand_in = StandIn::running();
    stand_in.script(|_, peer| {
        peer.wait_for_end();
        Verdict::Close
    });
    let (entry, _teller) = entry(&stand_in);
    for path in ["/_socketd/health", "/metrics"] {
        let before = stand_in.world(|world| world.asked.len());
        let answered = ask(&entry, "GET", path);
        tokio::pin!(answered);
        tokio::select! {
            reply = &mut answered => panic!("{path}: {reply:?}"),
            () = stand_in.until(|world| world.asked.len() > before) => {}
        }
        let begun = tokio::time::Instant::now();
        tokio::time::pause();
        let reply = answered.await;
        assert!(begun.elapsed() <= socketd::limits::HEALTH_TIME_MAX * 2, "{path}");
        tokio::time::resume();
        if path == "/metrics" {
            assert!(reply.body.contains("\nsocketd_bridge_up 0\n"), "{}", reply.body);
            assert!(
                !reply.body.contains("socketd_containers"),
                "not known is not zero"
            );
        } else {
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}

/// Holds the text against the format's grammar, as far as it is used.
fn check_format(text: &str) {
    let mut families: Vec<&str> = Vec::new();
    let mut samples = std::collections::HashSet::new();
    assert!(text.ends_with("\n# EOF\n"));
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(!families.contains(&name), "{name} stands twice");
            families.push(name);
            continue;
        }
        if line.starts_with("# ") {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        let family = families.last().unwrap();
        assert!(name.starts_with(family), "{line} stands under {family}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(samples.insert(sample), "{sample} stands twice");
    }
}

#[track_caller]
fn expect(reply: &Reply, lines: &[&str]) {
    for line in lines {
        assert!(
            reply.body.lines().any(|one| one == *line),
            "no line {line} in\n{}",
            reply.body
        );
    }
}

#[tokio::test]
async fn everything_has_its_number() {
    let stand_in = StandIn::running();
    stand_in.world(|world| {
        world.containers = vec![summary(1, "a"), summary(2, "b"), summary(3, "c")];
        world.containers[0].state.status = Status::Running;
        world.containers[1].state.status = Status::Running;
        world.containers[2].state.status = Status::Exited;
        world.images = vec![image(1, "one:latest")];
    });
    for _ in 0..3 {
        stand_in.happen(Action::Start, "a");
    }
    let (entry, _teller) = entry(&stand_in);
    for (method, path) in [
        ("GET", "/containers/json"),
        ("GET", "/v1.41/containers/json"),
        ("GET", "/containers/a/json"),
        ("GET", "/containers/nosuch/json"),
        ("POST", "/volumes/create"),
        ("GET", "/v9.9/info"),
        ("BREW", "/containers/json"),
        ("GET", "/no/such/page?x=1"),
        ("GET", "/containers/a\"b\\/json"),
    ] {
        ask(&entry, method, &path.replace('"', "%22").replace('\\', "%5C")).await;
    }
    let reply = ask(&entry, "GET", "/metrics").await;
    assert_eq!(reply.status, StatusCode::OK);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.headers["content-type"], content_type);
    check_format(&reply.body);
    expect(
        &reply,
        &[
            "socketd_requests_total{method=\"GET\",endpoint=\"/containers/json\",status=\"2xx\"} 2",
            "socketd_requests_total{method=\"GET\",endpoint=\"/containers/{id}/json\",status=\"4xx\"} 2",
            "socketd_requests_total{method=\"POST\",endpoint=\"/volumes/create\",status=\"5xx\"} 1",
            "socketd_requests_total{method=\"other\",endpoint=\"other\",status=\"4xx\"} 3",
            "socketd_request_seconds_count{method=\"GET\",endpoint=\"/containers/json\"} 2",
            "socketd_bridge_up 1",
            "socketd_containers{state=\"running\"} 2",
            "socketd_containers{state=\"exited\"} 1",
            "socketd_containers{state=\"paused\"} 0",
            "socketd_images 1",
            "socketd_journal_last_sequence 3",
            "socketd_journal_failed 0",
            "socketd_events_fed_total 0",
            "socketd_streams{kind=\"events\"} 0",
        ],
    );
    for name in [
        "socketd_build_info{",
        "socketd_bridge_round_trip_seconds ",
        "socketd_bridge_calls_total{",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_start_time_seconds ",
    ] {
        assert!(
            reply.body.contains(&format!("\n{name}")),
            "{name}\n{}",
            reply.body
        );
    }
    // Nothing that a client wrote.
    for raw in ["nosuch", "page", "BREW", "%22"] {
        assert!(!reply.body.contains(raw), "{raw}\n{}", reply.body);
    }
}

#[tokio::test]
async fn open_connections_and_readers_are_counted_while_they_last() {
    let stand_in = StandIn::running();
    let served = Served::unix_limited(&stand_in, &["connections_per_user_max=3"]).await;
    let label = format!("{{listener=\"{}\"}}", served.place);
    let mut reader = served.connect().await;
    reader.write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    reader.expect("\r\n\r\n").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    stand_in.happen(Action::Start, "a");
    reader.expect("start").await;
    let mut observer = served.connect().await;
    let scrape = async |observer: &mut Raw| {
        observer.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        observer.expect("# EOF\n").await
    };
    let idle = served.connect().await;
    assert!(served.connect().await.end().await.starts_with("HTTP/1.1 503"));
    let text = scrape(&mut observer).await;
    for line in [
        &format!("socketd_connections{label} 3"),
        &format!("socketd_connections_turned_away_total{label} 1"),
        "socketd_streams{kind=\"events\"} 1",
        "socketd_events_fed_total 1",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
    drop((reader, idle));
    stand_in.until(|world| world.subscriptions == 0).await;
    let text = scrape(&mut observer).await;
    assert!(text.contains(&format!("socketd_connections{label} 1")), "{text}");
    assert!(text.contains("socketd_streams{kind=\"events\"} 0"), "{text}");
}

#[tokio::test]
async fn observers_have_a_door_of_their_own() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    let observers = entry.for_observers();
    ask(&entry, "GET", "/_ping").await;
    let reply = ask(&observers, "GET", "/metrics").await;
    expect(
        &reply,
        &["socketd_requests_total{method=\"GET\",endpoint=\"/_ping\",status=\"2xx\"} 1"],
    );
    assert_eq!(
        ask(&observers, "GET", "/_socketd/health").await.status,
        StatusCode::OK
    );
    for path in ["/_ping", "/containers/json", "/info", "/"] {
        let reply = ask(&observers, "GET", path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(reply.message(), "page not found", "{path}");
    }
    assert_eq!(
        stand_in.count(Opcode::ListContainers),
        1,
        "asked by the scrape alone"
    );
}

#[tokio::test]
async fn nothing_is_asked_while_nobody_scrapes() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
    raw.expect("\r\n\r\nOK").await;
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(80)).await;
    tokio::time::resume();
    assert_eq!(stand_in.world(|world| world.asked.len()), 0);
}
