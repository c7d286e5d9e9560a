//! What a coordinator hears of an engine that works, that goes away, that floods, and that says what none says.

mod engine;

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::engine::Engine;
use super::{run, since};
use crate::limits;
use crate::proto::{FromNode, from_node::Kind};

const S: i64 = 1_000_000_000;

/// Time for something to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The other end.
struct Coordinator {
    heard: mpsc::Receiver<FromNode>,
    recorded: watch::Sender<u64>,
    running: JoinHandle<()>,
}

impl Coordinator {
    fn attend(engine: &Engine, since: i64) -> Self {
        let (out, heard) = mpsc::channel(1);
        let (recorded, confirmed) = watch::channel(0);
        let running = tokio::spawn(run(engine.docker(), since, out, confirmed));
        Self {
            heard,
            recorded,
            running,
        }
    }

    /// The next message, in a few words.
    async fn next(&mut self) -> String {
        let message = timeout(PATIENCE, self.heard.recv()).await.unwrap().unwrap();
        match message.kind.unwrap() {
            Kind::Engine(engine) if engine.is_reachable => {
                format!("engine {} {}", engine.name, engine.version)
            }
            Kind::Engine(_) => "engine lost".to_owned(),
            Kind::Snapshot(snapshot) => {
                let all = snapshot
                    .containers
                    .iter()
                    .map(|one| format!(" {}={}", one.names[0], one.state));
                let end = if snapshot.is_last { "." } else { "" };
                format!("all{}{end}", all.collect::<String>())
            }
            Kind::Change(change) => {
                let event = change.event.unwrap();
                let state = change
                    .container
                    .map_or("-".to_owned(), |container| container.state);
                let gone = if change.is_gone { " gone" } else { "" };
                format!(
                    "{} {} {} {state}{gone}",
                    change.number, event.actor_id, event.action
                )
            }
            other => format!("{other:?}"),
        }
    }

    async fn hear(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.next().await, *expected);
        }
    }
}

#[tokio::test]
async fn first_what_is_there_and_then_every_change() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(dir.path());
    engine.set("c1", Some("running"));
    engine.set("c2", Some("exited"));
    engine.tell(50 * S, "c1", "start");
    let mut coordinator = Coordinator::attend(&engine, 60 * S);
    coordinator
        .hear(&["engine phone 28.0.0", "all c1=running c2=exited."])
        .await;
    engine.set("c1", Some("exited"));
    engine.tell(70 * S, "c1", "die");
    engine.tell(71 * S, "c1", "exec_create: sh -c ls");
    engine.set("c2", None);
    engine.tell(72 * S, "c2", "stop");
    engine.tell(73 * S, "c2", "destroy");
    engine.say(
        74 * S,
        r#"{"Type":"image","Action":"pull","Actor":{"ID":"alpine"},"timeNano":74000000000}"#,
    );
    // Before what was asked for, by a clock that was set back; and told as it happens.
    engine.tell(5 * S, "c1", "start");
    coordinator
        .hear(&[
            "1 c1 die exited",
            "2 c1 exec_create: sh -c ls -",
            "3 c2 stop - gone",
            "4 c2 destroy - gone",
            "5 alpine pull -",
            "6 c1 start exited",
        ])
        .await;
    assert_eq!(
        engine.asked("/v1.47/events"),
        ["/v1.47/events?since=60.000000000"]
    );
}

#[tokio::test]
async fn an_engine_that_goes_and_comes_back_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(dir.path());
    engine.set("c1", Some("running"));
    let mut coordinator = Coordinator::attend(&engine, 100 * S);
    coordinator
        .hear(&["engine phone 28.0.0", "all c1=running."])
        .await;
    engine.tell(101 * S, "c1", "start");
    engine.tell(120 * S, "c1", "pause");
    coordinator
        .hear(&["1 c1 start running", "2 c1 pause running"])
        .await;
    engine.stop();
    coordinator.hear(&["engine lost"]).await;
    engine.set("c1", Some("exited"));
    engine.tell(121 * S, "c1", "die");
    engine.resume();
    // What was told within the last ten seconds is told again, and what happened meanwhile.
    coordinator
        .hear(&[
            "engine phone 28.0.0",
            "all c1=exited.",
            "3 c1 pause exited",
            "4 c1 die exited",
        ])
        .await;
    assert_eq!(
        engine.asked("/v1.47/events").last().unwrap(),
        "/v1.47/events?since=110.000000000"
    );
}

