//! What goes on inside a container, asked and ordered in small: processes, differences, freezing,
//! limits, images made of it.

use axum::http::HeaderValue;
use wire::files::{ChangeKind, Changes, PathChange, Update, Updated};
use wire::request::ContainerRef;
use wire::stats::{ProcessInfo, Processes};
use wire::{Flow, RefusalCode, Request, Response};

use crate::client::{Reply, ask, entry, request, send};
use crate::stand_in::{StandIn, Verdict, image, refuse, summary};

fn refusing(code: RefusalCode) -> StandIn {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.containers = vec![summary(1, "c")]);
    stand_in.script(move |request, peer| match request {
        Request::Info(_) | Request::InspectContainer(_) | Request::ListImages(_) => Verdict::Pass,
        _ => {
            peer.answer(&refuse(code, "c0ffee"));
            Verdict::Answered
        }
    });
    stand_in
}

async fn post(stand_in: &StandIn, path: &str, body: &str) -> Reply {
    let (entry, _teller) = entry(stand_in);
    let mut order = request("POST", path, body.to_owned());
    let json = HeaderValue::from_static("application/json");
    order.headers_mut().insert("content-type", json);
    send(&entry, order).await
}

#[tokio::test]
async fn what_cannot_be_is_said_in_dockers_words() {
    #[rustfmt::skip]
    let table = [
        (RefusalCode::NotRunning, "GET", "/containers/c/top", 409, "Container c0ffee is not running"),
        (RefusalCode::Restarting, "GET", "/containers/c/top", 409,
            "Container c0ffee is restarting, wait until the container is running"),
        (RefusalCode::NoSuchContainer, "GET", "/containers/c/top", 404, "No such container: c0ffee"),
        (RefusalCode::NoSuchContainer, "GET", "/containers/c/changes", 404, "No such container: c0ffee"),
        (RefusalCode::NotRunning, "POST", "/containers/c/pause", 409, "Container c0ffee is not running"),
        (RefusalCode::Paused, "POST", "/containers/c/pause", 409, "Container c0ffee is already paused"),
        (RefusalCode::NotPaused, "POST", "/containers/c/unpause", 500, "Container c0ffee is not paused"),
        (RefusalCode::NoSuchContainer, "POST", "/commit?container=c", 404, "No such container: c0ffee"),
        (RefusalCode::NoSuchContainer, "POST", "/commit", 400, "invalid container name or ID: value is empty"),
        (RefusalCode::Unsupported, "GET", "/containers/c/top?ps_args=-o+comm", 400,
            "Couldn't find PID field in ps output"),
    ];
    for (code, method, path, status, message) in table {
        let stand_in = refusing(code);
        let (entry, _teller) = entry(&stand_in);
        let reply = ask(&entry, method, path).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.body);
        assert_eq!(reply.message(), message, "{path}");
    }
}

#[tokio::test]
async fn processes_are_put_together_from_every_frame() {
    let stand_in = StandIn::running();
    stand_in.script(|request, peer| match request {
        Request::ListProcesses(_) => {
            for (pid, flow) in [(7, Flow::More), (9, Flow::Last)] {
                let process = ProcessInfo {
                    pid,
                    uid: 33,
                    name: "sh".to_owned(),
                    ..ProcessInfo::default()
                };
                let processes = vec![process];
                peer.frame(flow, &Response::Processes(Processes { processes }));
            }
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/containers/c/top?ps_args=-o+pid,user,comm").await;
    let expected = "{\"Processes\":[[\"7\",\"33\",\"sh\"],[\"9\",\"33\",\"sh\"]],\"Titles\":[\"PID\",\"USER\",\"COMMAND\"]}\n";
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, expected));
}

#[tokio::test]
async fn differences_are_put_together_from_every_frame() {
    let stand_in = StandIn::running();
    stand_in.script(|request, peer| match request {
        Request::ListChanges(named) => {
            if named.reference == "many" {
                let changes = vec![PathChange {
                    path: "/a".to_owned(),
                    kind: ChangeKind::Deleted,
                }];
                peer.frame(Flow::More, &Response::Changes(Changes { changes }));
            }
            peer.answer(&Response::Changes(Changes::default()));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/containers/many/changes").await;
    assert_eq!(reply.body, "[{\"Path\":\"/a\",\"Kind\":2}]\n");
    let reply = ask(&entry, "GET", "/containers/none/changes").await;
    assert_eq!(reply.body, "null\n");
}

#[tokio::test]
async fn freezing_and_thawing_reach_the_bridge() {
    for (path, expected) in [
        (
            "/containers/c/pause",
            Request::Pause as fn(ContainerRef) -> Request,
        ),
        ("/v1.41/containers/c/unpause", Request::Unpause),
    ] {
        let stand_in = StandIn::running();
        // Portainer sends a body of nothing.
        let reply = post(&stand_in, path, "{}").await;
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (204, ""));
        let reference = "c".to_owned();
        stand_in.world(|world| assert_eq!(world.asked, [expected(ContainerRef { reference })]));
    }
}

#[tokio::test]
async fn limits_are_changed_with_every_warning() {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.containers = vec![summary(1, "c")]);
    stand_in.script(|request, peer| match request {
        Request::Update(_) => {
            let warnings = vec!["from the bridge".to_owned()];
            peer.answer(&Response::Updated(Updated { warnings }));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let body = r#"{"Memory":67108864,"BlkioWeight":5}"#;
    let reply = post(&stand_in, "/containers/c/update", body).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.body);
    let expected =
        "{\"Warnings\":[\"Block I/O weight is not enforced. Weight discarded.\",\"from the bridge\"]}\n";
    assert_eq!(reply.body, expected);
    let update = Request::Update(Box::new(Update {
        reference: "01".repeat(32),
        memory_bytes: Some(67_108_864),
        ..Update::default()
    }));
    stand_in.world(|world| assert_eq!(world.asked.last(), Some(&update)));
    let reply = post(&stand_in, "/containers/c/update", "{bad").await;
    assert_eq!(reply.status.as_u16(), 400);
    let reply = post(&stand_in, "/containers/no/update", "{}").await;
    assert_eq!(reply.message(), "No such container: no");
}

#[tokio::test]
async fn an_image_is_made_of_a_container() {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.containers = vec![summary(1, "c")]);
    stand_in.script(|request, peer| match request {
        Request::Commit(_) => {
            peer.answer(&Response::Imported(Box::new(image(3, "new:latest"))));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let path = "/commit?container=c&repo=new&comment=why&author=me&pause=0&changes=CMD+sh";
    for body in ["", "{}", "null"] {
        let reply = post(&stand_in, path, body).await;
        assert_eq!(reply.status.as_u16(), 201, "{}", reply.body);
        assert_eq!(reply.body, format!("{{\"Id\":\"sha256:{}\"}}\n", "03".repeat(32)));
        let asked = stand_in.world(|world| world.asked.last().cloned());
        let Some(Request::Commit(commit)) = asked else {
            panic!("{asked:?}");
        };
        assert_eq!(commit.reference, "01".repeat(32));
        assert_eq!((commit.tag.as_str(), commit.pause), ("new:latest", false));
        assert_eq!((commit.comment.as_str(), commit.author.as_str()), ("why", "me"));
        assert_eq!(commit.config.command, ["/bin/sh", "-c", "sh"]);
    }
    let reply = post(&stand_in, "/commit?container=c&repo=UPPER", "").await;
    assert_eq!(reply.status.as_u16(), 400, "{}", reply.body);
    let reply = post(&stand_in, "/commit?container=no", "").await;
    assert_eq!(reply.message(), "No such container: no");
}
