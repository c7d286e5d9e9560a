//! What stands beside containers: their root file systems and networks. And what clients ask in a row.

use harness::{Docker, pace};
use serde_json::{Value, json};

use crate::fields::check;
use crate::phone::LIMIT;
use crate::scene::{self, IMAGE_BYTES};

#[test]
fn images_are_root_file_systems() {
    let phone = scene::everything();
    let docker = phone.docker();
    let images = docker.get("/images/json").expect(200).json();
    let images = images.as_array().unwrap();
    // `alone` and `twin` share one.
    assert_eq!(images.len(), 5);
    let alone = docker.inspect("alone")["Image"].clone();
    assert_eq!(docker.inspect("twin")["Image"], alone);
    for image in images {
        let tag = image["RepoTags"][0].as_str().unwrap();
        let shared = image["Id"] == alone;
        assert_eq!(image["Containers"], if shared { 2 } else { 1 }, "{image}");
        assert_eq!(tag == "droidspaces/alone:latest", shared, "{image}");
        let whole = docker.get(&format!("/images/{tag}/json")).expect(200).json();
        check(
            &whole,
            &[
                ("/Id", image["Id"].clone()),
                ("/RepoTags", image["RepoTags"].clone()),
                ("/RepoDigests", json!([])),
                ("/Os", json!("linux")),
                ("/RootFS/Layers", json!(null)),
                ("/Config/Cmd", json!(null)),
            ],
        );
        assert_eq!(
            docker.get(&format!("/images/{tag}/history")).expect(200).json(),
            json!([])
        );
        assert!(image["Created"].as_i64().unwrap() > 0, "{image}");
    }
    let df = pace::until("everything is measured", LIMIT, || {
        let df = docker.get("/system/df").expect(200).json();
        let sizes = df["Images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["Size"].as_u64().unwrap());
        (sizes.min() >= Some(IMAGE_BYTES as u64)).then_some(df)
    });
    assert_eq!(df["Containers"].as_array().unwrap().len(), 6);
    assert_eq!((&df["Volumes"], &df["BuildCache"]), (&json!([]), &json!([])));
    let sum: u64 = df["Images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["Size"].as_u64().unwrap())
        .sum();
    assert_eq!(df["LayersSize"], sum);
    let info = docker.get("/info").expect(200).json();
    for (field, value) in [
        ("Containers", 6),
        ("ContainersRunning", 3),
        ("ContainersPaused", 0),
        ("ContainersStopped", 3),
        ("Images", 5),
    ] {
        assert_eq!(info[field], value, "{field}");
    }
    assert_eq!(
        info["Runtimes"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["droidspaces"]
    );
    assert_eq!(info["DefaultRuntime"], "droidspaces");
}

/// What a network says of itself, and whether its members say the same.
#[track_caller]
fn check_network(docker: &Docker, network: &str, about: [Value; 3], members: &[(&str, &str)]) {
    let [driver, bridge, ipam] = about;
    let whole = docker.get(&format!("/networks/{network}")).expect(200).json();
    assert_eq!(whole["Driver"], driver, "{network}");
    assert_eq!(
        whole["Options"]
            .get("com.docker.network.bridge.name")
            .unwrap_or(&Value::Null),
        &bridge
    );
    assert_eq!(whole["IPAM"]["Config"], ipam, "{network}");
    let found = whole["Containers"].as_object().unwrap();
    for (name, address) in members {
        let id = docker.inspect(name)["Id"].as_str().unwrap().to_owned();
        assert_eq!(found[&id]["Name"], *name);
        assert_eq!(found[&id]["IPv4Address"], *address);
        let networks = docker.inspect(name)["NetworkSettings"]["Networks"].clone();
        assert_eq!(
            networks[network]["EndpointID"], found[&id]["EndpointID"],
            "{name}"
        );
        assert_eq!(networks[network]["NetworkID"], whole["Id"], "{name}");
    }
    assert_eq!(members.len(), found.len(), "{whole:#}");
    assert_eq!(
        docker
            .get(&format!("/networks/{}", whole["Id"].as_str().unwrap()))
            .expect(200)
            .json(),
        whole
    );
}

#[test]
fn networks_have_members() {
    let phone = scene::everything();
    let docker = phone.docker();
    let list = docker.get("/networks").expect(200).json();
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|net| net["Name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "droidspaces-bridge",
            "droidspaces-gateway-dmz-br-x",
            "droidspaces-gateway-lan",
            "host",
            "none"
        ]
    );
    let check = |network: &str, about, members: &[_]| check_network(&docker, network, about, members);
    let subnet = json!([{ "Gateway": "172.28.0.1", "Subnet": "172.28.0.0/16" }]);
    check(
        "droidspaces-bridge",
        [json!("bridge"), json!(null), subnet],
        &[("hub", "172.28.5.6/16")],
    );
    check(
        "droidspaces-gateway-lan",
        [json!("bridge"), json!("ds-lan"), json!([])],
        &[("lan-guest", "")],
    );
    check(
        "droidspaces-gateway-dmz-br-x",
        [json!("bridge"), json!("br-x"), json!([])],
        &[],
    );
    check("host", [json!("host"), json!(null), json!([])], &[]);
    check("none", [json!("null"), json!(null), json!([])], &[("alone", "")]);
    docker.post("/containers/hub/stop?t=1").expect(204);
    let bridge = docker.get("/networks/droidspaces-bridge").expect(200).json();
    assert_eq!(bridge["Containers"], json!({}));
    assert_eq!(docker.get("/volumes").expect(200).json()["Volumes"], json!([]));
}

/// What is asked every five minutes, in its order, and what is taken from the answers without a look.
#[test]
fn a_snapshot_is_taken() {
    let phone = scene::everything();
    let docker = Docker::new(phone.pair.as_ref().unwrap().tcp());
    for version in ["", "/v1.41", "/v1.45"] {
        let ask = |path: &str| docker.get(&format!("{version}{path}")).expect(200).json();
        docker.ask("HEAD", &format!("{version}/_ping"), None).expect(200);
        let info = ask("/info");
        for field in [
            "ID",
            "ServerVersion",
            "OSType",
            "Driver",
            "LoggingDriver",
            "DockerRootDir",
            "Name",
        ] {
            assert!(
                info[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field}"
            );
        }
        for item in ask("/containers/json?all=1").as_array().unwrap() {
            assert!(item["Names"][0].as_str().unwrap().starts_with('/'), "{item}");
            assert!(item["Labels"].is_object() && item["Ports"].is_array() && item["Mounts"].is_array());
            assert!(item["Status"].is_string() && item["HostConfig"]["NetworkMode"].is_string());
            let id = item["Id"].as_str().unwrap();
            assert_eq!(id.len(), 64);
            let whole = ask(&format!("/containers/{id}/json"));
            assert!(whole["HostConfig"]["LogConfig"]["Type"].is_string() && whole["Mounts"].is_array());
            assert!(whole["Config"]["Labels"].is_object() && whole["State"].get("Health").is_none());
        }
        for image in ask("/images/json").as_array().unwrap() {
            assert!(image["RepoTags"].is_array() && image["Size"].is_i64() && image["Created"].is_i64());
        }
        assert!(ask("/volumes")["Volumes"].is_array());
        for network in ask("/networks").as_array().unwrap() {
            assert!(
                network["IPAM"].is_object() && network["Options"].is_object(),
                "{network}"
            );
            assert_eq!(network["Id"].as_str().unwrap().len(), 64);
        }
        assert!(ask("/version")["Components"].is_array());
        assert!(ask("/plugins").is_array());
    }
}

/// Containers are found at the start in another order than they were made in.
#[test]
fn events_are_found_from_any_moment_on() {
    let phone = scene::everything();
    let time = |event: &Value| event["timeNano"].as_u64().unwrap();
    let all = phone.past("0");
    assert!(all.len() > 9, "{all:?}");
    for first in &all {
        let since = time(first);
        let mut expected = all.clone();
        expected.retain(|event| time(event) >= since);
        let found = phone.past(&format!("{}.{:09}", since / 1_000_000_000, since % 1_000_000_000));
        assert_eq!(found, expected, "since {since}");
    }
}
