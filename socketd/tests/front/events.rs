//! `/events`: no gap, nothing twice, in order, whatever happens to the bridge.

use axum::http::StatusCode;
use wire::{Action, Opcode, Request, Response};

use crate::client::{Raw, Served, ask, entry};
use crate::stand_in::{StandIn, Verdict};

/// The names of the events in an NDJSON body.
fn names(body: &str) -> Vec<String> {
    let event = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["Actor"]["Attributes"]["name"].as_str().unwrap().to_owned()
    };
    body.lines()
        .filter(|line| line.starts_with('{'))
        .map(event)
        .collect()
}

async fn reader(served: &Served, query: &str) -> Raw {
    let mut raw = served.connect().await;
    raw.write(&format!("GET /events{query} HTTP/1.1\r\nHost: x\r\n\r\n"))
        .await;
    // The headers come before any event does.
    let head = raw.expect("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("application/json"), "{head}");
    raw
}

/// Reads until the event of this name, and answers the names of all on the way.
async fn names_until(raw: &mut Raw, name: &str) -> Vec<String> {
    let mut seen = raw.expect(&format!("\"name\":\"{name}\"")).await;
    seen += &raw.expect("}\n").await;
    names(&seen)
}

#[tokio::test]
async fn the_past_ends_by_itself() {
    let stand_in = StandIn::running();
    for number in 1..=600 {
        stand_in.happen(Action::Start, &format!("e{number}"));
    }
    let (entry, _teller) = entry(&stand_in);
    let check = async |query: &str, first: u64, last: u64| {
        let reply = ask(&entry, "GET", &format!("/events?{query}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{query}: {}", reply.body);
        let expected: Vec<_> = (first..=last).map(|number| format!("e{number}")).collect();
        assert_eq!(names(&reply.body), expected, "{query}");
    };
    // Event n happened in second 1000 + n.
    check("since=0&until=5000", 1, 600).await;
    check("since=1003&until=1005", 3, 5).await;
    check("since=1003.5&until=1004.5", 4, 4).await;
    check("until=1002", 1, 2).await;
    assert_eq!(stand_in.count(Opcode::Subscribe), 0);
    let reply = ask(&entry, "GET", "/events?since=2&until=1").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_the_bridge_there_is_no_stream() {
    let stand_in = StandIn::new();
    let (entry, _teller) = entry(&stand_in);
    for path in ["/events", "/events?since=1", "/events?until=1"] {
        let reply = ask(&entry, "GET", path).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(reply.message().contains("socketd-bridge"), "{path}");
    }
}

#[tokio::test]
async fn one_subscription_while_anybody_reads_and_none_after() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    stand_in.happen(Action::Start, "before");
    let mut one = reader(&served, "").await;
    let mut two = reader(&served, "?since=1").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    stand_in.happen(Action::Die, "now");
    assert_eq!(names_until(&mut one, "now").await, ["now"]);
    assert_eq!(names_until(&mut two, "now").await, ["before", "now"]);
    drop(one);
    stand_in.happen(Action::Start, "later");
    assert_eq!(names_until(&mut two, "later").await, ["later"]);
    assert_eq!(stand_in.count(Opcode::Subscribe), 1);
    drop(two);
    stand_in.until(|world| world.subscriptions == 0).await;
    let mut three = reader(&served, "").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    stand_in.happen(Action::Start, "again");
    assert_eq!(names_until(&mut three, "again").await, ["again"]);
    served.end().await;
    assert!(
        three.end().await.ends_with("0\r\n\r\n"),
        "the stream ends in order"
    );
}

#[tokio::test]
async fn events_during_the_catching_up_come_once() {
    let stand_in = StandIn::running();
    for number in 1..=300 {
        stand_in.happen(Action::Start, &format!("e{number}"));
    }
    let served = Served::new(&stand_in).await;
    // Things go on happening while the reader is still in the journal.
    let happenings = stand_in.happenings();
    let polls = std::sync::atomic::AtomicU64::new(0);
    stand_in.script(move |request, _| {
        if matches!(request, Request::PollEvents(_)) {
            let poll = polls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if poll < 5 {
                happenings.happen(Action::Start, &format!("e{}", 301 + poll));
            }
        }
        Verdict::Pass
    });
    let mut raw = reader(&served, "?since=1").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    let mut seen = names_until(&mut raw, "e300").await;
    stand_in.unscript();
    stand_in.happen(Action::Start, "last");
    seen.extend(names_until(&mut raw, "last").await);
    let happened: Vec<_> = stand_in.world(|world| {
        let events = world.events.iter();
        events
            .map(|event| event.attribute("name").unwrap().to_owned())
            .collect()
    });
    assert_eq!(seen, happened);
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_when_the_bridge_returns() {
    let mut stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut raw = reader(&served, "").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    stand_in.happen(Action::Start, "one");
    assert_eq!(names_until(&mut raw, "one").await, ["one"]);
    stand_in.down();
    stand_in.happen(Action::Die, "two");
    stand_in.happen(Action::Start, "three");
    stand_in.up();
    stand_in.happen(Action::Die, "four");
    assert_eq!(names_until(&mut raw, "four").await, ["two", "three", "four"]);
    let positions = stand_in.world(|world| {
        let asked = world.asked.iter();
        asked
            .filter_map(|asked| match asked {
                Request::Subscribe(subscribe) => Some(subscribe.after),
                _ => None,
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(positions, [Some(0), Some(1)]);
}

#[tokio::test]
async fn a_bridge_that_cannot_wait_loses_nothing() {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.lag_after = Some(3));
    let served = Served::new(&stand_in).await;
    let mut raw = reader(&served, "").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    for number in 1..=9 {
        stand_in.happen(Action::Start, &format!("e{number}"));
    }
    let expected: Vec<_> = (1..=9).map(|number| format!("e{number}")).collect();
    assert_eq!(names_until(&mut raw, "e9").await, expected);
}

#[tokio::test]
async fn a_reader_far_behind_goes_back_to_the_journal() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut slow = reader(&served, "").await;
    let mut quick = reader(&served, "").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    // More than the ring holds and more than the socket takes while nobody reads.
    let long = "x".repeat(1000);
    let count = socketd::limits::FEED_EVENTS_MAX * 4;
    for number in 1..=count {
        stand_in.happen(Action::Start, &format!("e{number}-{long}"));
    }
    let expected: Vec<_> = (1..=count).map(|number| format!("e{number}-{long}")).collect();
    assert_eq!(names_until(&mut quick, &expected[count - 1]).await, expected);
    assert_eq!(names_until(&mut slow, &expected[count - 1]).await, expected);
}

#[tokio::test]
async fn a_stream_with_an_end_in_the_future_ends_then() {
    let stand_in = StandIn::running();
    stand_in.happen(Action::Start, "old");
    let served = Served::new(&stand_in).await;
    let until = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap() + std::time::Duration::from_millis(700);
    let query = format!("?since=1&until={}.{:09}", until.as_secs(), until.subsec_nanos());
    let mut raw = reader(&served, &query).await;
    assert_eq!(names_until(&mut raw, "old").await, ["old"]);
    raw.expect("0\r\n\r\n").await;
    assert!(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap() >= until);
    stand_in.until(|world| world.subscriptions == 0).await;
}

#[tokio::test]
async fn another_journal_ends_the_streams() {
    let mut stand_in = StandIn::running();
    for number in 1..=5 {
        stand_in.happen(Action::Start, &format!("e{number}"));
    }
    let served = Served::new(&stand_in).await;
    let mut raw = reader(&served, "").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    stand_in.down();
    stand_in.world(|world| world.events.clear());
    stand_in.up();
    // Numbers of another journal mean nothing.
    assert_eq!(raw.expect("0\r\n\r\n").await, "0\r\n\r\n");
}

#[tokio::test]
async fn nonsense_on_the_subscription_is_not_believed() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let first = std::sync::atomic::AtomicBool::new(true);
    stand_in.script(move |request, peer| {
        let subscribing = matches!(request, Request::Subscribe(_));
        if subscribing && first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            peer.answer(&Response::Pong(wire::request::Nothing {}));
            return Verdict::Answered;
        }
        Verdict::Pass
    });
    let mut raw = reader(&served, "").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    stand_in.happen(Action::Start, "real");
    assert_eq!(names_until(&mut raw, "real").await, ["real"]);
}

#[tokio::test]
async fn a_reader_that_comes_back_with_a_time_misses_nothing_a_span_of_time_is_one() {
    let stand_in = StandIn::running();
    for number in 1..=6 {
        stand_in.happen(Action::Start, &format!("e{number}"));
    }
    // The wall clock stepped back by ten minutes before the fifth.
    stand_in.world(|world| {
        for event in world.events.iter_mut().skip(4) {
            event.time.0 -= 600_000_000_000;
        }
    });
    let served = Served::new(&stand_in).await;
    let mut raw = reader(&served, "?since=1003").await;
    assert_eq!(names_until(&mut raw, "e6").await, ["e3", "e4", "e5", "e6"]);
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/events?since=1003&until=2000").await;
    assert_eq!(names(&reply.body), ["e3", "e4"]);
}

#[tokio::test]
async fn a_cursor_goes_on_exactly_behind_it() {
    let stand_in = StandIn::running();
    for number in 1..=600 {
        stand_in.happen(Action::Start, &format!("e{number}"));
    }
    let (entry, _teller) = entry(&stand_in);
    let get = async |query: &str| ask(&entry, "GET", &format!("/events?{query}")).await;
    let reply = get("cursor=597&until=5000").await;
    assert_eq!(names(&reply.body), ["e598", "e599", "e600"]);
    assert!(reply.body.contains(r#""cursor":"598""#), "{}", reply.body);
    let reply = get("cursor&since=1600&until=5000").await;
    assert!(reply.body.contains(r#""cursor":"600""#), "{}", reply.body);
    let reply = get("since=1600&until=5000").await;
    assert!(!reply.body.contains("cursor"), "{}", reply.body);
    let check = async |query: &str, status: StatusCode, words: &str| {
        let reply = get(query).await;
        assert_eq!(reply.status, status, "{query}");
        assert!(reply.message().contains(words), "{query}: {}", reply.message());
    };
    check(
        "cursor=601",
        StatusCode::BAD_REQUEST,
        "beyond the last event, 600",
    )
    .await;
    check("cursor=x", StatusCode::BAD_REQUEST, "no place").await;
    check("cursor=5&since=1", StatusCode::BAD_REQUEST, "exclude").await;
    stand_in.world(|world| world.forgotten = 100);
    check("cursor=99", StatusCode::GONE, "the oldest that is kept is 101").await;
    assert_eq!(names(&get("cursor=100&until=1101").await.body), ["e101"]);
    // A time reaches back as far as events are kept.
    assert_eq!(names(&get("since=0&until=1101").await.body), ["e101"]);
}

#[tokio::test]
async fn a_stream_whose_next_events_are_gone_breaks_off() {
    let mut stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut raw = reader(&served, "").await;
    stand_in.until(|world| world.subscriptions == 1).await;
    stand_in.happen(Action::Start, "one");
    assert_eq!(names_until(&mut raw, "one").await, ["one"]);
    stand_in.down();
    for number in 2..=9 {
        stand_in.happen(Action::Start, &format!("e{number}"));
    }
    stand_in.world(|world| {
        world.forgotten = 5;
        world.lag_after = Some(0);
    });
    stand_in.up();
    let rest = raw.end().await;
    assert!(!rest.contains("e6") && !rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn the_media_type_is_the_client_s_choice() {
    let stand_in = StandIn::running();
    stand_in.happen(Action::Start, "one");
    let served = Served::new(&stand_in).await;
    for (accept, expected, before) in [
        ("*/*", "application/json\r", "{"),
        ("application/x-ndjson", "application/x-ndjson\r", "{"),
        ("application/jsonl", "application/jsonl\r", "{"),
        ("application/json-seq", "application/json-seq\r", "\x1e{"),
    ] {
        let mut raw = served.connect().await;
        raw.write(&format!(
            "GET /events?since=1&until=2000 HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n"
        ))
        .await;
        let answer = raw.expect("0\r\n\r\n").await.to_lowercase();
        assert!(answer.contains(&format!("content-type: {expected}")), "{answer}");
        assert!(answer.contains(&format!("\r\n{before}\"status\"")), "{answer}");
    }
}

#[tokio::test]
async fn a_thousand_readers() {
    const READERS: usize = 1000;
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(reader(&served, "").await);
    }
    stand_in.until(|world| world.subscriptions == 1).await;
    for number in 1..=3 {
        stand_in.happen(Action::Start, &format!("e{number}"));
    }
    for raw in &mut readers {
        assert_eq!(names_until(raw, "e3").await, ["e1", "e2", "e3"]);
    }
    assert_eq!(stand_in.count(Opcode::Subscribe), 1);
}
