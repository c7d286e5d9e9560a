//! A node that says as much as it can, as fast as it can.

use std::sync::Arc;

use prost::Message as _;
use tokio::sync::Semaphore;

use super::{Bench, Raw};
use crate::coordinator::store::{
    Appended, Embedded, Entry, EventLog, Page, Pending, Sequence, Told as Known,
};
use crate::limits::{FLEET_MESSAGE_MAX, HEARD_BYTES, MAP_BYTES, STREAM_WINDOW};
use crate::proto::from_node::Kind as Said;
use crate::proto::to_node::Kind as Told;
use crate::proto::{Change, Container, Event};

/// A log that keeps something as long as it may.
#[derive(Debug)]
struct Stuck {
    log: Embedded,
    may: Arc<Semaphore>,
}

impl EventLog for Stuck {
    fn append(&self, entries: Vec<Entry>) -> Pending<'_, Vec<Appended>> {
        Box::pin(async move {
            let _may = self.may.acquire().await.unwrap();
            self.log.append(entries).await
        })
    }

    fn read<'a>(&'a self, after: Sequence, max: usize, node_id: Option<&'a str>) -> Pending<'a, Page> {
        self.log.read(after, max, node_id)
    }

    fn bounds(&self) -> Pending<'_, (Sequence, Sequence)> {
        self.log.bounds()
    }

    fn told(&self, node_id: &str) -> Pending<'_, Option<Known>> {
        self.log.told(node_id)
    }

    fn present(&self) -> Pending<'_, Vec<(Box<str>, i64)>> {
        self.log.present()
    }

    fn containers(&self, node_id: &str) -> Pending<'_, Vec<Container>> {
        self.log.containers(node_id)
    }
}

/// About as long as anything that is kept as it is.
fn change(number: u64) -> Change {
    let map = || [("a".to_owned(), "x".repeat(MAP_BYTES - 1))].into();
    Change {
        number,
        event: Some(Event {
            time_nano: i64::try_from(number).unwrap(),
            r#type: "container".to_owned(),
            action: "start".to_owned(),
            actor_id: "c1".to_owned(),
            attributes: map(),
            ..Event::default()
        }),
        container: Some(Container {
            id: "c1".to_owned(),
            names: vec!["x".repeat(1000); 64],
            labels: map(),
            ..Container::default()
        }),
        is_gone: false,
    }
}

/// How many changes are taken until, for a while, none is.
async fn taken(node: &Raw) -> u64 {
    let (mut number, mut idle) = (0, 0);
    while idle < 5000 {
        if let Ok(place) = node.out.try_reserve() {
            number += 1;
            let kind = Some(Said::Change(change(number)));
            place.send(crate::proto::FromNode { kind });
            idle = 0;
        }
        idle += 1;
        tokio::task::yield_now().await;
    }
    number
}

async fn recorded(node: &mut Raw, number: u64) {
    loop {
        match node.hear().await {
            Some(Told::Recorded(recorded)) if recorded.number >= number => return,
            Some(Told::Recorded(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn memory_is_bounded_and_nothing_is_lost() {
    let may = Arc::new(Semaphore::new(1));
    let given = Arc::clone(&may);
    let bench = Bench::keeping(|log| Arc::new(Stuck { log, may: given })).await;
    let mut node = bench.node("phone").await;
    let stuck = may.acquire().await.unwrap();
    let said = taken(&node).await;
    let waiting = node.out.max_capacity() - node.out.capacity();
    let length = change(1).encoded_len();
    let held = (usize::try_from(said).unwrap() - waiting) * length;
    // What waits to be kept, HTTP/2's window, and what is on its way out of one end and into the other.
    let bound = HEARD_BYTES + usize::try_from(STREAM_WINDOW).unwrap() + 3 * FLEET_MESSAGE_MAX;
    assert!(
        length > 90_000 && held > HEARD_BYTES / 2 && held <= bound,
        "{held} of {bound}"
    );
    drop(stuck);
    recorded(&mut node, said).await;
}

#[tokio::test]
async fn others_are_heard_meanwhile() {
    let bench = Bench::new().await;
    let node = bench.node("phone").await;
    let mut other = bench.node("tablet").await;
    let out = node.out.clone();
    let flood = tokio::spawn(async move {
        for number in 1.. {
            let kind = Some(Said::Change(change(number)));
            if out.send(crate::proto::FromNode { kind }).await.is_err() {
                break;
            }
        }
    });
    for number in 1..=20 {
        other.say(Said::Change(change(number))).await;
        recorded(&mut other, number).await;
    }
    assert!(!flood.is_finished());
    flood.abort();
}
