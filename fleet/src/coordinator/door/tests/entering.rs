//! Who is let in, and who is not.

use super::{Bench, Raw, reason};
use crate::coordinator::state;
use crate::coordinator::store::Registry as _;
use crate::limits::FAILURES_MAX;
use crate::node::identity::{Identity, Wishes};
use crate::proto::from_node::Kind as Said;
use crate::proto::to_node::Kind as Told;
use crate::proto::{Change, Event, Hello, Probed, Proof, Reason, Snapshot};

#[tokio::test]
async fn tokens_are_good_once() {
    let bench = Bench::new().await;
    let check = async |name: &str, token: &str, expected: Result<(), Reason>| {
        let entered = bench.raw(name).await.enter(token).await;
        assert_eq!(entered, expected.map_err(Some), "{name} {token:?}");
    };
    let token = bench.token("good").await;
    bench.token_until("late", state::now() - 1).await;
    check("phone", "", Err(Reason::NotEnrolled)).await;
    check("phone", "wrong", Err(Reason::NotEnrolled)).await;
    check("phone", "late", Err(Reason::NotEnrolled)).await;
    check("phone", &token, Ok(())).await;
    check("tablet", &token, Err(Reason::NotEnrolled)).await;
    // After that its key alone opens the door, whatever token it shows.
    check("phone", "", Ok(())).await;
    check("phone", "wrong", Ok(())).await;
    check("phone", &token, Ok(())).await;
}

#[tokio::test]
async fn names_and_passwords_are_kept() {
    let bench = Bench::new().await;
    let node = bench.node("phone").await;
    let id = node.hello.node_id.clone();
    let record = bench.store.node(&id).await.unwrap().unwrap();
    assert_eq!(&*record.name, "phone");
    assert_eq!(record.password_hash, &*node.hello.password_hash);
    drop(node);
    let mut again = bench.raw("phone").await;
    again.hello.password_hash = vec![7; 32].into();
    again.hello.name = "other".to_owned();
    again.enter("").await.unwrap();
    let record = bench.store.node(&id).await.unwrap().unwrap();
    // What people were told it is called stays.
    assert_eq!((&*record.name, record.password_hash), ("phone", vec![7; 32]));
}

#[tokio::test]
async fn wrong_keys_and_signatures() {
    let bench = Bench::new().await;
    let node = bench.node("phone").await;
    let id = node.hello.node_id.clone();
    // Somebody with another key says that he is that node; a token does not help.
    for token in ["".to_owned(), bench.token("fresh").await] {
        let mut thief = bench.raw("thief").await;
        thief.hello.node_id.clone_from(&id);
        assert_eq!(
            thief.enter(&token).await,
            Err(Some(Reason::WrongKey)),
            "{token:?}"
        );
    }
    // Somebody shows the node's key, and cannot sign with it.
    let mut thief = bench.raw("thief").await;
    thief.hello = node.hello.clone();
    assert_eq!(thief.enter("").await, Err(Some(Reason::WrongKey)));
    let check = async |change: fn(Vec<u8>) -> Vec<u8>| {
        let mut raw = bench.raw("phone").await;
        raw.say(Said::Hello(raw.hello.clone())).await;
        assert_eq!(raw.prove("", change).await, Err(Some(Reason::WrongKey)));
    };
    check(|_| Vec::new()).await;
    check(|_| vec![0; 64]).await;
    check(|mut signature| {
        signature[0] ^= 1;
        signature
    })
    .await;
    // The token was not used up by any of that.
    let mut tablet = bench.raw("tablet").await;
    tablet.enter("fresh").await.unwrap();
}

#[tokio::test]
async fn hellos_that_are_none() {
    let bench = Bench::new().await;
    let token = bench.token("good").await;
    let check = async |change: fn(&mut Hello), expected: Result<(), Reason>| {
        let mut raw = bench.raw("phone").await;
        change(&mut raw.hello);
        let hello = raw.hello.clone();
        assert_eq!(raw.enter(&token).await, expected.map_err(Some), "{hello:?}");
    };
    let malformed = Err(Reason::Malformed);
    check(|hello| hello.node_id.clear(), malformed).await;
    check(|hello| hello.node_id = "../phone".to_owned(), malformed).await;
    check(|hello| hello.node_id = "x".repeat(65), malformed).await;
    check(|hello| hello.instance = vec![1; 15].into(), malformed).await;
    check(|hello| hello.public_key = vec![1; 33].into(), malformed).await;
    check(|hello| hello.public_key.clear(), malformed).await;
    check(|hello| hello.name.clear(), malformed).await;
    check(|hello| hello.name = "x".repeat(257), malformed).await;
    check(|hello| hello.hostname = "a\nb".to_owned(), malformed).await;
    check(|hello| hello.password_hash.clear(), malformed).await;
    check(|hello| hello.password_salt = vec![1; 65].into(), malformed).await;
    // No password is one that opens nothing.
    check(
        |hello| {
            hello.password_hash.clear();
            hello.password_salt.clear();
        },
        Ok(()),
    )
    .await;
}

