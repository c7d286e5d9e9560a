//! Lists, inspections, images and the machine.

use axum::http::StatusCode;
use serde_json::json;
use wire::v1::{NetMode, Opcode, Request};

use super::bridge::{StockBridge, Verdict};
use super::{UUID_1, UUID_2, golden, json, running, stopped};
use crate::client::ask;

#[tokio::test]
async fn golden_frames_become_what_clients_see() {
    let bridge = StockBridge::with(Vec::new());
    bridge.script(|request| match request {
        Request::ListContainers { all: true } => Verdict::Bytes(golden("list-response")),
        Request::InspectContainer { .. } => Verdict::Bytes(golden("inspect-response")),
        Request::ListImages => Verdict::Bytes(golden("images-response")),
        _ => Verdict::Pass,
    });
    let (entry, _teller) = bridge.entry();
    let list = json(&ask(&entry, "GET", "/containers/json?all=1").await.body);
    let names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["Names"][0])
        .collect();
    let longest = format!("/{}", "n".repeat(255));
    assert_eq!(names, ["/web server", "/tiny", "/bare", &longest]);
    let web = &list[0];
    assert!(
        web["Id"]
            .as_str()
            .unwrap()
            .starts_with("00112233445566778899aabbccddeeff")
    );
    assert_eq!(web["Id"].as_str().unwrap().len(), 64);
    assert_eq!(web["Command"], "/usr/lib/systemd/systemd");
    assert_eq!(web["State"], "running");
    assert_eq!(web["Created"], 1_795_309_700);
    let place = &web["NetworkSettings"]["Networks"]["droidspaces-bridge"];
    assert_eq!(place["IPAddress"], "172.28.17.4");
    let ports = web["Ports"].as_array().unwrap();
    let ports: Vec<_> = ports
        .iter()
        .map(|port| (&port["PublicPort"], &port["PrivatePort"], &port["Type"]))
        .collect();
    assert_eq!(ports.len(), 5, "{web}");
    assert!(
        ports.contains(&(&json!(8080), &json!(80), &json!("tcp"))),
        "{web}"
    );
    assert!(
        ports.contains(&(&json!(6003), &json!(7003), &json!("udp"))),
        "{web}"
    );
    assert_eq!(list[1]["Command"], "/sbin/init");
    assert_eq!(list[1]["Image"], "droidspaces/tiny:latest");
    assert_eq!(list[2]["State"], "exited");

    let one = json(&ask(&entry, "GET", "/containers/web%20server/json").await.body);
    assert_eq!(one["Id"], web["Id"]);
    assert_eq!(one["State"]["Pid"], 4242);
    assert_eq!(one["Config"]["Env"], json!(["LANG=C.UTF-8", "EMPTY="]));
    assert_eq!(one["Config"]["Hostname"], "web");
    let host = &one["HostConfig"];
    assert_eq!(host["Memory"], 536_870_912);
    assert_eq!(host["CpuQuota"], 150_000);
    assert_eq!(host["PidsLimit"], 512);
    assert_eq!(host["Dns"], json!(["1.1.1.1", "8.8.8.8"]));
    assert_eq!(host["PortBindings"]["80/tcp"][0]["HostPort"], "8080");
    assert_eq!(one["Mounts"].as_array().unwrap().len(), 32);
    assert_eq!(one["Mounts"][1]["RW"], false);
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_asked_for_and_nothing_else() {
    let bridge = StockBridge::with(vec![running("a", UUID_1), stopped("b", "")]);
    let (entry, _teller) = bridge.entry();
    let first = ask(&entry, "GET", "/containers/json?all=1").await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.body);
    // The bridge computes the time of the start anew for each answer, and it jitters.
    for _ in 0..6 {
        let again = ask(&entry, "GET", "/containers/json?all=1").await;
        assert_eq!(json(&again.body)[0]["Created"], json(&first.body)[0]["Created"]);
    }
    assert_eq!(bridge.count(Opcode::ListContainers), 7);
    assert_eq!(bridge.count(Opcode::ListImages), 1);

    bridge.world(|world| world.containers[1].pid = 77);
    let changed = json(&ask(&entry, "GET", "/containers/json").await.body);
    assert_eq!(changed.as_array().unwrap().len(), 2);
    assert_eq!(bridge.count(Opcode::ListImages), 2);
}

async fn check_found(bridge: &StockBridge, reference: &str, expected: Result<&str, (u16, &str)>) {
    let (entry, _teller) = bridge.entry();
    let reply = ask(&entry, "GET", &format!("/containers/{reference}/json")).await;
    match expected {
        Ok(name) => {
            assert_eq!(reply.status, StatusCode::OK, "{reference}: {}", reply.body);
            assert_eq!(json(&reply.body)["Name"], name, "{reference}");
        }
        Err((status, message)) => {
            assert_eq!(reply.status.as_u16(), status, "{reference}");
            assert_eq!(reply.message(), message, "{reference}");
        }
    }
}