#[tokio::test]
async fn an_engine_that_is_not_there_yet() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(dir.path());
    engine.stop();
    let mut coordinator = Coordinator::attend(&engine, 100 * S);
    coordinator.hear(&["engine lost"]).await;
    engine.resume();
    coordinator.hear(&["engine phone 28.0.0", "all."]).await;
}

#[tokio::test]
async fn no_more_is_told_than_is_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(dir.path());
    let mut coordinator = Coordinator::attend(&engine, 100 * S);
    coordinator.hear(&["engine phone 28.0.0", "all."]).await;
    let max = limits::CHANGES_UNCONFIRMED_MAX;
    for number in 1..=4 * max {
        engine.tell(200 * S + i64::try_from(number).unwrap(), "c1", "top");
    }
    for number in 1..=max {
        assert_eq!(coordinator.next().await, format!("{number} c1 top -"));
    }
    assert!(
        timeout(Duration::from_millis(50), coordinator.heard.recv())
            .await
            .is_err()
    );
    for number in max + 1..=4 * max {
        coordinator.recorded.send_replace(number - max);
        assert_eq!(coordinator.next().await, format!("{number} c1 top -"));
    }
}

#[tokio::test]
async fn many_containers_come_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(dir.path());
    for number in 0..250 {
        engine.set(&format!("c{number:03}"), Some("running"));
    }
    let mut coordinator = Coordinator::attend(&engine, 100 * S);
    coordinator.hear(&["engine phone 28.0.0"]).await;
    for (count, is_last) in [(100, false), (100, false), (50, true)] {
        let part = coordinator.next().await;
        assert_eq!(
            (part.matches('=').count(), part.ends_with('.')),
            (count, is_last),
            "{part}"
        );
    }
}

#[tokio::test]
async fn engines_that_say_what_none_says() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(dir.path());
    engine.set("c1", Some("dreaming"));
    let mut coordinator = Coordinator::attend(&engine, 100 * S);
    coordinator
        .hear(&["engine phone 28.0.0", "all c1=dreaming."])
        .await;
    for line in [
        "",
        "{",
        "null",
        "[]",
        r#"{"Type":1}"#,
        &"x".repeat(limits::EVENT_LINE_MAX * 2),
    ] {
        engine.say(200 * S, line);
    }
    // What is no id is nothing that is asked for.
    engine.tell(201 * S, "../../info?", "start");
    engine.tell(202 * S, "", "start");
    engine.tell(203 * S, "c1", "start");
    coordinator
        .hear(&["1 ../../info? start - gone", "2  start -", "3 c1 start dreaming"])
        .await;
    // One that cannot show a container is begun with anew.
    engine.answer("c1", 200, "{");
    engine.tell(204 * S, "c1", "die");
    coordinator.hear(&["engine lost"]).await;
    engine.answer("c1", 404, "{}");
    let heard = coordinator.next().await;
    assert!(heard == "engine phone 28.0.0", "{heard}");
}

#[tokio::test]
async fn it_ends_with_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(dir.path());
    let mut coordinator = Coordinator::attend(&engine, 100 * S);
    coordinator.hear(&["engine phone 28.0.0", "all."]).await;
    drop(coordinator.heard);
    timeout(PATIENCE, coordinator.running).await.unwrap().unwrap();
    engine.stop();
    let coordinator = Coordinator::attend(&engine, 100 * S);
    drop(coordinator.heard);
    timeout(PATIENCE, coordinator.running).await.unwrap().unwrap();
}

#[test]
fn from_when_on() {
    let check = |last: i64, now: i64, expected: i64| assert_eq!(since(last, now), expected, "{last} {now}");
    check(100 * S, 200 * S, 90 * S);
    check(100 * S, 90 * S, 90 * S);
    check(5 * S, 200 * S, 0);
    check(i64::MIN, 200 * S, 0);
    // Set back: by a day at most, of what is told again.
    check(1_000_000 * S, 900_000 * S, 900_000 * S - 86_400 * S);
    check(i64::MAX, 5 * S, 0);
}

#[test]
fn a_process_began_before_now() {
    let (began, now) = (super::process_began(), super::now());
    // Tests do not run for an hour.
    assert!(began <= now && now - began < 3600 * S, "{began} {now}");
}
