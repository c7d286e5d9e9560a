use serde_json::{Value, json};
use wire::container::Exit;
use wire::network::NetworkInfo;
use wire::spec::{Mount, MountKind, NetworkMode, Pair, Port};
use wire::{ContainerId, Image, ImageId, Info, NetworkId, Status};

use super::*;

fn networks() -> Networks {
    Networks::new(&Info {
        host_id: "00".repeat(32),
        ..Info::default()
    })
}

fn images() -> ImageIndex {
    ImageIndex::new(vec![Image {
        id: ImageId([0x12; 32]),
        tags: vec!["bb:latest".into()],
        ..Image::default()
    }])
}

fn web() -> Summary {
    let mut summary = Summary {
        id: ContainerId([0xa7; 32]),
        name: "web".into(),
        created_at: Time(1_795_313_500_329_231_690),
        image_id: ImageId([0x12; 32]),
        image: "bb".into(),
        arguments: ["sh", "-c", "echo hello; sleep 600"].map(str::to_owned).to_vec(),
        labels: vec![Pair::new("team", "a")],
        mounts: vec![Mount {
            kind: MountKind::Bind,
            source: "/etc".into(),
            target: "/mnt/etc".into(),
            read_only: true,
            options: "ro".into(),
            create_source: true,
            ..Mount::default()
        }],
        network_mode: NetworkMode::None,
        ..Summary::default()
    };
    summary.state.status = Status::Running;
    summary.state.started_at = Time(1_795_313_500_000_000_000);
    summary
}

const NOW: Time = Time(1_795_313_501_500_000_000);

fn rendered(summary: Summary, usage: Option<&ContainerUsage>) -> Value {
    let mut out = Vec::new();
    Prepared::new(summary, usage, &networks(), &images()).render_into(NOW.into(), &mut out);
    serde_json::from_slice(&out).unwrap()
}

fn endpoint(network_id: &str, endpoint_id: &str) -> Value {
    json!({
        "IPAMConfig": null, "Links": null, "Aliases": null, "MacAddress": "", "DriverOpts": null, "GwPriority": 0,
        "NetworkID": network_id, "EndpointID": endpoint_id, "Gateway": "", "IPAddress": "", "IPPrefixLen": 0,
        "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "DNSNames": null
    })
}

#[test]
fn a_running_container_has_dockers_shape() {
    let expected = json!({
        "Id": "a7".repeat(32),
        "Names": ["/web"],
        "Image": "bb",
        "ImageID": format!("sha256:{}", "12".repeat(32)),
        "Command": "sh -c 'echo hello; sleep 600'",
        "Created": 1_795_313_500,
        "Ports": [],
        "Labels": {"team": "a"},
        "State": "running",
        "Status": "Up 1 second",
        "HostConfig": {"NetworkMode": "none"},
        "NetworkSettings": {"Networks": {"none": endpoint(&"3e".repeat(32), &"99".repeat(32))}},
        "Mounts": [{
            "Type": "bind", "Source": "/etc", "Destination": "/mnt/etc", "Mode": "ro", "RW": false,
            "Propagation": "rprivate"
        }]
    });
    assert_eq!(rendered(web(), None), expected);
    let read: bollard_stubs::models::ContainerSummary = serde_json::from_value(expected).unwrap();
    assert_eq!(read.status.as_deref(), Some("Up 1 second"));
}

