//! Readers: those that keep up, those that do not, those that come back, and those that ask for anything.

use std::time::Duration;

use tokio::time::timeout;

use super::{Scene, change, hear, told};
use crate::coordinator::state::SubscriptionError;
use crate::coordinator::store::Retention;
use crate::limits;

const MANY: u64 = limits::RECENT_MAX as u64 + 1500;

/// Tells so many events, and gives the number of the first.
async fn flood(scene: &Scene, count: u64) -> u64 {
    scene.connect("n1").await;
    let first = scene.state.last() + 1;
    let changes: Vec<_> = (0..count)
        .map(|number| change(number, i64::try_from(number).unwrap(), "c1", "running"))
        .collect();
    for some in changes.chunks(500) {
        scene.state.ingest("n1", some.to_vec()).await.unwrap();
    }
    first
}

#[tokio::test]
async fn one_that_is_slow_reads_everything_and_nobody_waits_for_it() {
    let scene = Scene::new().await;
    let (mut slow, mut of_other) = (
        scene.state.subscribe(None, None),
        scene.state.subscribe(None, Some("n2")),
    );
    flood(&scene, MANY).await;
    scene.connect("n2").await;
    for sequence in 1..=scene.state.last() {
        assert_eq!(slow.next().await.unwrap().sequence, sequence);
    }
    assert_eq!(slow.position(), scene.state.last());
    assert_eq!(told(&of_other.next().await.unwrap()), "n2 connected");
    assert_eq!(of_other.position(), scene.state.last());
}

#[tokio::test]
async fn one_that_reads_while_it_happens_has_no_hole() {
    let scene = Scene::new().await;
    let mut reader = scene.state.subscribe(Some(0), None);
    let reading = tokio::spawn(async move {
        for sequence in 1..=MANY {
            assert_eq!(reader.next().await.unwrap().sequence, sequence);
        }
    });
    flood(&scene, MANY).await;
    reading.await.unwrap();
}

#[tokio::test]
async fn one_that_comes_back_goes_on() {
    let scene = Scene::new().await;
    scene.connect("n1").await;
    scene
        .state
        .ingest(
            "n1",
            vec![change(1, 5, "c1", "running"), change(2, 6, "c2", "running")],
        )
        .await
        .unwrap();
    for after in 0..=scene.state.last() {
        let mut reader = scene.state.subscribe(Some(after), None);
        let all = ["n1 connected", "n1 event c1 5 running", "n1 event c2 6 running"];
        hear(&mut reader, &all[usize::try_from(after).unwrap()..]).await;
        assert!(timeout(Duration::ZERO, reader.next()).await.is_err());
    }
    let scene = scene.again().await;
    let mut reader = scene.state.subscribe(Some(1), Some("n1"));
    assert_eq!(told(&reader.next().await.unwrap()), "n1 event c1 5 running");
}

#[tokio::test]
async fn one_that_asks_for_what_is_no_longer_there_is_told() {
    let few = Retention {
        entries: 100,
        ..Retention::default()
    };
    let scene = Scene::keeping(few).await;
    flood(&scene, MANY).await;
    let last = scene.state.last();
    let first = last - 99;
    // Numbers in memory are there as long as they are in memory.
    let recent = last - limits::RECENT_MAX as u64;
    let check = async |after: u64, expected: Result<u64, u64>| {
        let mut reader = scene.state.subscribe(Some(after), None);
        let found = match reader.next().await {
            Ok(next) => Ok(next.sequence),
            Err(SubscriptionError::Lost(next)) => Err(next),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(found, expected, "{after}");
        if let Err(next) = expected
            && next <= last
        {
            assert_eq!(reader.next().await.unwrap().sequence, next);
        }
    };
    check(0, Ok(first)).await;
    check(1, Err(first)).await;
    check(recent - 1, Err(first)).await;
    check(recent, Ok(recent + 1)).await;
    check(last - 1, Ok(last)).await;
    check(last + 1, Err(last + 1)).await;
    check(u64::MAX, Err(last + 1)).await;
}

#[tokio::test]
async fn what_a_reader_does_not_wait_for_it_does_not_lose() {
    let scene = Scene::new().await;
    let mut reader = scene.state.subscribe(Some(0), None);
    flood(&scene, MANY).await;
    let mut sequence = 0;
    // Each wait is given up at its first chance, while the log is being read.
    while sequence < MANY {
        sequence += 1;
        let next = match timeout(Duration::ZERO, reader.next()).await {
            Ok(next) => next,
            Err(_given_up) => reader.next().await,
        };
        assert_eq!(next.unwrap().sequence, sequence);
    }
}
