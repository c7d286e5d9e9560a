use serde_json::{Value, json};
use wire::container::{Exit, Health, HealthStatus};
use wire::network::NetworkInfo;
use wire::spec::{
    HealthCheck, Mount, MountKind, NetworkMode, Process, Resources, RestartKind, RestartPolicy,
};
use wire::{ContainerId, ImageId, NetworkId, Spec, Time};

use super::*;

fn info() -> Info {
    let mut info = Info {
        host_id: "00".repeat(32),
        ..Info::default()
    };
    info.limits.oom_kill_disable = true;
    info
}

fn container() -> Container {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let mut spec = Spec {
        image: "bb".into(),
        process: Process {
            command: words(&["sh", "-c", "sleep 600"]),
            env: words(&["A=b"]),
            working_dir: "/tmp".into(),
            ..Process::default()
        },
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
        resources: Resources {
            memory_bytes: 67_108_864,
            memory_swap_bytes: 134_217_728,
            nano_cpus: 500_000_000,
            pids_max: 50,
            ..Resources::default()
        },
        restart: RestartPolicy {
            kind: RestartKind::UnlessStopped,
            retries_max: 0,
        },
        ..Spec::default()
    };
    spec.network.mode = NetworkMode::None;
    Container {
        id: ContainerId([0xa7; 32]),
        name: "web".into(),
        runtime: "embedded".into(),
        created_at: Time(1_795_313_500_329_231_690),
        image_id: ImageId([0x12; 32]),
        spec,
        upper_dir: "/s/c/upper".into(),
        lower_dirs: words(&["/s/c/init", "/s/i/rootfs"]),
        log_path: "/s/c/log".into(),
        ..Container::default()
    }
}

fn inspected(container: &Container, usage: Option<&ContainerUsage>) -> Value {
    let info = info();
    serde_json::to_value(inspect(container, &info, &Networks::new(&info), usage)).unwrap()
}

/// As a real engine printed it for the same request, but for what version 1.51 dropped or added,
/// and names that are ours.
#[test]
fn a_created_container_has_dockers_shape() {
    let expected: Value = serde_json::from_str(include_str!("created.json")).unwrap();
    assert_eq!(inspected(&container(), None), expected);
    let read: bollard_stubs::models::ContainerInspectResponse = serde_json::from_value(expected).unwrap();
    assert_eq!(read.name.as_deref(), Some("/web"));
}

#[test]
fn states_have_their_flags() {
    #[track_caller]
    fn check(status: Status, expected: Value) {
        let mut container = container();
        container.state = State {
            status,
            pid: 42,
            exit: Some(Exit {
                code: 137,
                oom: true,
                ..Exit::default()
            }),
            started_at: Time(1_795_313_500_000_000_000),
            ..State::default()
        };
        let shown = inspected(&container, None);
        let state = &shown["State"];
        let flags = json!([
            state["Status"],
            state["Running"],
            state["Paused"],
            state["Restarting"],
            state["OOMKilled"],
            state["ExitCode"]
        ]);
        assert_eq!(flags, expected);
    }
    check(Status::Running, json!(["running", true, false, false, false, 0]));
    check(Status::Paused, json!(["paused", true, true, false, false, 0]));
    check(
        Status::Restarting,
        json!(["restarting", true, false, true, true, 137]),
    );
    check(Status::Exited, json!(["exited", false, false, false, true, 137]));
}

#[test]
fn a_failed_start_keeps_its_code_and_its_reason() {
    let mut container = container();
    container.state.exit = Some(Exit {
        code: 127,
        ..Exit::default()
    });
    container.state.error = "not there".into();
    let shown = inspected(&container, None);
    assert_eq!(shown["State"]["Status"], "created");
    assert_eq!(shown["State"]["ExitCode"], 127);
    assert_eq!(shown["State"]["Error"], "not there");
}

#[test]
fn sizes_are_shown_when_asked_even_if_zero() {
    let usage = ContainerUsage {
        image_bytes: 5,
        ..ContainerUsage::default()
    };
    let shown = inspected(&container(), Some(&usage));
    assert_eq!((&shown["SizeRw"], &shown["SizeRootFs"]), (&json!(0), &json!(5)));
}

#[test]
fn published_ports_are_exposed_and_lead_nowhere() {
    let mut container = container();
    container.spec.network.mode = NetworkMode::Default;
    container.spec.network.published = vec![Port {
        container_port: 80,
        protocol: "tcp".into(),
        host_port: 8080,
        ..Port::default()
    }];
    container.state.status = Status::Running;
    let shown = inspected(&container, None);
    assert_eq!(shown["Config"]["ExposedPorts"], json!({"80/tcp": {}}));
    assert_eq!(
        shown["HostConfig"]["PortBindings"],
        json!({"80/tcp": [{"HostIp": "", "HostPort": "8080"}]})
    );
    assert_eq!(shown["NetworkSettings"]["Ports"], json!({"80/tcp": null}));
    assert_eq!(shown["HostConfig"]["NetworkMode"], "bridge");
}

