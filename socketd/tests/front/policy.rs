//! Who may ask what, and what is not there for whom.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use socketd::docker::endpoints;
use socketd::policy::caller::{Access, Caller};
use socketd::policy::rights::{Rights, Role};
use socketd::policy::scope::Scope;
use socketd::routes::Entry;
use tokio::time::timeout;
use wire::exec::Exec;
use wire::spec::Pair;
use wire::{Action, ContainerId, Refusal, RefusalCode, Request, Response};

use crate::client::{entry, request};
use crate::stand_in::{SOON, StandIn, Verdict, event, summary};

fn caller(role: Role, scope: Option<Scope>) -> Arc<Caller> {
    let access = Access {
        rights: Rights::new(role, &[], &[]),
        scope,
    };
    let name = "test".to_owned();
    Arc::new(Caller { name, access })
}

fn of_team_a() -> Arc<Caller> {
    let scope = Scope::new(
        vec!["team=a".parse().unwrap()],
        &["web*".to_owned(), "seen*".to_owned()],
    );
    caller(Role::Full, scope)
}

/// `web` is seen by team a; `webb` is another team's, and `db` is called otherwise.
fn world() -> StandIn {
    let stand_in = StandIn::running();
    stand_in.world(|world| {
        world.containers = [(1, "web", "a"), (2, "webb", "b"), (3, "db", "a")]
            .into_iter()
            .map(|(number, name, team)| {
                let mut summary = summary(number, name);
                summary.labels = vec![Pair::new("team", team)];
                summary
            })
            .collect();
    });
    stand_in
}

async fn ask(entry: &Entry, caller: &Arc<Caller>, method: &str, path: &str) -> (u16, String) {
    send(entry, caller, method, path, "").await
}

