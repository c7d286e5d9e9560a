//! A coordinator that is killed, or whose machine loses its power, at any write or sync: what was acknowledged is
//! there, and what a node tells again afterwards is there once.

use std::collections::BTreeMap;

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;
use tokio::runtime::Runtime;

use super::disk::Disk;
use super::{event, states};
use crate::coordinator::store::embedded::file::Source;
use crate::coordinator::store::embedded::{Embedded, Retention};
use crate::coordinator::store::{Entry, EventLog as _, Happening};

const NODES: [&str; 2] = ["n1", "n2"];
const STATES: [&str; 4] = ["created", "running", "exited", ""];

pub(super) fn store(disk: &Disk) -> Embedded {
    let disk = disk.clone();
    let source = Source::new("disk".into(), move |builder| {
        builder.create_with_backend(disk.clone())
    });
    Embedded::of(source, Retention::default()).unwrap()
}

/// What a node's engine tells: the k-th event of the script.
fn told(k: usize) -> Entry {
    let time = 1_000_000_000 * i64::try_from(k).unwrap();
    let id = format!("c{}", k % 3);
    event(NODES[k % 2], time, &id, STATES[k / 3 % 4])
}

/// Tells the whole script in messages of three events; gives how many events were acknowledged before the disk failed.
async fn tell(store: &Embedded, count: usize) -> usize {
    for first in (0..count).step_by(3) {
        let message = (first..count.min(first + 3)).map(told).collect();
        if store.append(message).await.is_err() {
            return first;
        }
    }
    count
}

/// The times of each node's events, as the log has them.
async fn logged(store: &Embedded) -> BTreeMap<String, Vec<i64>> {
    let mut logged: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (_, entry) in store.read(0, 1000, None).await.unwrap().entries {
        if let Happening::Event { event, .. } = entry.what {
            logged
                .entry(entry.node_id.into())
                .or_default()
                .push(event.time_nano);
        }
    }
    logged
}

/// What they come to in the end.
fn folded(count: usize) -> BTreeMap<(String, String), String> {
    let mut folded = BTreeMap::new();
    for entry in (0..count).map(told) {
        if let Happening::Event { event, container, .. } = entry.what {
            let key = (entry.node_id.to_string(), event.actor_id);
            match container {
                Some(container) => folded.insert(key, container.state),
                None => folded.remove(&key),
            };
        }
    }
    folded
}

async fn check(bytes: Vec<u8>, acknowledged: usize, count: usize) -> Result<(), TestCaseError> {
    let disk = Disk::with(bytes);
    let store = store(&disk);
    let found: usize = logged(&store).await.values().map(Vec::len).sum();
    prop_assert!(found >= acknowledged, "{found} of {acknowledged}");
    // Whole messages, and the next one at most.
    prop_assert!(
        found <= acknowledged + 3 && (found.is_multiple_of(3) || found == count),
        "{found} of {acknowledged}"
    );
    // Each node tells again what happened within the last ten seconds of what it told, and what it did not tell.
    let mut again = Vec::new();
    for node_id in NODES {
        let told_before = store.told(node_id).await.unwrap();
        let since = told_before.map_or(0, |told| told.last - 10_000_000_000);
        let after = (0..count).map(told).filter(|entry| match &entry.what {
            Happening::Event { event, .. } => *entry.node_id == *node_id && event.time_nano >= since,
            Happening::Changed { .. } | Happening::Node { .. } => false,
        });
        again.extend(after);
    }
    store.append(again).await.unwrap();
    let expected: BTreeMap<String, Vec<i64>> = NODES
        .iter()
        .map(|node_id| {
            let times = (0..count).filter(|k| NODES[k % 2] == *node_id);
            let times = times.map(|k| 1_000_000_000 * i64::try_from(k).unwrap());
            ((*node_id).to_owned(), times.collect::<Vec<_>>())
        })
        .filter(|(_, times)| !times.is_empty())
        .collect();
    prop_assert_eq!(logged(&store).await, expected);
    let mut kept = BTreeMap::new();
    for node_id in NODES {
        for (id, state) in states(&store, node_id).await {
            kept.insert((node_id.to_owned(), id), state);
        }
    }
    prop_assert_eq!(kept, folded(count));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_is_twice(
        cut in 0_usize..700,
        chance in any::<u64>(),
        is_power in any::<bool>(),
        count in 1_usize..60,
    ) {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let disk = Disk::default();
            let store = store(&disk);
            disk.cut_after(cut);
            let acknowledged = tell(&store, count).await;
            let bytes = if is_power { disk.after_a_power_cut(chance) } else { disk.after_a_kill() };
            check(bytes, acknowledged, count).await
        })?;
    }
}

#[tokio::test]
async fn a_disk_that_recovers_is_written_again() {
    let disk = Disk::default();
    let store = store(&disk);
    store.append(vec![told(0)]).await.unwrap();
    disk.cut_after(1);
    assert!(store.append(vec![told(1)]).await.is_err());
    assert!(store.append(vec![told(1)]).await.is_err());
    disk.cut_after(usize::MAX);
    // The first of these opens it anew when it has failed.
    let mut failures = 0;
    while store.append(vec![told(1)]).await.is_err() {
        failures += 1;
        assert!(failures < 3);
    }
    let times: Vec<i64> = logged(&store).await.into_values().flatten().collect();
    assert_eq!(times, [0, 1_000_000_000]);
}
