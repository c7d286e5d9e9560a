use wire::network::NetworkInfo;
use wire::spec::Pair;
use wire::{Info, NetworkId};

use super::*;

const ID: &str = "a71cf870b46838b452778eef36b911ef4bd00eee3721ce30bdb3c6f947085443";
const NOW: Time = Time(1_795_313_600_000_000_000);

fn networks() -> Networks {
    Networks::new(&Info {
        host_id: "00".repeat(32),
        ..Info::default()
    })
}

fn event(kind: EventKind, action: Action, actor: &str, attributes: &[(&str, &str)]) -> Event {
    Event {
        sequence: 7,
        time: Time(1_795_313_503_460_226_737),
        kind,
        action,
        actor: actor.into(),
        attributes: attributes
            .iter()
            .map(|(key, value)| Pair::new(*key, *value))
            .collect(),
        labels: if kind == EventKind::Container {
            vec![Pair::new("team", "a")]
        } else {
            Vec::new()
        },
    }
}

fn container(action: Action, more: &[(&str, &str)]) -> Event {
    let mut attributes = vec![
        ("name", "web"),
        ("image", "bb:1"),
        ("runtime", "embedded"),
        ("pid", "42"),
    ];
    attributes.extend(more);
    event(EventKind::Container, action, ID, &attributes)
}

#[track_caller]
fn check(event: &Event, expected: &str) {
    let line = render(event, &networks(), false);
    assert_eq!(std::str::from_utf8(&line).unwrap(), expected);
}

fn container_line(action: &str, attributes: &str) -> String {
    format!(
        r#"{{"status":"{action}","id":"{ID}","from":"bb:1","Type":"container","Action":"{action}","Actor":{{"ID":"{ID}","Attributes":{{{attributes}}}}},"scope":"local","time":1795313503,"timeNano":1795313503460226737}}"#
    ) + "\n"
}

