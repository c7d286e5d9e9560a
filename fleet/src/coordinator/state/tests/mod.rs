//! What is known, from what nodes tell; and what those hear that listen.

mod faults;
mod listening;

use std::sync::Arc;

use crate::coordinator::state::{
    Attendance, NodeHello, Occurrence, Published, State, StateError, Subscription, since,
};
use crate::coordinator::store::{
    Embedded, Enrolment, EventLog, NodeAction, NodeRecord, Registry, Retention, Told,
};
use crate::limits;
use crate::node::watch;
use crate::proto;

/// A state, and a store in memory that outlives it.
#[derive(Debug)]
pub(in crate::coordinator) struct Scene {
    pub(in crate::coordinator) state: Arc<State>,
    store: Arc<Embedded>,
}

impl Scene {
    /// With nodes `n1` and `n2`, which are away.
    pub(in crate::coordinator) async fn new() -> Self {
        Self::keeping(Retention::default()).await
    }

    async fn keeping(retention: Retention) -> Self {
        let store = Arc::new(Embedded::in_memory(retention));
        for (token, node_id) in [(1, "n1"), (2, "n2")] {
            let enrolment = Enrolment {
                token_hash: [token; 32],
                name: None,
                created_at: 0,
                expires_at: 2,
            };
            store.add_enrolment(enrolment).await.unwrap();
            store.enrol([token; 32], record(node_id), 1).await.unwrap();
        }
        let state = Self::open(&store).await;
        Self { state, store }
    }

    async fn open(store: &Arc<Embedded>) -> Arc<State> {
        let (registry, log): (Arc<dyn Registry>, Arc<dyn EventLog>) = (store.clone(), store.clone());
        State::open(registry, log).await.unwrap()
    }

    /// The same after a coordinator that was killed began again.
    async fn again(self) -> Self {
        let state = Self::open(&self.store).await;
        Self { state, ..self }
    }

    /// Brings a node in.
    pub(in crate::coordinator) async fn connect(&self, node_id: &str) -> Attendance {
        self.state.connected(hello(node_id)).await.unwrap()
    }

    /// A container.
    pub(in crate::coordinator) fn container(id: &str, state: &str) -> proto::Container {
        proto::Container {
            id: id.to_owned(),
            names: vec![id.to_owned()],
            state: state.to_owned(),
            ..proto::Container::default()
        }
    }

    fn containers(&self, node_id: &str) -> Vec<(String, String)> {
        let node = self.state.node(node_id).unwrap();
        let shown = node.containers.iter();
        shown
            .map(|one| (one.id.to_string(), one.state.to_string()))
            .collect()
    }
}

fn record(node_id: &str) -> NodeRecord {
    NodeRecord {
        node_id: node_id.into(),
        name: node_id.into(),
        public_key: [1; 32],
        password_salt: Vec::new(),
        password_hash: Vec::new(),
        enrolled_at: 1,
        revoked_at: None,
        last_seen: None,
    }
}

fn hello(node_id: &str) -> NodeHello {
    NodeHello {
        node_id: node_id.into(),
        hostname: "host".into(),
        version: "1".into(),
        os: "linux".into(),
        arch: "arm64".into(),
    }
}

/// A change of a container; it is gone where its state is empty.
fn change(number: u64, time: i64, id: &str, state: &str) -> proto::Change {
    let event = proto::Event {
        time_nano: time,
        r#type: "container".to_owned(),
        action: "x".to_owned(),
        actor_id: id.to_owned(),
        ..proto::Event::default()
    };
    proto::Change {
        number,
        event: Some(event),
        container: (!state.is_empty()).then(|| Scene::container(id, state)),
        is_gone: state.is_empty(),
    }
}

/// In a few words.
fn told(published: &Published) -> String {
    let node_id = &published.node_id;
    match &published.what {
        Occurrence::Event {
            event,
            container,
            is_gone,
        } => {
            let state = container.as_ref().map_or("-", |container| &container.state);
            let gone = if *is_gone { " gone" } else { "" };
            format!(
                "{node_id} event {} {} {state}{gone}",
                event.actor_id, event.time_nano
            )
        }
        Occurrence::Changed { container, is_gone } => {
            let gone = if *is_gone { " gone" } else { "" };
            format!("{node_id} changed {} {}{gone}", container.id, container.state)
        }
        Occurrence::Node { action, detail } => format!("{node_id} {action} {detail}").trim_end().to_owned(),
    }
}