/// A container as another runtime keeps it.
fn elsewhere() -> (Container, Info) {
    let mut container = container();
    container.storage = "image".into();
    container.upper_dir.clear();
    container.lower_dirs.clear();
    let network = &mut container.spec.network;
    network.mode = NetworkMode::Named;
    network.name = "pool".into();
    network.address = "172.28.41.7".into();
    network.forwarded = true;
    network.published = vec![Port {
        container_port: 80,
        protocol: "tcp".into(),
        host_port: 8096,
        ..Port::default()
    }];
    container.state.status = Status::Running;
    container.state.started_at = Time(1_795_313_500_000_000_000);
    let network = |byte: u8, name: &str| NetworkInfo {
        id: NetworkId([byte; 32]),
        name: name.into(),
        subnet: "172.28.0.0/16".into(),
        gateway: "172.28.0.1".into(),
        ..NetworkInfo::default()
    };
    let info = Info {
        networks: vec![network(0xa1, "pool"), network(0xb1, "bridge")],
        ..info()
    };
    (container, info)
}

fn shown(container: &Container, info: &Info) -> Value {
    serde_json::to_value(inspect(container, info, &Networks::new(info), None)).unwrap()
}

#[test]
fn a_network_of_a_runtime_has_addresses_and_ports_that_lead_there() {
    let (mut container, info) = elsewhere();
    let running = shown(&container, &info);
    let settings = &running["NetworkSettings"];
    let place = |shown: &Value| {
        let place = ["IPAddress", "Gateway", "IPPrefixLen", "EndpointID"].map(|key| shown[key].clone());
        json!(place)
    };
    assert_eq!(
        place(&settings["Networks"]["pool"]),
        json!(["172.28.41.7", "172.28.0.1", 16, "06".repeat(32)])
    );
    assert_eq!(settings["Networks"]["pool"]["NetworkID"], "a1".repeat(32));
    // Fields beside the networks belong to the default one.
    assert_eq!(place(settings), json!(["", "", 0, ""]));
    let bindings = json!({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8096"}]});
    assert_eq!(settings["Ports"], bindings);
    assert_eq!(running["HostConfig"]["NetworkMode"], "pool");
    let read: bollard_stubs::models::ContainerInspectResponse = serde_json::from_value(running).unwrap();
    let graph = read.graph_driver.unwrap();
    assert_eq!(
        (graph.name.as_str(), graph.data.len(), read.driver.as_deref()),
        ("image", 0, Some("image"))
    );

    container.state.status = Status::Exited;
    let stopped = shown(&container, &info);
    assert_eq!(
        place(&stopped["NetworkSettings"]["Networks"]["pool"]),
        json!(["", "", 0, ""])
    );
    assert_eq!(stopped["NetworkSettings"]["Ports"], json!({}));
    assert_eq!(
        stopped["HostConfig"]["PortBindings"],
        json!({"80/tcp": [{"HostIp": "", "HostPort": "8096"}]})
    );
}

#[test]
fn an_address_in_the_default_network_stands_beside_the_networks_too() {
    let (mut container, info) = elsewhere();
    container.spec.network.mode = NetworkMode::Bridge;
    let shown = shown(&container, &info);
    let settings = &shown["NetworkSettings"];
    for of in [settings, &settings["Networks"]["bridge"]] {
        assert_eq!(of["IPAddress"], "172.28.41.7");
        assert_eq!(of["Gateway"], "172.28.0.1");
        assert_eq!(of["IPPrefixLen"], 16);
    }
}

#[test]
fn a_check_and_its_health_are_shown() {
    let mut container = container();
    container.spec.process.rows = 24;
    container.spec.process.columns = 80;
    container.spec.health_check = Some(HealthCheck {
        arguments: vec!["true".into()],
        shell: true,
        interval_ns: 1_000_000_000,
        ..HealthCheck::default()
    });
    container.state.health = Some(Health {
        status: HealthStatus::Healthy,
        ..Health::default()
    });
    let shown = inspected(&container, None);
    assert_eq!(
        shown["Config"]["Healthcheck"],
        json!({"Test": ["CMD-SHELL", "true"], "Interval": 1_000_000_000})
    );
    assert_eq!(shown["State"]["Health"]["Status"], "healthy");
    assert_eq!(shown["HostConfig"]["ConsoleSize"], json!([24, 80]));
}
