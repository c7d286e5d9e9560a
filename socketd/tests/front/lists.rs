//! The lists that are held: as fresh as the moment they were asked for, and cheap.

use std::sync::{Arc, Mutex, mpsc};

use axum::http::StatusCode;
use wire::request::{IfNewer, Nothing};
use wire::{Opcode, Request, Response};

use crate::client::{ask, entry};
use crate::stand_in::{StandIn, Verdict, image, summary};

fn revisions(stand_in: &StandIn) -> Vec<u64> {
    stand_in.world(|world| {
        let asked = world.asked.iter();
        asked
            .filter_map(|asked| match asked {
                Request::ListContainers(IfNewer { than }) => Some(*than),
                _ => None,
            })
            .collect()
    })
}

fn names(body: &str) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    let list = value.as_array().unwrap().iter();
    list.map(|one| one["Names"][0].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_is_asked_for_again_only_if_newer() {
    let stand_in = StandIn::running();
    stand_in.world(|world| {
        world.revision = 41;
        world.images = vec![image(9, "bb:latest")];
        world.containers = (1..=5)
            .map(|number| summary(number, &format!("c{number}")))
            .collect();
    });
    let (entry, _teller) = entry(&stand_in);
    let first = ask(&entry, "GET", "/containers/json?all=1").await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.headers["content-type"], "application/json");
    assert_eq!(names(&first.body), ["/c1", "/c2", "/c3", "/c4", "/c5"]);
    let second = ask(&entry, "GET", "/containers/json?all=true").await;
    assert_eq!(first.body, second.body);
    assert_eq!(revisions(&stand_in), [0, 41]);

    stand_in.world(|world| {
        world.revision = 42;
        world.containers.remove(0);
    });
    let third = ask(&entry, "GET", "/containers/json?all=1").await;
    assert_eq!(names(&third.body), ["/c2", "/c3", "/c4", "/c5"]);
    assert_eq!(revisions(&stand_in), [0, 41, 41]);
    let running = ask(&entry, "GET", "/containers/json").await;
    assert_eq!(names(&running.body), Vec::<String>::new());
}

#[tokio::test]
async fn a_revision_does_not_outlive_the_bridge_that_gave_it() {
    let mut stand_in = StandIn::running();
    stand_in.world(|world| world.containers = vec![summary(1, "before")]);
    let (entry, _teller) = entry(&stand_in);
    ask(&entry, "GET", "/containers/json?all=1").await;
    stand_in.down();
    // Another life of the bridge may count to the same number with other containers.
    stand_in.world(|world| world.containers = vec![summary(2, "after")]);
    stand_in.up();
    let reply = ask(&entry, "GET", "/containers/json?all=1").await;
    assert_eq!(names(&reply.body), ["/after"]);
    assert_eq!(revisions(&stand_in), [0, 0]);
}

#[tokio::test]
async fn readers_share_the_next_call_and_never_an_older_one() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    stand_in.script(move |request, _| {
        if request.opcode() == Opcode::ListContainers {
            // Closed later: then nothing is held back any more.
            let _ = gate.lock().unwrap().recv();
        }
        Verdict::Pass
    });
    let reader = || {
        let entry = Arc::clone(&entry);
        tokio::spawn(async move { ask(&entry, "GET", "/containers/json?all=1").await })
    };
    let early = reader();
    stand_in.until(|world| !world.asked.is_empty()).await;
    // These come while the first call is under way; what they must see happens only now.
    let late: Vec<_> = (0..20).map(|_| reader()).collect();
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    early.await.unwrap();
    stand_in
        .until(|world| {
            world
                .asked
                .iter()
                .filter(|asked| asked.opcode() == Opcode::ListContainers)
                .count()
                == 2
        })
        .await;
    stand_in.world(|world| {
        world.revision += 1;
        world.containers = vec![summary(1, "new")];
    });
    drop(go);
    for reader in late {
        assert_eq!(names(&reader.await.unwrap().body), ["/new"]);
    }
    assert_eq!(stand_in.count(Opcode::ListContainers), 2);
}

#[tokio::test]
async fn a_reader_that_leaves_does_not_take_the_call_of_others_along() {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.containers = vec![summary(1, "one")]);
    let (entry, _teller) = entry(&stand_in);
    let read = || Box::pin(ask(&entry, "GET", "/containers/json?all=1"));
    let (mut leaving, mut staying) = (read(), read());
    // Each polled once, so that the first begins the call and the second waits for it.
    for reader in [&mut leaving, &mut staying] {
        tokio::select! {
            biased;
            reply = reader => panic!("{reply:?}"),
            () = std::future::ready(()) => {}
        }
    }
    drop(leaving);
    assert_eq!(names(&staying.await.body), ["/one"]);
}

#[tokio::test]
async fn an_unchanged_answer_to_a_first_question_is_an_error() {
    let stand_in = StandIn::running();
    stand_in.script(|request, peer| match request {
        Request::ListContainers(_) => {
            peer.answer(&Response::NotModified(Nothing {}));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/containers/json?all=1").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    stand_in.unscript();
    assert_eq!(
        ask(&entry, "GET", "/containers/json?all=1").await.status,
        StatusCode::OK
    );
}