#[tokio::test]
async fn order_matters() {
    let bench = Bench::new().await;
    let refused = async |mut raw: Raw| loop {
        match raw.hear().await {
            Some(Told::Challenge(_) | Told::Welcome(_)) => {}
            told => break reason(told),
        }
    };
    let first = async |kind: Said| {
        let raw = bench.raw("phone").await;
        raw.say(kind).await;
        refused(raw).await
    };
    let malformed = Some(Reason::Malformed);
    assert_eq!(first(Said::Snapshot(Snapshot::default())).await, malformed);
    assert_eq!(first(Said::Probed(Probed::default())).await, malformed);
    assert_eq!(first(Said::Change(Change::default())).await, malformed);
    // A proof without a hello, and two hellos: nothing to say to these.
    assert_eq!(first(Said::Proof(Proof::default())).await, None);
    let raw = bench.raw("phone").await;
    raw.say(Said::Hello(raw.hello.clone())).await;
    raw.say(Said::Hello(raw.hello.clone())).await;
    assert_eq!(refused(raw).await, None);
    let node = bench.node("phone").await;
    node.say(Said::Hello(node.hello.clone())).await;
    assert_eq!(refused(node).await, malformed);
    // One connection is one node.
    let mut node = bench.node("tablet").await;
    let status = node
        .client
        .attend(futures_util::stream::pending())
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
}

#[tokio::test]
async fn guessing_is_barred() {
    let bench = Bench::new().await;
    let token = bench.token("good").await;
    for _ in 0..FAILURES_MAX {
        let entered = bench.raw("phone").await.enter("guess").await;
        assert_eq!(entered, Err(Some(Reason::NotEnrolled)));
    }
    let mut raw = bench.raw("phone").await;
    raw.say(Said::Hello(raw.hello.clone())).await;
    let Some(Told::Refusal(refusal)) = raw.hear().await else {
        panic!("not refused");
    };
    assert_eq!(refusal.reason(), Reason::TooMany);
    assert!(refusal.retry_after_seconds > 0);
    assert_eq!(
        bench.raw("phone").await.enter(&token).await,
        Err(Some(Reason::TooMany))
    );
}

#[tokio::test]
async fn revoked_is_out_at_once_and_a_token_is_a_new_beginning() {
    let bench = Bench::new().await;
    let mut node = bench.node("phone").await;
    let id = node.hello.node_id.clone();
    assert!(bench.state.revoke(&id).await.unwrap());
    assert!(bench.lines.revoke(&id));
    assert_eq!(reason(node.hear().await), Some(Reason::Revoked));
    assert_eq!(node.hear().await, None);
    assert!(bench.lines.get(&id).is_none());
    assert_eq!(
        bench.raw("phone").await.enter("").await,
        Err(Some(Reason::Revoked))
    );
    // Another key says that it is that node: it is told no more than anybody else.
    let dir = bench.dir.path().join("thief");
    let wishes = Wishes {
        node_id: Some(id),
        password: None,
    };
    let mut thief = bench.raw("thief").await;
    thief.identity = Identity::keep(&dir, &wishes).unwrap();
    thief.hello = crate::node::hello(&thief.identity, None).unwrap();
    assert_eq!(thief.enter("").await, Err(Some(Reason::WrongKey)));
    let token = bench.token("again").await;
    bench.raw("phone").await.enter(&token).await.unwrap();
}

#[tokio::test]
async fn what_is_told_is_confirmed_once_it_is_kept() {
    let bench = Bench::new().await;
    let mut node = bench.node("phone").await;
    for number in 1..=200 {
        let event = Event {
            time_nano: i64::try_from(number).unwrap(),
            r#type: "network".to_owned(),
            action: "connect".to_owned(),
            actor_id: "n".to_owned(),
            ..Event::default()
        };
        let change = Change {
            number,
            event: Some(event),
            ..Change::default()
        };
        node.say(Said::Change(change)).await;
    }
    let mut last = 0;
    while last < 200 {
        match node.hear().await {
            Some(Told::Recorded(recorded)) => {
                assert!(recorded.number > last, "{recorded:?} after {last}");
                last = recorded.number;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(last, 200);
    assert!(bench.state.last() >= 200);
}

#[tokio::test]
async fn a_coordinator_that_ends_says_so() {
    let bench = Bench::new().await;
    let mut node = bench.node("phone").await;
    bench.ending.send_replace(true);
    assert_eq!(reason(node.hear().await), Some(Reason::Closing));
    assert_eq!(node.hear().await, None);
}
