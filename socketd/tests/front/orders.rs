//! Orders: what reaches the bridge, and what its answer becomes.

use axum::http::StatusCode;
use wire::request::{Kill, Remove, RemoveImage, Rename, TagImage};
use wire::{ImageId, RefusalCode, Request, Response};

use crate::client::{Reply, ask, entry, request, send};
use crate::stand_in::{StandIn, Verdict, image, refuse, summary};

/// The orders (not the questions) that reached the stand-in.
fn orders(stand_in: &StandIn) -> Vec<Request> {
    stand_in.world(|world| {
        let asked = world.asked.iter();
        asked
            .filter(|asked| asked.opcode().number() >= 32)
            .cloned()
            .collect()
    })
}

async fn check(method: &str, path: &str, status: u16, expected: Request) -> Reply {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.images = vec![image(9, "bb:latest")]);
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, method, path).await;
    assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.body);
    assert_eq!(orders(&stand_in), [expected], "{path}");
    reply
}

fn of(name: &str) -> String {
    name.to_owned()
}

#[tokio::test]
async fn what_is_asked_is_what_is_ordered() {
    let kill = |signal| {
        Request::Kill(Kill {
            reference: of("c"),
            signal,
        })
    };
    check("POST", "/containers/c/kill?signal=SIGHUP", 204, kill(1)).await;
    check("POST", "/v1.41/containers/c/kill?signal=15", 204, kill(15)).await;
    let name = of("other");
    let reference = of("c");
    let rename = Request::Rename(Rename { reference, name });
    check("POST", "/containers/c/rename?name=other", 204, rename).await;
    let remove = |force| {
        Request::Remove(Remove {
            reference: of("c"),
            force,
        })
    };
    check("DELETE", "/containers/c?v=1&force=true", 204, remove(true)).await;
    check("DELETE", "/containers/c", 204, remove(false)).await;
    let tag = Request::TagImage(TagImage {
        image_id: ImageId([9; 32]),
        tag: of("ghcr.io/a/b:x"),
    });
    check("POST", "/images/bb/tag?repo=ghcr.io/a/b&tag=x", 201, tag).await;
    let remove = Request::RemoveImage(RemoveImage {
        image_id: ImageId([9; 32]),
        tag: of("bb:latest"),
        force: true,
    });
    let reply = check("DELETE", "/images/bb:latest?force=1", 200, remove).await;
    assert!(
        reply.body.contains("{\"Untagged\":\"bb:latest\"}"),
        "{}",
        reply.body
    );
}

#[tokio::test]
async fn a_wrong_signal_never_reaches_the_bridge() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "POST", "/containers/c/kill?signal=NOPE").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.message(), "Invalid signal: NOPE");
    assert!(orders(&stand_in).is_empty());
}

#[tokio::test]
async fn a_create_is_answered_201_with_every_warning() {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.images = vec![image(9, "bb:latest")]);
    let (entry, _teller) = entry(&stand_in);
    let mut order = request(
        "POST",
        "/containers/create?name=web",
        r#"{"Image":"bb","Cmd":["true"]}"#,
    );
    let json = axum::http::HeaderValue::from_static("application/json");
    order.headers_mut().insert("content-type", json);
    let reply = send(&entry, order).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    let value: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(value["Id"], "05".repeat(32));
    let warnings = value["Warnings"].as_array().unwrap();
    assert_eq!(warnings.last().unwrap(), "from the bridge");
    match orders(&stand_in).as_slice() {
        [Request::Create(create)] => {
            assert_eq!((create.name.as_str(), create.image_id), ("web", ImageId([9; 32])));
            assert_eq!(create.spec.process.command, ["true"]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_prune_passes_over_what_others_took_and_what_cannot_be_removed() {
    let stand_in = StandIn::running();
    stand_in.world(|world| {
        world.containers = (1..=5)
            .map(|number| summary(number, &format!("c{number}")))
            .collect();
    });
    let (gone, kept) = ("02".repeat(32), "04".repeat(32));
    stand_in.script(move |request, peer| {
        let code = match request {
            Request::Remove(remove) if remove.reference == gone => RefusalCode::NoSuchContainer,
            Request::Remove(remove) if remove.reference == kept => RefusalCode::Unsupported,
            _ => return Verdict::Pass,
        };
        peer.answer(&refuse(code, "c"));
        Verdict::Answered
    });
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "POST", "/containers/prune").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    let value: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    let deleted = ["01", "03", "05"].map(|byte| byte.repeat(32));
    assert_eq!(value["ContainersDeleted"], serde_json::json!(deleted));
    assert_eq!(orders(&stand_in).len(), 5);
}

#[tokio::test]
async fn image_names_with_slashes_are_found_unescaped() {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.images = vec![image(9, "ghcr.io/a/b:x")]);
    let (entry, _teller) = entry(&stand_in);
    for path in [
        "/images/ghcr.io/a/b:x/json",
        "/v1.45/images/ghcr.io%2Fa%2Fb:x/json",
        "/images/ghcr.io/a/b:x/history",
        &format!("/images/sha256:{}/json", "09".repeat(32)),
    ] {
        assert_eq!(ask(&entry, "GET", path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(
        ask(&entry, "GET", "/images/nosuch/json").await.status,
        StatusCode::NOT_FOUND
    );
    // An answer that is no image's must not become one.
    stand_in.script(|request, peer| match request {
        Request::ListImages(_) => {
            peer.answer(&Response::Pong(wire::request::Nothing {}));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    assert_eq!(
        ask(&entry, "GET", "/images/json").await.status,
        StatusCode::BAD_GATEWAY
    );
}
