//! A coordinator that is killed, a node that tells too much, clocks that are wrong.

use super::{Scene, change, hear};
use crate::coordinator::state::PARTED;
use crate::coordinator::store::{EventLog as _, Happening};
use crate::node::watch;
use crate::{limits, proto};

#[tokio::test]
async fn who_was_there_when_a_coordinator_was_killed_is_told_once() {
    let scene = Scene::new().await;
    scene.connect("n1").await;
    let other = scene.connect("n2").await;
    scene.state.disconnected("n2", other.connection);
    let mut heard = scene.state.subscribe(Some(0), None);
    hear(&mut heard, &["n1 connected", "n2 connected", "n2 disconnected"]).await;
    let since = scene.state.node("n1").unwrap().connected_since;
    let parted = format!("n1 disconnected {PARTED}");
    let scene = scene.again().await;
    let n1 = scene.state.node("n1").unwrap();
    // It was there when it came, at least.
    assert!(!n1.is_connected && n1.last_seen >= since);
    let scene = scene.again().await.again().await;
    let mut heard = scene.state.subscribe(Some(3), None);
    hear(&mut heard, &[&parted]).await;
    assert_eq!(heard.position(), scene.state.last());
    // Twice killed is twice told; and who was shut out is nobody.
    scene.connect("n1").await;
    scene.connect("n2").await;
    assert_eq!(scene.state.revoke("n2").await, Ok(true));
    let scene = scene.again().await;
    let mut heard = scene.state.subscribe(Some(4), None);
    hear(
        &mut heard,
        &["n1 connected", "n2 connected", "n2 revoked", &parted],
    )
    .await;
    assert_eq!(heard.position(), scene.state.last());
}

#[tokio::test]
async fn a_node_has_no_more_memory_than_it_may() {
    let scene = Scene::new().await;
    scene.connect("n1").await;
    let large = |id: &str, bytes: usize| proto::Container {
        labels: [("a".to_owned(), "x".repeat(bytes))].into(),
        ..Scene::container(id, "running")
    };
    let held = || scene.state.node("n1").unwrap().containers.bytes();
    let told = async |number: u64, id: &str, bytes: usize| {
        let mut told = change(number, i64::try_from(number).unwrap(), id, "running");
        told.container = Some(large(id, bytes));
        scene.state.ingest("n1", vec![told]).await.unwrap();
    };
    let most = limits::MAP_BYTES - 1;
    for number in 0..1000 {
        told(number, &format!("c{number}"), most).await;
    }
    let count = scene.containers("n1").len();
    assert!(
        count * most > limits::NODE_CONTAINERS_BYTES / 2 && count < 1000,
        "{count}"
    );
    assert!(held() <= limits::NODE_CONTAINERS_BYTES);
    // One that becomes smaller leaves room for another.
    told(2000, "c0", 1).await;
    told(2001, "d", most).await;
    assert!(scene.containers("n1").iter().any(|(id, _)| id == "d"));
    assert!(held() <= limits::NODE_CONTAINERS_BYTES);
    let all = (0..1000)
        .map(|number| large(&format!("e{number}"), most))
        .collect();
    scene.state.snapshot("n1", all).await.unwrap();
    assert!(held() <= limits::NODE_CONTAINERS_BYTES && scene.containers("n1").len() == count);
    scene.state.snapshot("n1", Vec::new()).await.unwrap();
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn an_engine_an_hour_off_loses_nothing_and_doubles_nothing() {
    const S: i64 = 1_000_000_000;
    const HOUR: i64 = 3600 * S;
    let scene = Scene::new().await;
    let now = super::super::now();
    let mut told = 0;
    // Of each engine's clock; it is cut off after every second event, and tells all that it is asked for.
    let check = async |node_id: &str, skew: i64, told: &mut usize| {
        let times: Vec<i64> = (0..60).map(|second| now + skew + second * S / 2).collect();
        for cut in (2..=times.len()).step_by(2) {
            let since = scene.connect(node_id).await.since_time_nano;
            // By the clock of a node that is on the engine's machine, and by that of one that is not.
            for clock in [times[cut - 1], times[cut - 1] - skew] {
                let asks = watch::since(since.saturating_add(10 * S), clock);
                let changes = times.iter().take(cut).filter(|time| **time >= asks);
                let changes = changes.map(|time| change(1, *time, "c1", "running"));
                scene.state.ingest(node_id, changes.collect()).await.unwrap();
            }
            *told += 2;
            let page = scene.store.read(0, 10_000, None).await.unwrap();
            let events = page.entries.iter();
            let events = events.filter(|(_, entry)| matches!(entry.what, Happening::Event { .. }));
            assert_eq!(events.count(), *told, "{node_id} {cut}");
        }
    };
    check("n1", HOUR, &mut told).await;
    check("n2", -HOUR, &mut told).await;
}