async fn send(entry: &Entry, caller: &Arc<Caller>, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut request = request(method, path, Body::from(body.to_owned()));
    if !body.is_empty() {
        let json = axum::http::HeaderValue::from_static("application/json");
        request.headers_mut().insert("content-type", json);
    }
    let whole = async {
        let (head, body) = entry.answer(caller, request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    };
    timeout(SOON, whole).await.expect("an answer in time")
}

fn id(number: u8) -> String {
    ContainerId([number; 32]).to_string()
}

#[tokio::test]
async fn what_a_role_does_not_permit_never_reaches_the_bridge() {
    let stand_in = world();
    let (entry, _teller) = entry(&stand_in);
    let reader = caller(Role::Read, None);
    let (status, body) = ask(&entry, &reader, "GET", "/v1.47/containers/json?all=1").await;
    assert_eq!((status, body.matches("\"Id\"").count()), (200, 3), "{body}");
    stand_in.world(|world| world.asked.clear());
    for (method, path) in [
        ("POST", "/containers/web/stop"),
        ("POST", "/v1.47/containers/web/stop"),
        ("POST", "/containers/create"),
        ("DELETE", "/containers/web"),
        ("GET", "/containers/web/logs?stdout=1"),
        ("GET", "/containers/web/archive?path=/"),
        ("HEAD", "/containers/web/archive?path=/"),
        ("PUT", "/containers/web/archive?path=/"),
        ("GET", "/containers/web/attach/ws"),
        ("POST", "/containers/web/exec"),
        ("POST", "/images/create?fromSrc=-"),
        ("POST", "/containers/%77eb/stop"),
    ] {
        let (status, body) = ask(&entry, &reader, method, path).await;
        assert_eq!(status, 403, "{method} {path}: {body}");
        assert!(
            method == "HEAD" || body.contains("{\"message\":\"authorization denied: permission denied for "),
            "{body}"
        );
    }
    assert_eq!(stand_in.world(|world| world.asked.len()), 0);
    let nobody = caller(Role::None, None);
    assert_eq!(ask(&entry, &nobody, "GET", "/_ping").await.0, 200);
    assert_eq!(ask(&entry, &nobody, "HEAD", "/_ping").await.0, 200);
    for path in [
        "/info",
        "/containers/json",
        "/events",
        "/images/json",
        "/exec/x/json",
    ] {
        assert_eq!(ask(&entry, &nobody, "GET", path).await.0, 403, "{path}");
        assert_eq!(ask(&entry, &nobody, "HEAD", path).await.0, 403, "{path}");
    }
    // What is no endpoint stays what it was.
    assert_eq!(ask(&entry, &nobody, "GET", "/nothing").await.0, 404);
}

#[tokio::test]
async fn no_endpoint_is_asked_without_the_right_to_it() {
    let stand_in = world();
    let (entry, _teller) = entry(&stand_in);
    let nobody = caller(Role::None, None);
    stand_in.world(|world| world.asked.clear());
    for endpoint in endpoints::all() {
        let path = endpoint.path.replace("{id}", "web").replace("{name}", "bb");
        let (status, body) = ask(&entry, &nobody, endpoint.method, &path).await;
        let free = matches!(endpoint.path, "/_ping" | "/version");
        assert_eq!(
            status == 403,
            !free,
            "{} {path}: {status} {body}",
            endpoint.method
        );
    }
    let asked = stand_in.world(|world| std::mem::take(&mut world.asked));
    assert!(
        asked.iter().all(|asked| matches!(asked, Request::Info(_))),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_a_caller_does_not_see_is_not_there() {
    let stand_in = world();
    let (entry, _teller) = entry(&stand_in);
    let team = of_team_a();
    let (_, body) = ask(&entry, &team, "GET", "/containers/json?all=1").await;
    assert!(
        body.contains("\"/web\"") && body.matches("\"Id\"").count() == 1,
        "{body}"
    );
    let (_, body) = ask(&entry, &team, "GET", "/info").await;
    let info: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(info["Containers"], 1);
    let (_, body) = ask(&entry, &team, "GET", "/system/df").await;
    assert!(
        body.contains("/web\"") && !body.contains("/db\"") && !body.contains("/webb\""),
        "{body}"
    );
    for hidden in ["webb", "db", "%2Fdb", "%64b", &id(2), &id(3), &id(3)[..12], "02"] {
        for (method, rest) in [
            ("GET", "/json"),
            ("GET", "/stats?stream=0"),
            ("GET", "/logs?stdout=1"),
            ("GET", "/top"),
            ("GET", "/changes"),
            ("GET", "/archive?path=/"),
            ("POST", "/start"),
            ("POST", "/kill"),
            ("POST", "/wait"),
            ("POST", "/exec"),
            ("POST", "/attach?stream=1"),
            ("POST", "/rename?name=web2"),
            ("DELETE", ""),
        ] {
            let path = format!("/containers/{hidden}{rest}");
            let (status, body) = send(&entry, &team, method, &path, "{}").await;
            assert_eq!(status, 404, "{method} {path}: {body}");
        }
    }
    let before = stand_in.world(|world| world.asked.iter().filter(|asked| is_about(asked, 2)).count());
    assert_eq!(before, 0);
    // By name, id and the beginning of it, what is seen is there; where others begin so too, they do not count.
    for seen in ["web", "%2Fweb", &id(1), &id(1)[..12], "0"] {
        let path = format!("/containers/{seen}/json");
        let (status, body) = ask(&entry, &team, "GET", &path).await;
        assert_eq!(status, 200, "{path}: {body}");
    }
    // The filters of a list that name a container find none that is not seen.
    let filters = "%7B%22before%22%3A%5B%22db%22%5D%7D";
    let (status, _) = ask(
        &entry,
        &team,
        "GET",
        &format!("/containers/json?filters={filters}"),
    )
    .await;
    assert_eq!(status, 404);
}

fn is_about(asked: &Request, number: u8) -> bool {
    let id = id(number);
    format!("{asked:?}").contains(&id)
}

#[tokio::test]
async fn every_other_endpoint_is_closed_to_who_sees_some() {
    let stand_in = world();
    let (entry, _teller) = entry(&stand_in);
    let (status, body) = ask(&entry, &of_team_a(), "GET", "/metrics").await;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("tells of all containers"), "{body}");
}

#[tokio::test]
async fn processes_belong_to_their_container() {
    let stand_in = world();
    stand_in.script(|request, peer| {
        let Request::InspectExec(inspect) = request else {
            return Verdict::Pass;
        };
        let number = u8::from_str_radix(&inspect.id[..2], 16).unwrap();
        peer.answer(&Response::Exec(Box::new(Exec {
            id: inspect.id.clone(),
            container: ContainerId([number; 32]),
            ..Exec::default()
        })));
        Verdict::Answered
    });
    let (entry, _teller) = entry(&stand_in);
    let team = of_team_a();
    let (mine, other) = ("01".repeat(32), "03".repeat(32));
    assert_eq!(
        ask(&entry, &team, "GET", &format!("/exec/{mine}/json")).await.0,
        200
    );
    for (method, rest) in [("GET", "json"), ("POST", "start"), ("POST", "resize?h=1&w=1")] {
        let (status, body) = send(&entry, &team, method, &format!("/exec/{other}/{rest}"), "{}").await;
        assert_eq!(status, 404, "{body}");
        assert_eq!(
            body,
            format!("{{\"message\":\"No such exec instance: {other}\"}}\n")
        );
    }
}

#[tokio::test]
async fn only_what_would_be_seen_can_be_made() {
    let stand_in = world();
    stand_in.world(|world| world.images = vec![crate::stand_in::image(9, "bb:latest")]);
    let (entry, _teller) = entry(&stand_in);
    let team = of_team_a();
    let labelled = r#"{"Image":"bb","Cmd":["true"],"Labels":{"team":"a"}}"#;
    for (name, body, expected) in [
        ("?name=web2", labelled, 201),
        ("?name=db2", labelled, 403),
        ("", labelled, 403),
        ("?name=web2", r#"{"Image":"bb","Cmd":["true"]}"#, 403),
        (
            "?name=web2",
            r#"{"Image":"bb","Cmd":["true"],"Labels":{"team":"b"}}"#,
            403,
        ),
    ] {
        let path = format!("/containers/create{name}");
        let (status, said) = send(&entry, &team, "POST", &path, body).await;
        assert_eq!(status, expected, "{path} {body}: {said}");
    }
    let (status, _) = ask(&entry, &team, "POST", "/containers/web/rename?name=db9").await;
    assert_eq!(status, 403);
    let (status, _) = ask(&entry, &team, "POST", "/containers/web/rename?name=seen9").await;
    assert_eq!(status, 204);
}

#[tokio::test]
async fn who_has_a_name_is_told_only_to_who_sees_them() {
    let stand_in = world();
    stand_in.world(|world| world.images = vec![crate::stand_in::image(9, "bb:latest")]);
    stand_in.script(|request, peer| match request {
        Request::Create(create) => {
            let holder = id(if create.name == "web" { 1 } else { 2 });
            let refusal = Refusal::about(RefusalCode::NameInUse, &create.name).held_by(holder);
            peer.answer(&Response::Refused(refusal));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let body = r#"{"Image":"bb","Cmd":["true"],"Labels":{"team":"a"}}"#;
    let (status, said) = send(&entry, &of_team_a(), "POST", "/containers/create?name=web", body).await;
    assert!(status == 409 && said.contains(&id(1)), "{said}");
    let (status, said) = send(&entry, &of_team_a(), "POST", "/containers/create?name=webb", body).await;
    assert!(status == 409 && !said.contains(&id(2)), "{said}");
    let all = caller(Role::Full, None);
    let (_, said) = send(&entry, &all, "POST", "/containers/create?name=webb", body).await;
    assert!(said.contains(&id(2)), "{said}");
}

#[tokio::test]
async fn a_prune_removes_what_is_seen() {
    let stand_in = world();
    let (entry, _teller) = entry(&stand_in);
    let (status, body) = ask(&entry, &of_team_a(), "POST", "/containers/prune").await;
    let pruned: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(pruned["ContainersDeleted"], serde_json::json!([id(1)]));
    let removed = stand_in.world(|world| {
        let removals = world
            .asked
            .iter()
            .filter(|asked| matches!(asked, Request::Remove(_)));
        removals.count()
    });
    assert_eq!(removed, 1);
}

#[tokio::test]
async fn events_of_what_is_not_seen_are_not_told() {
    let stand_in = world();
    stand_in.world(|world| {
        for (sequence, name, team) in [(1, "web", "a"), (2, "webb", "b"), (3, "db", "a"), (4, "web", "a")] {
            let mut event = event(sequence, Action::Start, name);
            event.labels = vec![Pair::new("team", team)];
            world.events.push(event);
        }
        let mut joined = event(5, Action::Start, "bridge");
        joined.kind = wire::EventKind::Network;
        joined.attributes.push(Pair::new("container", id(2)));
        world.events.push(joined);
    });
    let (entry, _teller) = entry(&stand_in);
    let path = "/events?since=0&until=2000";
    let (_, body) = ask(&entry, &of_team_a(), "GET", path).await;
    assert_eq!(body.lines().count(), 2, "{body}");
    assert!(!body.contains("webb") && !body.contains("\"db\""), "{body}");
    let (_, body) = ask(&entry, &caller(Role::Read, None), "GET", path).await;
    assert_eq!(body.lines().count(), 5, "{body}");
}