#[tokio::test]
async fn containers_are_found_by_name_identifier_and_prefix() {
    let bridge = StockBridge::with(vec![
        running("one", UUID_1),
        stopped("two", UUID_2),
        stopped("new one", ""),
    ]);
    let (entry, _teller) = bridge.entry();
    let list = json(&ask(&entry, "GET", "/containers/json?all=1").await.body);
    let id = |name: &str| {
        let mut all = list.as_array().unwrap().iter();
        let found = all.find(|one| one["Names"][0] == format!("/{name}")).unwrap();
        found["Id"].as_str().unwrap().to_owned()
    };
    check_found(&bridge, "one", Ok("/one")).await;
    check_found(&bridge, "new%20one", Ok("/new one")).await;
    check_found(&bridge, "d5d1e1acf", Ok("/one")).await;
    check_found(&bridge, UUID_2, Ok("/two")).await;
    for name in ["one", "two", "new one"] {
        let id = id(name);
        for length in [64, 63, 40, 33, 12] {
            check_found(&bridge, &id[..length], Ok(&format!("/{name}"))).await;
        }
        // Not of this container, although its UUID is.
        let other = format!("{}{}", &id[..63], if id.ends_with('0') { '1' } else { '0' });
        check_found(
            &bridge,
            &other,
            Err((404, &format!("No such container: {other}"))),
        )
        .await;
    }
    let ambiguous = "multiple IDs found with provided prefix: d5d1e1ac";
    check_found(&bridge, "d5d1e1ac", Err((400, ambiguous))).await;
    check_found(&bridge, "none", Err((404, "No such container: none"))).await;
    let long = "x".repeat(300);
    check_found(&bridge, &long, Err((404, &format!("No such container: {long}")))).await;
    check_found(&bridge, "a%00b", Err((404, "No such container: a\0b"))).await;
}

#[tokio::test]
async fn more_containers_than_a_list_holds_are_asked_for_one_by_one() {
    let many = |count: usize| {
        let name = |n| format!("c{n:03}");
        (0..count).map(move |n| match n % 100 {
            0 => running(&name(n), ""),
            _ => stopped(&name(n), ""),
        })
    };
    let bridge = StockBridge::with(many(256).collect());
    let (entry, _teller) = bridge.entry();
    let count = async || {
        let reply = ask(&entry, "GET", "/containers/json?all=1").await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        json(&reply.body).as_array().unwrap().len()
    };
    assert_eq!(count().await, 256);
    assert_eq!(bridge.count(Opcode::InspectContainer), 0);

    bridge.world(|world| world.containers = many(300).collect());
    assert_eq!(count().await, 300);
    // Three of them run, and are listed.
    assert_eq!(bridge.count(Opcode::InspectContainer), 297);
    let info = json(&ask(&entry, "GET", "/info").await.body);
    assert_eq!(
        (&info["Containers"], &info["ContainersRunning"]),
        (&json!(300), &json!(3))
    );

    // Beyond that not even their names are told; those that were heard before stay.
    bridge.world(|world| world.containers = many(513).collect());
    assert_eq!(count().await, 300 + 3);
    assert!(!bridge.world(|world| world.crowded), "one question at a time");
}

#[tokio::test]
async fn images_are_the_paths_that_containers_are_made_of() {
    let mut shared = stopped("b", UUID_2);
    shared.image = "/srv/A a".to_owned();
    let mut alike = stopped("a-a", "");
    alike.image = "/elsewhere".to_owned();
    let bridge = StockBridge::with(vec![running("A a", UUID_1), shared, alike]);
    let (entry, _teller) = bridge.entry();
    let images = json(&ask(&entry, "GET", "/images/json").await.body);
    let mut tags: Vec<_> = images
        .as_array()
        .unwrap()
        .iter()
        .map(|image| {
            (
                image["RepoTags"][0].as_str().unwrap(),
                image["Containers"].as_i64().unwrap(),
            )
        })
        .collect();
    tags.sort_unstable();
    let elsewhere = images.as_array().unwrap().iter();
    let apart = elsewhere
        .map(|image| image["Id"].as_str().unwrap())
        .map(|id| format!("droidspaces/a-a-{}:latest", &id["sha256:".len()..][..6]))
        .find(|tag| tags.iter().any(|(known, _)| known == tag));
    assert_eq!(tags.len(), 2, "{tags:?}");
    assert!(apart.is_some(), "{tags:?}");
    assert!(
        tags.iter().any(|(tag, _)| *tag == "droidspaces/a-a:latest"),
        "{tags:?}"
    );

    // What a list of containers calls an image leads to it.
    let list = json(&ask(&entry, "GET", "/containers/json?all=1").await.body);
    for container in list.as_array().unwrap() {
        let image = container["Image"].as_str().unwrap();
        let reply = ask(&entry, "GET", &format!("/images/{image}/json")).await;
        assert_eq!(json(&reply.body)["Id"], container["ImageID"], "{image}");
    }
}

#[tokio::test]
async fn the_machine_is_what_anybody_may_know_of_it() {
    let mut nat = running("nat", UUID_1);
    nat.net_mode = NetMode::Nat;
    nat.address = "172.28.17.4".to_owned();
    let bridge = StockBridge::with(vec![nat, stopped("b", "")]);
    let (entry, _teller) = bridge.entry();
    let info = json(&ask(&entry, "GET", "/info").await.body);
    assert_eq!(info["Containers"], 2);
    assert_eq!(info["ContainersRunning"], 1);
    assert_eq!(info["ContainersStopped"], 1);
    assert_eq!(info["DefaultRuntime"], "droidspaces");
    assert_eq!(info["ID"].as_str().unwrap().len(), 64);
    assert!(info["MemTotal"].as_u64().unwrap() > 0);
    let networks = json(&ask(&entry, "GET", "/networks").await.body);
    let names: Vec<_> = networks
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["Name"])
        .collect();
    assert_eq!(names, ["droidspaces-bridge", "gateway", "host", "none"]);
    for path in ["/version", "/networks", "/_ping", "/volumes"] {
        assert_eq!(ask(&entry, "GET", path).await.status, StatusCode::OK, "{path}");
    }
}
