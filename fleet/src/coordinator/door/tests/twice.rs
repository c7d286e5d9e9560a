//! Two that say they are the same node.

use super::{Bench, Raw, reason, until};
use crate::coordinator::state::Occurrence;
use crate::coordinator::store::NodeAction;
use crate::proto::from_node::Kind as Said;
use crate::proto::to_node::Kind as Told;
use crate::proto::{Probed, Reason};

/// Answers what asks whether it lives, until it is told something else.
async fn answering(mut node: Raw) -> Option<Told> {
    loop {
        match node.hear().await {
            Some(Told::Probe(probe)) => node.say(Said::Probed(Probed { number: probe.number })).await,
            told => break told,
        }
    }
}

/// Another process with the files of this one.
async fn copy(bench: &Bench, name: &str) -> Raw {
    let raw = bench.raw(name).await;
    assert!(!raw.hello.instance.is_empty());
    raw
}

#[tokio::test]
async fn the_second_is_refused_while_the_first_lives() {
    let bench = Bench::new().await;
    let first = bench.node("phone").await;
    let id = first.hello.node_id.clone();
    let first = tokio::spawn(answering(first));
    let line = bench.lines.get(&id).unwrap();
    let mut told = bench.state.subscribe(None, Some(&id));
    let mut second = copy(&bench, "phone").await;
    assert_eq!(second.enter("").await, Err(Some(Reason::AlreadyConnected)));
    let refused = loop {
        if let Occurrence::Node { action, .. } = &told.next().await.unwrap().what {
            break *action;
        }
    };
    assert_eq!(refused, NodeAction::Refused);
    assert_eq!(bench.lines.get(&id).unwrap().serial(), line.serial());
    assert!(!first.is_finished());
}

#[tokio::test]
async fn a_dead_one_is_replaced() {
    let bench = Bench::new().await;
    // It is connected, and answers nothing.
    let mut first = bench.node("phone").await;
    let mut second = copy(&bench, "phone").await;
    second.enter("").await.unwrap();
    assert!(matches!(first.hear().await, Some(Told::Probe(_))));
    assert_eq!(reason(first.hear().await), Some(Reason::Replaced));
    assert_eq!(first.hear().await, None);
    assert!(bench.state.node(&second.hello.node_id).unwrap().is_connected);
}

#[tokio::test]
async fn the_same_process_takes_over_at_once() {
    let bench = Bench::new().await;
    let mut first = bench.node("phone").await;
    let line = bench.line(&first).await;
    let mut second = bench.raw("phone").await;
    second.hello.instance.clone_from(&first.hello.instance);
    second.enter("").await.unwrap();
    // Nobody asked whether it lives.
    assert_eq!(reason(first.hear().await), Some(Reason::Replaced));
    assert_ne!(bench.line(&second).await.serial(), line.serial());
    line.closed().await;
}

#[tokio::test]
async fn one_that_is_gone_leaves_its_place() {
    let bench = Bench::new().await;
    let first = bench.node("phone").await;
    let id = first.hello.node_id.clone();
    drop(first);
    until(|| bench.lines.get(&id).is_none()).await;
    until(|| !bench.state.node(&id).unwrap().is_connected).await;
    let mut second = copy(&bench, "phone").await;
    second.enter("").await.unwrap();
    assert!(bench.state.node(&id).unwrap().is_connected);
}