/// The next ones; their numbers have no holes.
async fn hear(subscription: &mut Subscription, expected: &[&str]) {
    for expected in expected {
        let before = subscription.position();
        let next = subscription.next().await.unwrap();
        assert_eq!((told(&next).as_str(), next.sequence), (*expected, before + 1));
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(one, other)| ((*one).to_owned(), (*other).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_node_comes_tells_and_goes() {
    let scene = Scene::new().await;
    let mut heard = scene.state.subscribe(None, None);
    assert!(!scene.state.node("n1").unwrap().is_connected);
    let attendance = scene.connect("n1").await;
    assert_eq!(attendance.since_time_nano, 0);
    let engine = |is_reachable| proto::Engine {
        is_reachable,
        version: "28".to_owned(),
        error: if is_reachable { "" } else { "gone" }.to_owned(),
        ..proto::Engine::default()
    };
    scene.state.engine("n1", engine(true)).await.unwrap();
    let all = vec![
        Scene::container("c1", "running"),
        Scene::container("c2", "exited"),
    ];
    scene.state.snapshot("n1", all).await.unwrap();
    let changes = vec![
        change(1, 5, "c1", "exited"),
        change(2, 6, "c2", ""),
        change(3, 7, "c3", "created"),
    ];
    assert_eq!(scene.state.ingest("n1", changes).await, Ok(3));
    assert_eq!(
        scene.containers("n1"),
        pairs(&[("c1", "exited"), ("c3", "created")])
    );
    scene.state.engine("n1", engine(false)).await.unwrap();
    scene.state.engine("n1", engine(false)).await.unwrap();
    scene.state.engine("n1", engine(true)).await.unwrap();
    scene.state.disconnected("n1", attendance.connection);
    hear(
        &mut heard,
        &[
            "n1 connected",
            "n1 changed c1 running",
            "n1 changed c2 exited",
            "n1 event c1 5 exited",
            "n1 event c2 6 - gone",
            "n1 event c3 7 created",
            "n1 engine_lost gone",
            "n1 engine_found",
            "n1 disconnected",
        ],
    )
    .await;
    let node = scene.state.node("n1").unwrap();
    assert!(!node.is_connected && node.connected_since.is_none() && node.last_seen.is_some());
    // What it had is shown as it was.
    assert_eq!(
        scene.containers("n1"),
        pairs(&[("c1", "exited"), ("c3", "created")])
    );
}

#[tokio::test]
async fn a_coordinator_that_was_killed_knows_what_it_told() {
    let scene = Scene::new().await;
    scene.connect("n1").await;
    scene
        .state
        .snapshot("n1", vec![Scene::container("c1", "running")])
        .await
        .unwrap();
    scene
        .state
        .ingest("n1", vec![change(1, 20_000_000_000, "c2", "running")])
        .await
        .unwrap();
    let last = scene.state.last() + 1;
    let scene = scene.again().await;
    // That the node is gone, for there was nobody to note it.
    assert_eq!(scene.state.last(), last);
    assert!(!scene.state.node("n1").unwrap().is_connected);
    assert_eq!(
        scene.containers("n1"),
        pairs(&[("c1", "running"), ("c2", "running")])
    );
    assert_eq!(scene.connect("n1").await.since_time_nano, 10_000_000_000);
    let mut heard = scene.state.subscribe(Some(last), None);
    // The same again is nothing new, but for what is.
    let all = vec![
        Scene::container("c1", "running"),
        Scene::container("c2", "exited"),
    ];
    scene.state.snapshot("n1", all).await.unwrap();
    let again = vec![
        change(1, 20_000_000_000, "c2", "exited"),
        change(2, 20_000_000_001, "c2", "exited"),
    ];
    assert_eq!(scene.state.ingest("n1", again).await, Ok(2));
    hear(
        &mut heard,
        &[
            "n1 connected",
            "n1 changed c2 exited",
            "n1 event c2 20000000001 exited",
        ],
    )
    .await;
    assert_eq!(heard.position(), scene.state.last());
}

#[tokio::test]
async fn a_connection_that_another_took_over_ends_silently() {
    let scene = Scene::new().await;
    let (first, second) = (scene.connect("n1").await, scene.connect("n1").await);
    scene.state.disconnected("n1", first.connection);
    assert!(scene.state.node("n1").unwrap().is_connected);
    scene.state.disconnected("n1", second.connection);
    assert!(!scene.state.node("n1").unwrap().is_connected);
    let mut heard = scene.state.subscribe(Some(0), None);
    hear(&mut heard, &["n1 connected", "n1 connected", "n1 disconnected"]).await;
}

#[tokio::test]
async fn who_is_not_in_tells_nothing() {
    let scene = Scene::new().await;
    let no_node = Err(StateError::NoNode);
    assert_eq!(
        scene
            .state
            .ingest("n3", vec![change(1, 5, "c1", "running")])
            .await,
        no_node
    );
    assert_eq!(
        scene.state.snapshot("n3", Vec::new()).await,
        Err(StateError::NoNode)
    );
    assert_eq!(
        scene.state.engine("n3", proto::Engine::default()).await,
        Err(StateError::NoNode)
    );
    assert_eq!(scene.state.connected(hello("n3")).await, Err(StateError::NoNode));
    assert_eq!(scene.state.refused("n3", "x").await, Err(StateError::NoNode));
    assert_eq!(scene.state.last(), 0);
}

#[tokio::test]
async fn a_node_that_is_shut_out_leaves_nothing() {
    let scene = Scene::new().await;
    scene.connect("n1").await;
    scene
        .state
        .snapshot("n1", vec![Scene::container("c1", "running")])
        .await
        .unwrap();
    scene.state.refused("n1", &"why".repeat(1000)).await.unwrap();
    assert_eq!(scene.state.revoke("n1").await, Ok(true));
    assert_eq!(scene.state.revoke("n1").await, Ok(false));
    assert!(scene.state.node("n1").is_none());
    let shown: Vec<_> = scene
        .state
        .nodes()
        .iter()
        .map(|node| node.node_id.to_string())
        .collect();
    assert_eq!(shown, ["n2"]);
    let mut heard = scene.state.subscribe(Some(2), None);
    let refused = heard.next().await.unwrap();
    assert_eq!(told(&refused).len(), "n1 refused ".len() + limits::TEXT_BYTES);
    hear(&mut heard, &["n1 revoked", "n1 changed c1 running gone"]).await;
    let scene = scene.again().await;
    assert!(scene.state.node("n1").is_none());
    let back = record("n1");
    scene
        .store
        .add_enrolment(Enrolment {
            token_hash: [3; 32],
            name: None,
            created_at: 0,
            expires_at: 2,
        })
        .await
        .unwrap();
    scene.store.enrol([3; 32], back.clone(), 1).await.unwrap();
    scene.state.enrolled(&back).await.unwrap();
    assert!(scene.containers("n1").is_empty());
    scene.connect("n1").await;
}

#[tokio::test]
async fn a_node_has_no_more_containers_than_it_may() {
    let scene = Scene::new().await;
    scene.connect("n1").await;
    let many = |first: usize| {
        let ids = first..first + limits::NODE_CONTAINERS_MAX;
        ids.map(|number| Scene::container(&format!("c{number:05}"), "running"))
            .collect::<Vec<_>>()
    };
    let mut all = many(0);
    all.extend(many(limits::NODE_CONTAINERS_MAX));
    scene.state.snapshot("n1", all).await.unwrap();
    let count = || scene.containers("n1").len();
    assert_eq!(count(), limits::NODE_CONTAINERS_MAX);
    let flood = (0..500).map(|number| change(number, 5, &format!("d{number}"), "running"));
    scene.state.ingest("n1", flood.collect()).await.unwrap();
    assert_eq!(count(), limits::NODE_CONTAINERS_MAX);
    // Those that are known change, and go.
    let changes = vec![
        change(1, 6, "c00001", "exited"),
        change(2, 7, "c00002", ""),
        change(3, 8, "d1", "running"),
    ];
    scene.state.ingest("n1", changes).await.unwrap();
    assert_eq!(count(), limits::NODE_CONTAINERS_MAX - 1);
    scene
        .state
        .ingest("n1", vec![change(4, 9, "d1", "exited")])
        .await
        .unwrap();
    assert_eq!(count(), limits::NODE_CONTAINERS_MAX);
    assert_eq!(
        scene
            .state
            .node("n1")
            .unwrap()
            .containers
            .get("c00001")
            .unwrap()
            .state,
        "exited".into()
    );
}

#[tokio::test]
async fn messages_that_are_none() {
    let scene = Scene::new().await;
    scene.connect("n1").await;
    let last = scene.state.last();
    let empty = proto::Change {
        number: 9,
        ..proto::Change::default()
    };
    assert_eq!(scene.state.ingest("n1", vec![empty]).await, Ok(9));
    assert_eq!(scene.state.ingest("n1", Vec::new()).await, Ok(0));
    scene
        .state
        .snapshot("n1", vec![proto::Container::default()])
        .await
        .unwrap();
    assert_eq!(scene.state.last(), last);
    // An image is no container, whatever is said of it.
    let mut image = change(10, 5, "c1", "");
    image.event.as_mut().unwrap().r#type = "image".to_owned();
    scene
        .state
        .snapshot("n1", vec![Scene::container("c1", "running")])
        .await
        .unwrap();
    scene.state.ingest("n1", vec![image]).await.unwrap();
    assert_eq!(scene.containers("n1"), pairs(&[("c1", "running")]));
}

#[tokio::test]
async fn what_is_begun_is_done_though_nobody_waits() {
    let scene = Scene::new().await;
    scene.connect("n1").await;
    let mut heard = scene.state.subscribe(None, None);
    let telling = scene.state.ingest("n1", vec![change(1, 5, "c1", "running")]);
    // Whoever tells is gone after its first step, or a little later.
    let _ = tokio::time::timeout(std::time::Duration::ZERO, telling).await;
    hear(&mut heard, &["n1 event c1 5 running"]).await;
    assert_eq!(scene.containers("n1"), pairs(&[("c1", "running")]));
}

#[test]
fn from_when_on() {
    const S: i64 = 1_000_000_000;
    let check = |last: i64, forgotten: Option<i64>, expected: i64| {
        assert_eq!(since(Told { last, forgotten }), expected, "{last} {forgotten:?}");
    };
    check(100 * S, None, 90 * S);
    check(100 * S, Some(50 * S), 90 * S);
    check(100 * S, Some(95 * S), 95 * S + 1);
    check(100 * S, Some(100 * S), 100 * S + 1);
    // Set back since.
    check(100 * S, Some(5000 * S), 90 * S);
    // 0 means something else.
    check(5 * S, None, 1);
    check(i64::MIN, None, 1);
    check(i64::MAX, Some(i64::MAX), i64::MAX);
}

#[tokio::test]
async fn clocks_that_jump_lose_nothing_and_double_nothing() {
    const S: i64 = 1_000_000_000;
    let scene = Scene::new().await;
    // A phone begins in 1970, knows the time, is an hour early, and then on time.
    let times = [
        5 * S,
        6 * S,
        1_795_000_000 * S,
        1_795_003_600 * S,
        1_795_000_100 * S,
        1_795_000_101 * S,
    ];
    let mut told = 0;
    for cut in 1..=times.len() {
        let since = scene.connect("n1").await.since_time_nano;
        let since = watch::since(since.saturating_add(10 * S), times[cut - 1]);
        // What its engine has at that time, and is not before what is asked for.
        let tells = times
            .iter()
            .take(cut)
            .enumerate()
            .filter(|(_, time)| **time >= since);
        let changes: Vec<_> = tells
            .map(|(number, time)| change(number as u64, *time, "c1", "running"))
            .collect();
        assert!(!changes.is_empty());
        scene.state.ingest("n1", changes).await.unwrap();
        told += 1;
        let page = scene.store.read(0, 1000, Some("n1")).await.unwrap();
        let count = page
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.what, crate::coordinator::store::Happening::Event { .. }));
        assert_eq!(count.count(), told, "{cut}");
    }
}

#[tokio::test]
async fn containers_are_found_as_docker_finds_them() {
    let scene = Scene::new().await;
    scene.connect("n1").await;
    let named = |id: &str, name: &str| proto::Container {
        names: vec![name.to_owned()],
        ..Scene::container(id, "running")
    };
    let all = vec![
        named("aa11", "web"),
        named("aa22", "db"),
        named("bb33", "aa11x"),
        named("cc44", "bb33"),
    ];
    scene.state.snapshot("n1", all).await.unwrap();
    let node = scene.state.node("n1").unwrap();
    let check = |reference: &str, expected: Option<&str>| {
        let found = node.containers.find(reference).map(|found| &*found.id);
        assert_eq!(found, expected, "{reference}");
    };
    check("aa11", Some("aa11"));
    check("web", Some("aa11"));
    check("/web", Some("aa11"));
    check("aa2", Some("aa22"));
    check("aa", None);
    check("bb33", Some("bb33"));
    check("b", Some("bb33"));
    check("", None);
    check("x", None);
}

#[tokio::test]
async fn actions_have_names_and_numbers_of_their_own() {
    let names: std::collections::BTreeSet<_> =
        NodeAction::ALL.iter().map(|(_, action)| action.name()).collect();
    let numbers: std::collections::BTreeSet<_> = NodeAction::ALL.iter().map(|(number, _)| number).collect();
    assert_eq!(
        (names.len(), numbers.len()),
        (NodeAction::ALL.len(), NodeAction::ALL.len())
    );
    assert!(!numbers.contains(&0));
}
