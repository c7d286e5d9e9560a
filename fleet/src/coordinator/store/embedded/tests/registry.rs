//! Who may come in.

use super::reopened;
use crate::access::Role;
use crate::coordinator::store::embedded::{Embedded, Retention};
use crate::coordinator::store::{Enrolment, Key, NodeRecord, Port, Registry as _, StoreError};
use crate::limits;

fn node(node_id: &str, name: &str) -> NodeRecord {
    NodeRecord {
        node_id: node_id.into(),
        name: name.into(),
        public_key: [7; 32],
        password_salt: vec![1, 2],
        password_hash: vec![3; 32],
        enrolled_at: 10,
        revoked_at: None,
        last_seen: None,
    }
}

fn enrolment(token: u8, created_at: i64, expires_at: i64) -> Enrolment {
    Enrolment {
        token_hash: [token; 32],
        name: Some("phone".into()),
        created_at,
        expires_at,
    }
}

fn key(name: &str, hash: u8) -> Key {
    Key {
        name: name.into(),
        hash: [hash; 32],
        role: Role::Operate,
        node_id: Some("n1".into()),
        created_at: 5,
    }
}

#[tokio::test]
async fn a_token_opens_once_and_in_time() {
    let store = Embedded::in_memory(Retention::default());
    store.add_enrolment(enrolment(1, 0, 100)).await.unwrap();
    store.add_enrolment(enrolment(2, 0, 100)).await.unwrap();
    let enrol =
        async |token: u8, node_id: &str, now: i64| store.enrol([token; 32], node(node_id, "a"), now).await;
    assert_eq!(enrol(3, "n1", 50).await, Err(StoreError::NoEnrolment));
    assert_eq!(enrol(1, "n1", 100).await, Err(StoreError::NoEnrolment));
    assert_eq!(enrol(1, "n1", 99).await, Ok(()));
    assert_eq!(enrol(1, "n2", 99).await, Err(StoreError::NoEnrolment));
    assert_eq!(store.nodes().await.unwrap(), [node("n1", "a")]);
    // A token that opened nothing is still good.
    assert_eq!(enrol(2, "n1", 99).await, Err(StoreError::NodeExists));
    assert_eq!(store.enrolments().await.unwrap(), [enrolment(2, 0, 100)]);
    assert!(store.revoke("n1", 60).await.unwrap());
    assert_eq!(enrol(2, "n1", 99).await, Ok(()));
    assert_eq!(store.node("n1").await.unwrap().unwrap().revoked_at, None);
}

#[tokio::test]
async fn two_that_use_one_token_at_once() {
    let store = Embedded::in_memory(Retention::default());
    for round in 0..20_u8 {
        store.add_enrolment(enrolment(round, 0, 100)).await.unwrap();
        let (one, other) = (format!("a{round}"), format!("b{round}"));
        let (one, other) = tokio::join!(
            store.enrol([round; 32], node(&one, ""), 1),
            store.enrol([round; 32], node(&other, ""), 1)
        );
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    }
    assert_eq!(store.nodes().await.unwrap().len(), 20);
}

#[tokio::test]
async fn late_enrolments_go_when_new_ones_come() {
    let store = Embedded::in_memory(Retention::default());
    store.add_enrolment(enrolment(1, 0, 100)).await.unwrap();
    store.add_enrolment(enrolment(2, 100, 200)).await.unwrap();
    assert_eq!(store.enrolments().await.unwrap(), [enrolment(2, 100, 200)]);
}

#[tokio::test]
async fn nodes_are_shut_out_renewed_and_seen() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), Retention::default()).unwrap();
    store.add_enrolment(enrolment(1, 0, 100)).await.unwrap();
    store.enrol([1; 32], node("n1", "a"), 1).await.unwrap();
    assert!(store.renew(node("n1", "b")).await.unwrap());
    assert!(!store.renew(node("n2", "b")).await.unwrap());
    store.seen(vec![("n1".into(), 42)]).await.unwrap();
    assert!(store.revoke("n1", 60).await.unwrap());
    assert!(!store.revoke("n1", 61).await.unwrap());
    assert!(!store.revoke("n2", 60).await.unwrap());
    drop(store);
    let expected = NodeRecord {
        revoked_at: Some(60),
        last_seen: Some(42),
        ..node("n1", "b")
    };
    let store = reopened(dir.path());
    assert_eq!(store.node("n1").await.unwrap(), Some(expected.clone()));
    assert_eq!(store.nodes().await.unwrap(), [expected]);
    assert_eq!(store.node("n2").await.unwrap(), None);
}

#[tokio::test]
async fn keys() {
    let store = Embedded::in_memory(Retention::default());
    store.add_key(key("b", 2)).await.unwrap();
    store.add_key(key("a", 1)).await.unwrap();
    assert_eq!(store.add_key(key("a", 3)).await, Err(StoreError::KeyExists));
    assert_eq!(store.keys().await.unwrap(), [key("a", 1), key("b", 2)]);
    assert_eq!(store.key_of([1; 32]).await.unwrap(), Some(key("a", 1)));
    assert_eq!(store.key_of([3; 32]).await.unwrap(), None);
    assert!(store.remove_key("a").await.unwrap());
    assert!(!store.remove_key("a").await.unwrap());
    assert_eq!(store.key_of([1; 32]).await.unwrap(), None);
    assert_eq!(store.add_key(key("a", 3)).await, Ok(()));
    assert_eq!(store.key_of([3; 32]).await.unwrap(), Some(key("a", 3)));
}

#[tokio::test]
async fn ports_and_their_bound() {
    let store = Embedded::in_memory(Retention::default());
    let port = |number: usize| Port {
        address: format!("127.0.0.1:{number}").into(),
        node_id: "n1".into(),
        is_tls: number.is_multiple_of(2),
        created_at: 1,
    };
    for number in 0..limits::PORTS_MAX {
        store.add_port(port(number)).await.unwrap();
    }
    assert_eq!(store.add_port(port(1)).await, Err(StoreError::PortExists));
    let full = StoreError::Full("ports", limits::PORTS_MAX);
    assert_eq!(store.add_port(port(limits::PORTS_MAX)).await, Err(full));
    assert!(store.remove_port("127.0.0.1:1").await.unwrap());
    assert!(!store.remove_port("127.0.0.1:1").await.unwrap());
    assert_eq!(store.ports().await.unwrap().len(), limits::PORTS_MAX - 1);
    assert!(store.ports().await.unwrap().contains(&port(2)));
}
