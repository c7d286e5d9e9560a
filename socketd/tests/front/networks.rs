//! Networks as the bridge tells of them, and containers in them.

use axum::http::StatusCode;
use serde_json::{Value, json};
use wire::network::{NetworkInfo, NetworkKind};
use wire::spec::{NetworkMode, Pair, Port};
use wire::{Action, Event, EventKind, NetworkId, Opcode, Status, Summary, Time};

use crate::client::{Served, ask, entry};
use crate::stand_in::{StandIn, summary};

fn network(byte: u8, name: &str, kind: NetworkKind) -> NetworkInfo {
    NetworkInfo {
        id: NetworkId([byte; 32]),
        name: name.to_owned(),
        kind,
        ..NetworkInfo::default()
    }
}

fn inside() -> Summary {
    let mut inside = Summary {
        network_mode: NetworkMode::Named,
        network: "pool".to_owned(),
        address: "172.28.41.7".to_owned(),
        forwarded: true,
        published: vec![Port {
            container_port: 8096,
            protocol: "tcp".to_owned(),
            host_port: 8096,
            ..Port::default()
        }],
        ..summary(1, "inside")
    };
    inside.state.status = Status::Running;
    inside.state.started_at = Time(1_700_000_000_000_000_000);
    inside
}

fn with_networks() -> StandIn {
    let stand_in = StandIn::running();
    stand_in.world(|world| {
        let pool = NetworkInfo {
            subnet: "172.28.0.0/16".to_owned(),
            gateway: "172.28.0.1".to_owned(),
            ..network(0xa1, "pool", NetworkKind::Bridge)
        };
        world.networks = vec![
            pool,
            network(0xa2, "segment", NetworkKind::Bridge),
            network(0xb1, "host", NetworkKind::Host),
            network(0xc1, "none", NetworkKind::None),
        ];
        world.containers = vec![inside()];
    });
    stand_in
}

async fn get(stand_in: &StandIn, path: &str) -> Value {
    let (entry, _teller) = entry(stand_in);
    let reply = ask(&entry, "GET", path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
    serde_json::from_str(&reply.body).unwrap()
}

async fn names(stand_in: &StandIn, path: &str) -> Vec<String> {
    let list = get(stand_in, path).await;
    let list = list.as_array().unwrap().iter();
    list.map(|one| one["Name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn networks_are_those_the_bridge_tells_of() {
    let stand_in = with_networks();
    assert_eq!(
        names(&stand_in, "/networks").await,
        ["pool", "segment", "host", "none"]
    );
    let dangling = "/networks?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D";
    assert_eq!(names(&stand_in, dangling).await, ["segment"]);
    // Networks come and go without a change of any container.
    stand_in.world(|world| world.networks.truncate(1));
    assert_eq!(names(&stand_in, "/networks").await, ["pool"]);
    let info = get(&stand_in, "/info").await;
    assert_eq!(info["Plugins"]["Network"], json!(["bridge"]));
}

#[tokio::test]
async fn an_older_bridge_has_the_three_that_are_always_there() {
    let stand_in = StandIn::running();
    assert_eq!(names(&stand_in, "/networks").await, ["bridge", "host", "none"]);
}

#[tokio::test]
async fn a_container_shows_its_place_everywhere() {
    let stand_in = with_networks();
    let pool = get(&stand_in, "/networks/pool").await;
    let attached = &pool["Containers"]["01".repeat(32)];
    assert_eq!(attached["IPv4Address"], "172.28.41.7/16");
    let list = get(&stand_in, "/containers/json").await;
    let shown = get(&stand_in, "/containers/inside/json").await;
    for container in [&list[0], &shown] {
        assert_eq!(container["HostConfig"]["NetworkMode"], "pool");
        let place = &container["NetworkSettings"]["Networks"]["pool"];
        assert_eq!(place["IPAddress"], "172.28.41.7");
        assert_eq!(place["Gateway"], "172.28.0.1");
        assert_eq!(place["IPPrefixLen"], 16);
        assert_eq!(place["NetworkID"], "a1".repeat(32));
        assert_eq!(place["EndpointID"], attached["EndpointID"]);
    }
    assert_eq!(
        list[0]["Ports"],
        json!([{"IP": "0.0.0.0", "PrivatePort": 8096, "PublicPort": 8096, "Type": "tcp"}])
    );
    assert_eq!(
        shown["NetworkSettings"]["Ports"],
        json!({"8096/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8096"}]})
    );
}

#[tokio::test]
async fn an_event_of_a_network_that_came_later_has_its_id() {
    let stand_in = with_networks();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    raw.expect("\r\n\r\n").await;
    let connect = |sequence: u64, name: &str| Event {
        sequence,
        time: Time(1_700_000_000_000_000_000),
        kind: EventKind::Network,
        action: Action::Connect,
        actor: name.to_owned(),
        attributes: vec![Pair::new("name", name), Pair::new("network_kind", "bridge")],
        ..Event::default()
    };
    stand_in.world(|world| world.events.push(connect(1, "pool")));
    raw.expect(&format!("\"ID\":\"{}\"", "a1".repeat(32))).await;
    // Only for one that is not known is asked again.
    assert_eq!(stand_in.count(Opcode::Info), 1);
    stand_in.world(|world| {
        world.networks.push(network(0xd1, "late", NetworkKind::Bridge));
        world.events.push(connect(2, "late"));
    });
    raw.expect(&format!("\"ID\":\"{}\"", "d1".repeat(32))).await;
    stand_in.world(|world| world.events.push(connect(3, "late")));
    raw.expect(&format!("\"ID\":\"{}\"", "d1".repeat(32))).await;
    assert_eq!(stand_in.count(Opcode::Info), 2);
}