#[test]
fn fields_come_in_dockers_order() {
    let mut out = Vec::new();
    Prepared::new(web(), None, &networks(), &images()).render_into(NOW.into(), &mut out);
    let text = String::from_utf8(out).unwrap();
    let keys = [
        "Id",
        "Names",
        "Image",
        "ImageID",
        "Command",
        "Created",
        "Ports",
        "Labels",
        "State",
        "Status",
        "HostConfig",
        "NetworkSettings",
        "Mounts",
    ];
    let places: Vec<usize> = keys
        .iter()
        .map(|key| text.find(&format!("\"{key}\":")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn a_container_never_started_knows_no_network_id() {
    let mut summary = web();
    summary.state = wire::State::default();
    let shown = rendered(summary, None);
    assert_eq!(shown["Status"], "Created");
    assert_eq!(shown["NetworkSettings"]["Networks"]["none"], endpoint("", ""));
}

#[test]
fn one_that_ended_keeps_its_network_but_no_endpoint() {
    let mut summary = web();
    summary.state.status = Status::Exited;
    summary.state.finished_at = Time(1_795_313_501_000_000_000);
    summary.state.exit = Some(Exit {
        code: 137,
        ..Exit::default()
    });
    let shown = rendered(summary, None);
    assert_eq!(shown["State"], "exited");
    assert_eq!(shown["Status"], "Exited (137) Less than a second ago");
    assert_eq!(
        shown["NetworkSettings"]["Networks"]["none"],
        endpoint(&"3e".repeat(32), "")
    );
}

#[test]
fn sizes_are_shown_when_they_are_known_and_not_zero() {
    let mut usage = ContainerUsage {
        id: ContainerId([0xa7; 32]),
        upper_bytes: 0,
        image_bytes: 1_984_300,
    };
    let shown = rendered(web(), Some(&usage));
    assert_eq!(
        (&shown["SizeRw"], &shown["SizeRootFs"]),
        (&json!(null), &json!(1_984_300))
    );
    usage.upper_bytes = 700;
    let shown = rendered(web(), Some(&usage));
    assert_eq!(
        (&shown["SizeRw"], &shown["SizeRootFs"]),
        (&json!(700), &json!(1_985_000))
    );
}

#[test]
fn ports_are_those_that_can_be_reached() {
    let port = |container_port, host_port| Port {
        container_port,
        protocol: "tcp".into(),
        host_port,
        ..Port::default()
    };
    let mut summary = web();
    summary.exposed = vec![port(443, 0), port(80, 0)];
    summary.published = vec![port(80, 8080)];
    assert_eq!(rendered(summary.clone(), None)["Ports"], json!([]));
    summary.network_mode = NetworkMode::Default;
    let shown = rendered(summary.clone(), None);
    let expected = json!([{"PrivatePort": 80, "Type": "tcp"}, {"PrivatePort": 443, "Type": "tcp"}]);
    assert_eq!(shown["Ports"], expected);
    assert_eq!(shown["HostConfig"]["NetworkMode"], "bridge");
    summary.state.status = Status::Exited;
    assert_eq!(rendered(summary, None)["Ports"], json!([]));
}

#[test]
fn a_network_of_a_runtime_has_addresses_and_ports_that_lead_there() {
    let networks = Networks::new(&Info {
        networks: vec![NetworkInfo {
            id: NetworkId([0xa1; 32]),
            name: "pool".into(),
            subnet: "172.28.0.0/16".into(),
            gateway: "172.28.0.1".into(),
            ..NetworkInfo::default()
        }],
        ..Info::default()
    });
    let rendered = |summary| {
        let mut out = Vec::new();
        Prepared::new(summary, None, &networks, &images()).render_into(NOW.into(), &mut out);
        serde_json::from_slice::<Value>(&out).unwrap()
    };
    let mut summary = web();
    summary.network_mode = NetworkMode::Named;
    summary.network = "pool".into();
    summary.address = "172.28.41.7".into();
    summary.forwarded = true;
    summary.published = vec![Port {
        container_port: 80,
        protocol: "tcp".into(),
        host_port: 8096,
        ..Port::default()
    }];
    let shown = rendered(summary.clone());
    let mut expected = endpoint(&"a1".repeat(32), &"06".repeat(32));
    expected["IPAddress"] = json!("172.28.41.7");
    expected["Gateway"] = json!("172.28.0.1");
    expected["IPPrefixLen"] = json!(16);
    assert_eq!(shown["NetworkSettings"], json!({"Networks": {"pool": expected}}));
    assert_eq!(shown["HostConfig"]["NetworkMode"], "pool");
    assert_eq!(
        shown["Ports"],
        json!([{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8096, "Type": "tcp"}])
    );
    let read: bollard_stubs::models::ContainerSummary = serde_json::from_value(shown).unwrap();
    assert_eq!(read.ports.unwrap()[0].public_port, Some(8096));
    summary.state.status = Status::Exited;
    let shown = rendered(summary);
    assert_eq!(
        shown["NetworkSettings"]["Networks"]["pool"],
        endpoint(&"a1".repeat(32), "")
    );
    assert_eq!(shown["Ports"], json!([]));
}

#[test]
fn an_image_whose_name_went_elsewhere_is_shown_by_id() {
    let mut summary = web();
    summary.image = "gone".into();
    assert_eq!(
        rendered(summary, None)["Image"],
        format!("sha256:{}", "12".repeat(32))
    );
}

#[test]
fn any_text_survives_rendering() {
    let mut summary = web();
    let hostile = "\",\"Status\":\"x\\ \u{1f600}\n\u{7}";
    summary.labels = vec![Pair::new(hostile, hostile)];
    summary.annotations = vec![Pair::new("k", hostile)];
    summary.arguments = vec![hostile.into()];
    let shown = rendered(summary, None);
    assert_eq!(shown["Labels"][hostile], hostile);
    assert_eq!(shown["Command"], hostile);
    assert_eq!(shown["HostConfig"]["Annotations"]["k"], hostile);
    assert_eq!(shown["Status"], "Up 1 second");
}

#[test]
fn a_list_is_valid_until_its_first_text_changes() {
    let running = Prepared::new(web(), None, &networks(), &images());
    let mut later = web();
    later.state.started_at = Time(NOW.0 - 700_000_000);
    let later = Prepared::new(later, None, &networks(), &images());
    let mut out = Vec::new();
    let valid_until = render_list([&running, &later].into_iter(), NOW.into(), &mut out);
    assert_eq!(valid_until, Time(NOW.0 + 300_000_000));
    let list: Vec<Value> = serde_json::from_slice(&out).unwrap();
    assert_eq!(list.len(), 2);
    out.clear();
    assert_eq!(
        render_list(core::iter::empty(), NOW.into(), &mut out),
        Time(u64::MAX)
    );
    assert_eq!(out, b"[]");
}

#[test]
fn an_item_among_other_things_is_the_same() {
    let (summary, networks, images) = (web(), networks(), images());
    let item = Item::new(&summary, None, &networks, &images, NOW.into());
    assert_eq!(serde_json::to_value(item).unwrap(), rendered(web(), None));
}

#[test]
fn a_query_is_read() {
    let parse = |text: &str| ListQuery::parse(&Query::parse(Some(text)));
    let query = parse("all=0&limit=3&size=1").unwrap();
    assert_eq!((query.all, query.limit, query.size), (true, 3, true));
    assert!(!parse("").unwrap().all);
    assert!(parse("all=maybe").unwrap().all);
    assert!(!parse("limit=-1").unwrap().all);
    assert!(parse("filters={\"status\":[\"exited\"]}").unwrap().all);
    assert_eq!(
        parse("limit=x").unwrap_err(),
        ApiError::bad_request("strconv.Atoi: parsing \"x\": invalid syntax")
    );
    assert_eq!(
        parse("filters={\"nonsense\":[\"x\"]}").unwrap_err(),
        ApiError::bad_request("invalid filter 'nonsense'")
    );
}
