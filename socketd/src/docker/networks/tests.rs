use serde_json::{Value, json};
use wire::spec::Pair;
use wire::{NetworkId, Time};

use super::*;
use crate::docker::query::Query;

/// Of a bridge that tells of no networks.
fn host() -> Info {
    Info {
        host_id: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".into(),
        started_at: Time(1_795_313_500_500_000_000),
        ..Info::default()
    }
}

fn network(byte: u8, name: &str, kind: NetworkKind) -> NetworkInfo {
    NetworkInfo {
        id: NetworkId([byte; 32]),
        name: name.into(),
        kind,
        created_at: Time(1_795_313_500_500_000_000),
        ..NetworkInfo::default()
    }
}

/// Of a bridge whose runtime has networks of its own.
fn told() -> Networks {
    let pool = NetworkInfo {
        subnet: "172.28.0.0/16".into(),
        gateway: "172.28.0.1".into(),
        interface: "ds-br0".into(),
        runtime: "other".into(),
        labels: vec![Pair::new("team", "a")],
        ..network(0xa1, "pool", NetworkKind::Bridge)
    };
    let segment = NetworkInfo {
        interface: "ds-lan".into(),
        ..network(0xa2, "segment", NetworkKind::Bridge)
    };
    Networks::new(&Info {
        networks: vec![
            pool,
            segment,
            network(0xb1, "host", NetworkKind::Host),
            network(0xc1, "none", NetworkKind::None),
        ],
        ..host()
    })
}

fn container(byte: u8, mode: NetworkMode, network: &str, status: Status) -> Summary {
    let mut summary = Summary {
        id: ContainerId([byte; 32]),
        name: format!("c{byte}"),
        network_mode: mode,
        network: network.into(),
        ..Summary::default()
    };
    summary.state.status = status;
    summary
}

fn list(networks: &Networks, filters: &str, containers: &[Summary]) -> Result<Vec<String>, ApiError> {
    let text = format!("filters={filters}");
    let shapes = networks.list(&Query::parse(Some(&text)), containers.iter())?;
    let shapes = serde_json::to_value(shapes).unwrap();
    let names = shapes.as_array().unwrap().iter();
    Ok(names
        .map(|one| one["Name"].as_str().unwrap().to_owned())
        .collect())
}

