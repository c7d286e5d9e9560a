//! The store in one file: what it keeps, forgets, and refuses.

mod crash;
mod disk;
mod registry;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Embedded, FILE, Retention};
use crate::coordinator::store::{
    Appended, Entry, EventLog as _, Happening, NodeAction, Page, StoreError, Told,
};
use crate::proto;

/// An event of a container at this time, after which it is in this state; gone, where that is empty.
pub(super) fn event(node_id: &str, time: i64, id: &str, state: &str) -> Entry {
    let event = proto::Event {
        time_nano: time,
        r#type: "container".to_owned(),
        action: if state.is_empty() { "destroy" } else { "start" }.to_owned(),
        actor_id: id.to_owned(),
        attributes: [
            ("name".to_owned(), id.to_owned()),
            ("x".to_owned(), "y".to_owned()),
        ]
        .into(),
        scope: "local".to_owned(),
    };
    let container = proto::Container {
        id: id.to_owned(),
        state: state.to_owned(),
        ..proto::Container::default()
    };
    Entry {
        node_id: node_id.into(),
        received_at: now(),
        what: Happening::Event {
            event,
            container: (!state.is_empty()).then(|| Box::new(container)),
            is_gone: state.is_empty(),
        },
    }
}

fn now() -> i64 {
    crate::coordinator::state::now()
}

/// The numbers, nodes and times of a page.
fn times(page: &Page) -> Vec<(u64, &str, i64)> {
    let time = |entry: &Entry| match &entry.what {
        Happening::Event { event, .. } => event.time_nano,
        Happening::Changed { .. } | Happening::Node { .. } => 0,
    };
    page.entries
        .iter()
        .map(|(sequence, entry)| (*sequence, &*entry.node_id, time(entry)))
        .collect()
}

async fn states(store: &Embedded, node_id: &str) -> Vec<(String, String)> {
    let containers = store.containers(node_id).await.unwrap();
    containers.into_iter().map(|one| (one.id, one.state)).collect()
}

fn keep(entries: u64) -> Retention {
    Retention {
        entries,
        ..Retention::default()
    }
}

#[tokio::test]
async fn what_is_kept_is_there_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), Retention::default()).unwrap();
    assert_eq!(store.bounds().await.unwrap(), (1, 0));
    let entries = vec![
        event("n1", 5, "c1", "running"),
        event("n2", 6, "c1", "running"),
        event("n1", 7, "c2", "exited"),
        Entry {
            node_id: "n1".into(),
            received_at: 1,
            what: Happening::Node {
                action: NodeAction::Refused,
                detail: "why".into(),
            },
        },
        event("n1", 8, "c1", ""),
    ];
    let appended = store.append(entries.clone()).await.unwrap();
    let expected: Vec<Appended> = (1..=5).map(Appended::New).collect();
    assert_eq!(appended, expected);
    drop(store);
    let store = reopened(dir.path());
    let page = store.read(0, 100, None).await.unwrap();
    let kept: Vec<Entry> = page.entries.iter().map(|(_, entry)| entry.clone()).collect();
    assert_eq!(kept, entries);
    assert_eq!((page.first, page.upto), (1, 5));
    assert_eq!(
        states(&store, "n1").await,
        [("c2".to_owned(), "exited".to_owned())]
    );
    assert_eq!(
        states(&store, "n2").await,
        [("c1".to_owned(), "running".to_owned())]
    );
    assert!(states(&store, "n3").await.is_empty());
    let told = Told {
        last: 8,
        forgotten: None,
    };
    assert_eq!(store.told("n1").await.unwrap(), Some(told));
    assert_eq!(store.told("n3").await.unwrap(), None);
    assert_eq!(
        store.append(entries.clone()).await.unwrap()[..3],
        [Appended::Known; 3]
    );
}

