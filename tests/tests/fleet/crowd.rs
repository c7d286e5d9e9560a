//! Nodes that are made up, and each thing that they tell: once, in order, to whoever reads.

use std::collections::BTreeMap;
use std::fs;

use harness::fleet::{Coordinator, Crowd, Observer, Seen};
use harness::pair;

/// Nodes, and containers of each.
const NODES: usize = 20;
const CONTAINERS: usize = 5;
/// Changes of each: more than a node may have told and not heard of.
const CHANGES: usize = 100;

/// What was read of each node.
#[derive(Default)]
struct Book {
    numbers: BTreeMap<String, Vec<u64>>,
    last: u64,
}

impl Book {
    #[track_caller]
    fn note(&mut self, seen: Seen) {
        assert!(seen.sequence > self.last, "{seen:?} behind {}", self.last);
        self.last = seen.sequence;
        self.numbers.entry(seen.node_id).or_default().push(seen.number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_every_node_once_and_in_order() {
    let dir = pair::new_dir();
    let coordinator = Coordinator::start(&dir.join("coordinator"));
    let mut crowd = Crowd::enrol(&coordinator, NODES, CONTAINERS).await;
    let key = coordinator.key("reader");
    let mut observer = Observer::open(&coordinator, &key, None).await;
    observer.lists(NODES).await;
    let reading = tokio::spawn(async move {
        let mut book = Book::default();
        let mut half = 0;
        for count in 0..NODES * CHANGES {
            book.note(observer.next().await);
            if count == NODES * CHANGES / 2 {
                half = book.last;
            }
        }
        (book, half)
    });
    for _ in 0..CHANGES {
        for node in &mut crowd.nodes {
            node.change().await;
        }
    }
    let (book, half) = reading.await.unwrap();
    let expected: Vec<u64> = (1..=CHANGES as u64).collect();
    assert_eq!(book.numbers.len(), NODES);
    for (node, numbers) in &book.numbers {
        assert_eq!(*numbers, expected, "{node}");
    }
    for node in &mut crowd.nodes {
        node.recorded().await;
    }
    // One that comes late and says how far it was has the rest, once and in order too.
    let mut late = Observer::open(&coordinator, &key, Some(half)).await;
    let mut rest = Book::default();
    while rest.last < book.last {
        rest.note(late.next().await);
    }
    let all = NODES * CHANGES - NODES * CHANGES / 2 - 1;
    assert_eq!(rest.numbers.values().map(Vec::len).sum::<usize>(), all);
    for (node, numbers) in &rest.numbers {
        assert!(book.numbers[node].ends_with(numbers), "{node}: {numbers:?}");
    }
    drop((crowd, coordinator));
    fs::remove_dir_all(dir).unwrap();
}