#[test]
fn filters_choose_networks() {
    let networks = Networks::new(&host());
    #[track_caller]
    fn check(networks: &Networks, filters: &str, expected: &[&str]) {
        assert_eq!(list(networks, filters, &[]).unwrap(), expected, "{filters}");
    }
    check(&networks, "", &["bridge", "host", "none"]);
    check(&networks, r#"{"name":["o"]}"#, &["host", "none"]);
    check(&networks, r#"{"name":{"^host$":true}}"#, &["host"]);
    check(&networks, r#"{"driver":["null"]}"#, &["none"]);
    check(&networks, r#"{"id":["^5b4a"]}"#, &["bridge"]);
    check(&networks, r#"{"scope":["swarm"]}"#, &[]);
    check(&networks, r#"{"type":["custom"]}"#, &[]);
    check(&networks, r#"{"type":["builtin"]}"#, &["bridge", "host", "none"]);
    check(&networks, r#"{"dangling":["true"]}"#, &[]);
    check(
        &networks,
        r#"{"dangling":["false"]}"#,
        &["bridge", "host", "none"],
    );
    check(&networks, r#"{"label":["x"]}"#, &[]);
    let networks = told();
    check(&networks, "", &["pool", "segment", "host", "none"]);
    check(&networks, r#"{"driver":["bridge"]}"#, &["pool", "segment"]);
    check(&networks, r#"{"type":["custom"]}"#, &["pool", "segment"]);
    check(&networks, r#"{"type":["builtin"]}"#, &["host", "none"]);
    check(&networks, r#"{"label":["team=a"]}"#, &["pool"]);
    check(&networks, r#"{"id":["^a2"]}"#, &["segment"]);
    assert_eq!(
        list(&networks, r#"{"x":["y"]}"#, &[]).unwrap_err().message,
        "invalid filter 'x'"
    );
    assert_eq!(
        list(&networks, r#"{"type":["y"]}"#, &[]).unwrap_err().message,
        "invalid filter 'type=y'"
    );
}

#[test]
fn a_network_without_running_containers_is_left_over() {
    let mut containers = [
        container(1, NetworkMode::Named, "pool", Status::Running),
        container(2, NetworkMode::Named, "segment", Status::Exited),
    ];
    let found = |containers: &[Summary], dangling| {
        list(&told(), &format!(r#"{{"dangling":["{dangling}"]}}"#), containers)
    };
    assert_eq!(found(&containers, true).unwrap(), ["segment"]);
    assert_eq!(found(&containers, false).unwrap(), ["pool", "host", "none"]);
    containers[1].state.status = Status::Paused;
    assert_eq!(found(&containers, true).unwrap(), Vec::<String>::new());
}

fn inspect(networks: &Networks, reference: &str, containers: &[Summary]) -> Result<Value, ApiError> {
    let shape = networks.inspect(reference, &Query::default(), containers.iter())?;
    Ok(serde_json::to_value(shape).unwrap())
}

#[test]
fn a_network_shows_the_containers_that_run_in_it() {
    let networks = Networks::new(&host());
    let containers = [container(7, NetworkMode::Default, "", Status::Running)];
    let id = ContainerId([7; 32]).to_string();
    let expected = json!({
        "Name": "bridge",
        "Id": "5b4a79681f0e3d2cd3c2f1e09786b5a45b4a79681f0e3d2cd3c2f1e09786b5a4",
        "Created": "2026-11-22T02:11:40.5Z",
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": {"Driver": "default", "Options": null, "Config": []},
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": false,
        "Containers": {
            id: {
                "Name": "c7",
                "EndpointID": "5c4d7e6f18093a2bd4c5f6e79081b2a35c4d7e6f18093a2bd4c5f6e79081b2a3",
                "MacAddress": "",
                "IPv4Address": "",
                "IPv6Address": ""
            }
        },
        "Options": {},
        "Labels": {}
    });
    assert_eq!(inspect(&networks, "bridge", &containers).unwrap(), expected);
    assert_eq!(inspect(&networks, "5b4a", &containers).unwrap(), expected);
    assert_eq!(
        inspect(&networks, "none", &containers).unwrap()["Containers"],
        json!({})
    );
    let stopped = [container(7, NetworkMode::Bridge, "", Status::Exited)];
    assert_eq!(
        inspect(&networks, "bridge", &stopped).unwrap()["Containers"],
        json!({})
    );
    let error = inspect(&networks, "nosuch", &[]).unwrap_err();
    assert_eq!(error, ApiError::not_found("network nosuch not found"));
}

#[test]
fn addresses_are_shown_where_they_are_known() {
    let mut inside = container(0x0f, NetworkMode::Named, "pool", Status::Running);
    inside.address = "172.28.41.7".into();
    let mut elsewhere = container(0x0e, NetworkMode::Named, "segment", Status::Running);
    elsewhere.address = "10.0.0.2".into();
    let containers = [
        inside,
        elsewhere,
        container(0x0d, NetworkMode::Named, "pool", Status::Running),
    ];
    let shown = inspect(&told(), "a1a1", &containers).unwrap();
    assert_eq!(
        shown["IPAM"]["Config"],
        json!([{"Subnet": "172.28.0.0/16", "Gateway": "172.28.0.1"}])
    );
    assert_eq!(
        shown["Options"],
        json!({"com.docker.network.bridge.name": "ds-br0"})
    );
    assert_eq!(shown["Labels"], json!({"team": "a"}));
    let attached = |byte: u8, address: &str| {
        json!({
            "Name": format!("c{byte}"),
            "EndpointID": ContainerId([byte ^ 0xa1; 32]).to_string(),
            "MacAddress": "",
            "IPv4Address": address,
            "IPv6Address": ""
        })
    };
    assert_eq!(
        shown["Containers"],
        json!({
            "0f".repeat(32): attached(0x0f, "172.28.41.7/16"),
            "0d".repeat(32): attached(0x0d, ""),
        })
    );
    // Where the network's size is not known, neither is the length of what its addresses share.
    let shown = inspect(&told(), "segment", &containers).unwrap();
    assert_eq!(shown["IPAM"]["Config"], json!([]));
    assert_eq!(
        shown["Options"],
        json!({"com.docker.network.bridge.name": "ds-lan"})
    );
    assert_eq!(
        shown["Containers"]["0e".repeat(32)]["IPv4Address"],
        json!("10.0.0.2")
    );
}

#[test]
fn a_beginning_of_several_ids_means_none() {
    assert_eq!(
        inspect(&told(), "a", &[]).unwrap_err(),
        ApiError::bad_request("network a is ambiguous (2 matches found based on ID prefix)")
    );
    assert_eq!(inspect(&told(), "", &[]).unwrap_err().status, 404);
}

#[test]
fn names_come_from_the_kind_or_are_given() {
    #[track_caller]
    fn check(mode: NetworkMode, expected: &str) {
        assert_eq!(network_name(mode, "pool"), expected);
    }
    check(NetworkMode::Default, "bridge");
    check(NetworkMode::Bridge, "bridge");
    check(NetworkMode::Host, "host");
    check(NetworkMode::None, "none");
    check(NetworkMode::Named, "pool");
    check(NetworkMode::Unknown(99), "none");
    assert_eq!(network_name(NetworkMode::Named, ""), "none");
}

#[test]
fn prefixes_are_read_from_subnets() {
    #[track_caller]
    fn check(subnet: &str, expected: u8) {
        let network = NetworkInfo {
            subnet: subnet.into(),
            ..NetworkInfo::default()
        };
        assert_eq!(prefix_length(&network), expected, "{subnet}");
    }
    check("172.28.0.0/16", 16);
    check("172.28.0.0", 0);
    check("172.28.0.0/", 0);
    check("172.28.0.0/999", 0);
    check("", 0);
}

#[test]
fn every_driver_is_named_once() {
    assert_eq!(drivers(&host()), ["bridge", "host", "null"]);
    let networks = vec![network(1, "host", NetworkKind::Host)];
    assert_eq!(drivers(&Info { networks, ..host() }), ["host"]);
}

#[test]
fn bollard_reads_what_is_written() {
    let mut inside = container(0x0f, NetworkMode::Named, "pool", Status::Running);
    inside.address = "172.28.41.7".into();
    let text = inspect(&told(), "pool", &[inside]).unwrap().to_string();
    let read: bollard_stubs::models::NetworkInspect = serde_json::from_str(&text).unwrap();
    assert_eq!(read.driver.as_deref(), Some("bridge"));
    let pools = read.ipam.unwrap().config.unwrap();
    assert_eq!(pools[0].gateway.as_deref(), Some("172.28.0.1"));
}