#[test]
fn containers_events_are_lines_of_docker() {
    let base = r#""image":"bb:1","name":"web","team":"a""#;
    check(
        &container(Action::Start, &[("restart_count", "2")]),
        &container_line("start", base),
    );
    check(
        &container(
            Action::Die,
            &[
                ("exit_code", "137"),
                ("run_seconds", "3"),
                ("oom", "1"),
                ("found_later", "1"),
            ],
        ),
        &container_line("die", &format!(r#""execDuration":"3","exitCode":"137",{base}"#)),
    );
    check(
        &container(Action::Die, &[]),
        &container_line("die", &format!(r#""exitCode":"255",{base}"#)),
    );
    check(
        &container(Action::Kill, &[("signal", "15")]),
        &container_line("kill", r#""image":"bb:1","name":"web","signal":"15","team":"a""#),
    );
    check(
        &container(Action::Rename, &[("old_name", "old")]),
        &container_line(
            "rename",
            r#""image":"bb:1","name":"web","oldName":"/old","team":"a""#,
        ),
    );
}

#[test]
fn what_happens_inside_says_what_it_was() {
    let base = r#""image":"bb:1","name":"web","team":"a""#;
    let exec = [("exec", "e1"), ("command", "sh -c 'x'")];
    let with_id = r#""execID":"e1","image":"bb:1","name":"web","team":"a""#;
    for (action, word) in [
        (Action::ExecCreate, "exec_create"),
        (Action::ExecStart, "exec_start"),
    ] {
        let event = container(action, &exec);
        check(&event, &container_line(&format!("{word}: sh -c 'x'"), with_id));
    }
    check(
        &container(Action::ExecDie, &[("exec", "e1"), ("exit_code", "3")]),
        &container_line("exec_die", &format!(r#""execID":"e1","exitCode":"3",{base}"#)),
    );
    let healthy = container(Action::HealthStatus, &[("health", "healthy")]);
    check(&healthy, &container_line("health_status: healthy", base));
    check(
        &container(Action::Resize, &[("rows", "10"), ("columns", "20")]),
        &container_line(
            "resize",
            r#""height":"10","image":"bb:1","name":"web","team":"a","width":"20""#,
        ),
    );
    check(
        &container(Action::Commit, &[("comment", "why")]),
        &container_line("commit", &format!(r#""comment":"why",{base}"#)),
    );
    for (action, word) in [
        (Action::ReadArchive, "archive-path"),
        (Action::WriteArchive, "extract-to-dir"),
    ] {
        check(
            &container(action, &[("path", "/x")]),
            &container_line(word, r#""image":"bb:1","name":"web","path":"/x","team":"a""#),
        );
    }
    check(&container(Action::Export, &[]), &container_line("export", base));
    let passes = |filter: &str| {
        let query = format!(r#"filters={{"event":["{filter}"]}}"#);
        let query = EventQuery::parse(&Query::parse(Some(&query)), NOW).unwrap();
        query.matches(&healthy, &networks())
    };
    assert!(passes("health_status") && passes("health_status: healthy"));
    assert!(!passes("health_status: unhealthy") && !passes("health"));
}

#[test]
fn networks_and_images_have_their_own_shape() {
    let connect = event(
        EventKind::Network,
        Action::Connect,
        "none",
        &[("container", ID), ("network_kind", "none")],
    );
    let network = "3e".repeat(32);
    check(
        &connect,
        &format!(
            r#"{{"Type":"network","Action":"connect","Actor":{{"ID":"{network}","Attributes":{{"container":"{ID}","name":"none","type":"null"}}}},"scope":"local","time":1795313503,"timeNano":1795313503460226737}}{}"#,
            "\n"
        ),
    );
    let untag = event(EventKind::Image, Action::Untag, ID, &[("name", "bb:latest")]);
    check(
        &untag,
        &format!(
            r#"{{"status":"untag","id":"sha256:{ID}","Type":"image","Action":"untag","Actor":{{"ID":"sha256:{ID}","Attributes":{{"name":"bb:latest"}}}},"scope":"local","time":1795313503,"timeNano":1795313503460226737}}{}"#,
            "\n"
        ),
    );
    let import = event(EventKind::Image, Action::Import, ID, &[("name", ID)]);
    check(
        &import,
        &format!(
            r#"{{"status":"import","id":"sha256:{ID}","Type":"image","Action":"import","Actor":{{"ID":"sha256:{ID}","Attributes":{{"name":"sha256:{ID}"}}}},"scope":"local","time":1795313503,"timeNano":1795313503460226737}}{}"#,
            "\n"
        ),
    );
}

#[test]
fn a_network_with_a_name_of_its_own_is_found_by_it() {
    let networks = Networks::new(&Info {
        networks: vec![NetworkInfo {
            id: NetworkId([0xa1; 32]),
            name: "pool".into(),
            ..NetworkInfo::default()
        }],
        ..Info::default()
    });
    #[track_caller]
    fn check(networks: &Networks, actor: &str, attributes: &[(&str, &str)], expected: (&str, &str, &str)) {
        let event = event(EventKind::Network, Action::Connect, actor, attributes);
        let line = render(&event, networks, false);
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let actor = &line["Actor"];
        let shown = [
            &actor["ID"],
            &actor["Attributes"]["name"],
            &actor["Attributes"]["type"],
        ];
        let (id, name, kind) = expected;
        assert_eq!(shown, [id, name, kind]);
    }
    let id = "a1".repeat(32);
    let named = [("name", "pool"), ("network_kind", "bridge")];
    check(&networks, "pool", &named, (&id, "pool", "bridge"));
    check(&networks, "pool", &[], (&id, "pool", "bridge"));
    check(&networks, &id, &[], (&id, "pool", "bridge"));
    // One that is gone keeps what was told of it, and is not taken for another.
    let gone = [("name", "gone"), ("network_kind", "bridge")];
    check(&networks, "gone", &gone, ("gone", "gone", "bridge"));
    check(&networks, "gone", &[], ("gone", "gone", "null"));
    let pool = event(EventKind::Network, Action::Disconnect, "pool", &named);
    for (wanted, expected) in [("pool", true), ("a1a1", true), ("bridge", false)] {
        let query = format!(r#"filters={{"network":["{wanted}"]}}"#);
        let query = EventQuery::parse(&Query::parse(Some(&query)), NOW).unwrap();
        assert_eq!(query.matches(&pool, &networks), expected, "{wanted}");
    }
}

#[test]
fn what_docker_has_no_word_for_is_not_shown() {
    for action in [Action::Start, Action::Stop] {
        let start = event(EventKind::Daemon, action, "host", &[]);
        check(&start, "");
        assert!(!EventQuery::default().matches(&start, &networks()));
    }
    check(&container(Action::Unknown(99), &[]), "");
}

#[test]
fn a_place_is_shown_to_those_who_ask() {
    let mut start = container(Action::Start, &[]);
    start.sequence = 71;
    let line = render(&start, &networks(), true);
    assert!(std::str::from_utf8(&line).unwrap().contains(r#""cursor":"71""#));
}

#[test]
fn cursors() {
    #[track_caller]
    fn check(query: &str, expected: Result<Option<Option<u64>>, u16>) {
        let parsed = EventQuery::parse(&Query::parse(Some(query)), NOW);
        assert_eq!(
            parsed.map(|query| query.cursor).map_err(|error| error.status),
            expected,
            "{query}"
        );
    }
    check("", Ok(None));
    check("cursor", Ok(Some(None)));
    check("cursor=", Ok(Some(None)));
    check("cursor=0", Ok(Some(Some(0))));
    check("cursor=71&until=10s", Ok(Some(Some(71))));
    check("cursor=&since=5", Ok(Some(None)));
    check("cursor=71&since=5", Err(400));
    check("cursor=-1", Err(400));
    check("cursor=last", Err(400));
}

#[test]
fn bollard_reads_what_is_written() {
    let line = render(&container(Action::Start, &[]), &networks(), false);
    let read: bollard_stubs::models::EventMessage = serde_json::from_slice(&line).unwrap();
    assert_eq!(read.action.as_deref(), Some("start"));
}

#[test]
fn filters_let_pass_what_docker_lets_pass() {
    #[track_caller]
    fn check(filters: &str, event: &Event, expected: bool) {
        let text = format!("filters={filters}");
        let query = EventQuery::parse(&Query::parse(Some(&text)), NOW).unwrap();
        assert_eq!(query.matches(event, &networks()), expected, "{filters}");
    }
    let start = container(Action::Start, &[]);
    let connect = event(
        EventKind::Network,
        Action::Connect,
        "bridge",
        &[("container", ID)],
    );
    let tag = event(EventKind::Image, Action::Tag, ID, &[("name", "bb:1")]);
    for (filters, on_start, on_connect, on_tag) in [
        ("", true, true, true),
        (r#"{"type":["container"]}"#, true, false, false),
        (r#"{"type":["network","image"]}"#, false, true, true),
        (r#"{"event":["start","tag"]}"#, true, false, true),
        (r#"{"container":{"web":true}}"#, true, false, false),
        (r#"{"container":["we"]}"#, true, false, false),
        (r#"{"container":["a71cf870"]}"#, true, false, false),
        (r#"{"container":["other"]}"#, false, false, false),
        (r#"{"network":["bridge"]}"#, false, true, false),
        (r#"{"network":["5b5b"]}"#, false, true, false),
        (r#"{"image":["bb:1"]}"#, true, false, true),
        (r#"{"image":["bb"]}"#, true, false, true),
        (r#"{"image":["b"]}"#, false, false, false),
        (r#"{"label":["team"]}"#, true, false, false),
        (r#"{"label":["team=a","image=bb:1"]}"#, true, false, false),
        (r#"{"label":["team=b"]}"#, false, false, false),
        (r#"{"scope":["local"]}"#, true, true, true),
        (r#"{"scope":["swarm"]}"#, false, false, false),
        (r#"{"daemon":["x"]}"#, false, false, false),
        (r#"{"volume":["x"]}"#, false, false, false),
    ] {
        check(filters, &start, on_start);
        check(filters, &connect, on_connect);
        check(filters, &tag, on_tag);
    }
}

#[test]
fn times_are_read_and_ordered() {
    let parse = |text: &str| EventQuery::parse(&Query::parse(Some(text)), NOW);
    let query = parse("since=1.5&until=2.5").unwrap();
    assert_eq!(
        (query.since, query.until),
        (Some(Time(1_500_000_000)), Some(Time(2_500_000_000)))
    );
    let query = parse("since=10m").unwrap();
    assert_eq!(
        (query.since, query.until),
        (Some(Time(NOW.0 - 600_000_000_000)), None)
    );
    #[track_caller]
    fn check(result: Result<EventQuery, ApiError>, expected: &str) {
        assert_eq!(result.unwrap_err(), ApiError::bad_request(expected));
    }
    check(
        parse("since=2&until=1"),
        "`since` time (2) cannot be after `until` time (1)",
    );
    check(
        parse("since=abc"),
        "strconv.ParseInt: parsing \"abc\": invalid syntax",
    );
    check(
        parse("filters={\"nonsense\":[\"x\"]}"),
        "invalid filter 'nonsense'",
    );
    check(parse("filters={bad"), "invalid filter");
}