/// Opens it as soon as the thread of whoever had it before has let it go.
fn reopened(dir: &Path) -> Embedded {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match Embedded::open(dir, Retention::default()) {
            Err(StoreError::Open(..)) if Instant::now() < deadline => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

#[tokio::test]
async fn what_differs_in_anything_is_another_event() {
    let store = Embedded::in_memory(Retention::default());
    let first = event("n1", 5, "c1", "running");
    let change = |change: fn(&mut proto::Event)| {
        let mut entry = first.clone();
        if let Happening::Event { event, .. } = &mut entry.what {
            change(event);
        }
        entry
    };
    store.append(vec![first.clone()]).await.unwrap();
    let mut sequence = 1;
    let mut others = vec![
        change(|event| event.time_nano = 6),
        change(|event| event.action = "die".to_owned()),
        change(|event| event.actor_id = "c2".to_owned()),
        change(|event| event.r#type = "image".to_owned()),
        change(|event| event.attributes.clear()),
        // The same letters, cut otherwise.
        change(|event| {
            event.attributes = [
                ("namec".to_owned(), "1".to_owned()),
                ("x".to_owned(), "y".to_owned()),
            ]
            .into()
        }),
        change(|event| event.time_nano = i64::MIN),
        change(|event| event.time_nano = i64::MAX),
        event("n2", 5, "c1", "running"),
    ];
    for entry in others.drain(..) {
        sequence += 1;
        let appended = store
            .append(vec![entry.clone(), first.clone(), entry.clone()])
            .await
            .unwrap();
        assert_eq!(
            appended,
            [Appended::New(sequence), Appended::Known, Appended::Known],
            "{entry:?}"
        );
    }
}

#[tokio::test]
async fn pages() {
    let store = Embedded::in_memory(Retention::default());
    let entries = (0..10).map(|time| event(if time % 3 == 0 { "n1" } else { "n2" }, time, "c1", "running"));
    store.append(entries.collect()).await.unwrap();
    let check = async |after: u64, max: usize, node_id: Option<&str>, expected: &[u64], upto: u64| {
        let page = store.read(after, max, node_id).await.unwrap();
        let found: Vec<u64> = page.entries.iter().map(|(sequence, _)| *sequence).collect();
        assert_eq!(
            (found.as_slice(), page.upto),
            (expected, upto),
            "{after} {max} {node_id:?}"
        );
    };
    check(0, 3, None, &[1, 2, 3], 3).await;
    check(8, 3, None, &[9, 10], 10).await;
    check(10, 3, None, &[], 10).await;
    check(u64::MAX, 3, None, &[], u64::MAX).await;
    check(0, 3, Some("n1"), &[1, 4, 7], 7).await;
    check(7, 3, Some("n1"), &[10], 10).await;
    check(0, 3, Some("n3"), &[], 10).await;
}

#[tokio::test]
async fn the_oldest_go_and_say_so() {
    let store = Embedded::in_memory(keep(10));
    for time in 1..=30 {
        let node_id = if time <= 5 { "n1" } else { "n2" };
        store
            .append(vec![event(node_id, time, "c1", "running")])
            .await
            .unwrap();
    }
    assert_eq!(store.bounds().await.unwrap(), (21, 30));
    let page = store.read(0, 3, None).await.unwrap();
    assert_eq!(times(&page), [(21, "n2", 21), (22, "n2", 22), (23, "n2", 23)]);
    let told = async |node_id: &str| store.told(node_id).await.unwrap().unwrap();
    assert_eq!(
        told("n1").await,
        Told {
            last: 5,
            forgotten: Some(5)
        }
    );
    assert_eq!(
        told("n2").await,
        Told {
            last: 30,
            forgotten: Some(20)
        }
    );
    // What a container is does not go with what made it so.
    assert_eq!(
        states(&store, "n1").await,
        [("c1".to_owned(), "running".to_owned())]
    );
}

#[tokio::test]
async fn bytes_and_age_are_bounds_too() {
    let few = Retention {
        bytes: 1000,
        ..Retention::default()
    };
    let store = Embedded::in_memory(few);
    for time in 0..100 {
        store
            .append(vec![event("n1", time, "c1", "running")])
            .await
            .unwrap();
    }
    let (first, last) = store.bounds().await.unwrap();
    assert!((80..last).contains(&first), "{first}");
    let short = Retention {
        age: Duration::from_secs(60),
        ..Retention::default()
    };
    let store = Embedded::in_memory(short);
    let old = |time| Entry {
        received_at: now() - 61_000_000_000,
        ..event("n1", time, "c1", "running")
    };
    store
        .append(vec![old(1), old(2), event("n1", 3, "c1", "running")])
        .await
        .unwrap();
    assert_eq!(store.bounds().await.unwrap(), (3, 3));
    // The newest stays, however old.
    let store = Embedded::in_memory(short);
    store.append(vec![old(1), old(2)]).await.unwrap();
    assert_eq!(store.bounds().await.unwrap(), (2, 2));
}

#[tokio::test]
async fn a_flood_of_orders_is_all_done() {
    let store = Embedded::in_memory(Retention::default());
    let mut orders = tokio::task::JoinSet::new();
    for time in 0..2000 {
        let store = store.clone();
        orders.spawn(async move {
            store
                .append(vec![event("n1", time, "c1", "running")])
                .await
                .unwrap()
        });
    }
    let mut sequences: Vec<Appended> = orders.join_all().await.concat();
    sequences.sort_unstable_by_key(|appended| match appended {
        Appended::New(sequence) => *sequence,
        Appended::Known => 0,
    });
    let expected: Vec<Appended> = (1..=2000).map(Appended::New).collect();
    assert_eq!(sequences, expected);
}

fn refusal(dir: &Path) -> String {
    Embedded::open(dir, Retention::default()).unwrap_err().to_string()
}

#[tokio::test]
async fn the_file_is_its_owners_and_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), Retention::default()).unwrap();
    let path = dir.path().join(FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let refused = refusal(dir.path());
    assert!(refused.contains("another process has it open"), "{refused}");
    drop(store);
    drop(reopened(dir.path()));
    let other = tempfile::tempdir().unwrap();
    symlink(&path, other.path().join(FILE)).unwrap();
    let refused = refusal(other.path());
    assert!(refused.contains("symbolic link"), "{refused}");
    fs::remove_file(other.path().join(FILE)).unwrap();
    fs::create_dir(other.path().join(FILE)).unwrap();
    assert!(refusal(other.path()).contains("cannot open"));
}

#[tokio::test]
async fn a_damaged_file_is_an_error() {
    let disk = disk::Disk::default();
    let store = crash::store(&disk);
    for time in 0..50 {
        store
            .append(vec![event("n1", time, "c1", "running")])
            .await
            .unwrap();
    }
    let whole = disk.after_a_kill();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        let damaged = tempfile::tempdir().unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(damaged.path().join(FILE), bytes).unwrap();
        match Embedded::open(damaged.path(), Retention::default()) {
            // What nothing points at means nothing; and a newest transaction that does not add up is taken for one that
            // a cut kept from its end.
            Ok(store) => {
                let (first, last) = store.bounds().await.unwrap();
                assert!(first == 1 && [49, 50].contains(&last), "{at}: {first} {last}");
            }
            Err(StoreError::Damaged(..)) => refused += 1,
            Err(other) => panic!("{at}: {other}"),
        }
    }
    assert!(refused > 0);
    for bytes in [
        &whole[..whole.len() / 2],
        &whole[..1000],
        b"no database at all, by far",
        &[0; 8192],
    ] {
        let damaged = tempfile::tempdir().unwrap();
        fs::write(damaged.path().join(FILE), bytes).unwrap();
        let text = refusal(damaged.path());
        assert!(
            text.contains("is damaged") && text.contains("put back a copy"),
            "{text}"
        );
    }
}

#[test]
fn a_later_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    {
        let database = redb::Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let mut numbers = transaction.open_table(super::tables::NUMBERS).unwrap();
        numbers.insert(super::tables::NUMBER_VERSION, 2).unwrap();
        drop(numbers);
        transaction.commit().unwrap();
    }
    let error = Embedded::open(dir.path(), Retention::default()).unwrap_err();
    assert_eq!(error, StoreError::Version(path, 2));
}
