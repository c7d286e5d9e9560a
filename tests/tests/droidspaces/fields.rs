//! Every key of a configuration, as clients see it.

use harness::Docker;
use harness::droidspaces::{Rootfs, Workspace};
use serde_json::{Value, json};

use crate::phone::{LIMIT, Phone};
use crate::stand_in::expect;

const BOX_UUID: &str = "7c0e5a0b9d1f4c22a6b3e8f41d92ab05";
/// Bytes of the image's one file that are not a hole.
const IMAGE_BYTES: usize = 64 * 1024;

/// Keys of the one that has them all, besides those of its files.
const BOX: &[(&str, &str)] = &[
    ("hostname", "media"),
    ("net_mode", "nat"),
    ("static_nat_ip", "172.28.41.7"),
    ("port_forwards", "8096:8096/tcp,5000-5010:5000-5010/udp"),
    ("upstream_interfaces", "wlan0,rmnet*"),
    ("dns_servers", "9.9.9.9,1.1.1.1 8.8.8.8"),
    ("disable_ipv6", "yes"),
    ("enable_android_storage", "1"),
    ("enable_termux_x11", "TRUE"),
    ("tx11_extra_flags", "-legacy"),
    ("enable_virgl", "on"),
    ("virgl_extra_flags", "--gl"),
    ("enable_pulseaudio", "1"),
    ("enable_hw_access", "1"),
    ("enable_gpu_mode", "1"),
    ("selinux_permissive", "1"),
    ("allow_userns", "1"),
    ("volatile_mode", "1"),
    ("force_cgroupv1", "1"),
    ("block_nested_ns", "1"),
    ("memory_limit", "1610612736"),
    ("cpu_quota", "200000"),
    ("cpu_period", "50000"),
    ("pids_limit", "2048"),
    ("privileged", "nomask,nocaps"),
    ("foreground", "0"),
    ("uuid", BOX_UUID),
    ("custom_init", "/sbin/own"),
    (
        "bind_mounts",
        "/data/media:/srv/media:ro,/data/local/tmp:/mnt/tmp",
    ),
    ("run_at_boot", "1"),
    ("run_at_boot_priority", "2"),
    ("use_sparse_image", "1"),
    ("sparse_image_size_gb", "32"),
];

/// What they become that has no other place, without `io.droidspaces.`.
const BOX_LABELS: &[(&str, &str)] = &[
    ("net-mode", "nat"),
    ("port-forwards", "8096:8096/tcp,5000-5010:5000-5010/udp"),
    ("upstream-interfaces", "wlan0,rmnet*"),
    ("disable-ipv6", "true"),
    ("android-storage", "true"),
    ("x11", "true"),
    ("x11-flags", "-legacy"),
    ("virgl", "true"),
    ("virgl-flags", "--gl"),
    ("pulseaudio", "true"),
    ("hw-access", "true"),
    ("gpu", "true"),
    ("selinux-permissive", "true"),
    ("allow-userns", "true"),
    ("volatile", "true"),
    ("force-cgroupv1", "true"),
    ("block-nested-ns", "true"),
    ("privileged", "nomask,nocaps"),
    ("run-at-boot", "true"),
    ("run-at-boot-priority", "2"),
    ("sparse-image", "true"),
    ("sparse-image-size-gb", "32"),
    ("config.colour_of_icon", "blue"),
    ("config.Third Key", "a=b"),
];

fn idle(rootfs: &Rootfs) {
    rootfs.init("trap 'exit 0' TERM\nwhile :; do sleep 1000 & wait; done");
}

fn media_box(workspace: &Workspace) {
    let env = "# none\nexport COLOUR=red\nPLAIN = a b=c \nQUOTED=\"x\"\nnothing\n";
    let mut draft = workspace.container("Media Box").image(3 << 20).env(env);
    for (key, value) in BOX {
        draft = draft.set(key, value);
    }
    draft
        .line("colour_of_icon=blue")
        .line("# a comment")
        .line("Third Key = a=b")
        .write();
    let image = workspace.container_file("Media Box", "rootfs.img");
    std::fs::write(image, vec![7; IMAGE_BYTES]).unwrap();
}

/// 32 entries: 30 single ports of TCP, a range of each protocol.
fn forwards() -> String {
    let single = (0..30).map(|number| format!("{}:{}", 8000 + number, 80 + number));
    let ranges = ["9000-9009:7000-7009".to_owned(), "9000-9001/udp".to_owned()];
    single.chain(ranges).collect::<Vec<_>>().join(",")
}

/// Twenty, every other one read-only, all of folders that are there.
fn binds(workspace: &Workspace) -> String {
    let one = |number: usize| {
        let source = workspace.root().join(format!("shared{number}"));
        std::fs::create_dir(&source).unwrap();
        let end = if number.is_multiple_of(2) { ":ro" } else { "" };
        format!("{}:/srv/b{number}{end}", source.display())
    };
    (0..20).map(one).collect::<Vec<_>>().join(",")
}

fn scene(workspace: &Workspace) {
    media_box(workspace);
    let hub = workspace.container("hub").set("net_mode", "nat");
    let hub = hub
        .set("static_nat_ip", "172.28.5.6")
        .set("port_forwards", &forwards());
    hub.set("bind_mounts", &binds(workspace)).rootfs(idle).write();
    let lan = workspace.container("lan-guest").set("net_mode", "gateway");
    lan.set("gateway_container", "hub").rootfs(idle).write();
    let dmz = workspace
        .container("dmz guest")
        .set("net_mode", "delegated-gateway");
    let dmz = dmz.set("gateway_container", "hub").set("gateway_net", "dmz");
    let dmz = dmz
        .set("gateway_bridge", "br-x")
        .set("gateway_lan_ifname", "eth7");
    dmz.rootfs(idle).write();
    let alone = workspace.container("alone").set("net_mode", "none");
    alone
        .set("privileged", "full")
        .set("cpu_quota", "5000")
        .rootfs(idle)
        .write();
    let twin = workspace.container("twin").set("net_mode", "bridge");
    let shared = workspace.container_file("alone", "rootfs");
    twin.rootfs_at(&shared)
        .set("privileged", "shared,unknown")
        .write();
}

const RUNNING: [&str; 3] = ["hub", "lan-guest", "alone"];

fn phone() -> Phone {
    let phone = Phone::new(scene);
    for name in RUNNING {
        expect(&phone, &[&format!("--name={name}"), "start"], 0);
        phone.until(name, "running");
    }
    phone
}

/// The value at each place of an answer.
#[track_caller]
fn check(whole: &Value, expected: &[(&str, Value)]) {
    for (place, value) in expected {
        let found = whole.pointer(place).unwrap_or(&Value::Null);
        assert_eq!(found, value, "{place} of {whole:#}");
    }
}

fn labels(pairs: &[(&str, &str)]) -> Value {
    let pairs = pairs
        .iter()
        .map(|(key, value)| (format!("io.droidspaces.{key}"), json!(value)));
    Value::Object(pairs.collect())
}

#[test]
fn one_with_everything() {
    let phone = phone();
    let whole = phone.docker().inspect("Media%20Box");
    assert!(whole["Id"].as_str().unwrap().starts_with(BOX_UUID));
    let rootfs = phone.container_file("Media Box", "rootfs.img");
    let log = phone.root().join("Logs/Media-Box/console");
    check(
        &whole,
        &[
            ("/Name", json!("/Media Box")),
            ("/Path", json!("/sbin/own")),
            ("/Args", json!([])),
            ("/Driver", json!("image")),
            ("/GraphDriver/Name", json!("image")),
            ("/GraphDriver/Data/LowerDir", json!(rootfs)),
            ("/LogPath", json!(log)),
            ("/State/Status", json!("exited")),
            ("/State/ExitCode", json!(255)),
            ("/State/Pid", json!(0)),
            ("/RestartCount", json!(0)),
            ("/ExecIDs", json!(null)),
            ("/ResolvConfPath", json!("")),
            ("/HostnamePath", json!("")),
            ("/HostsPath", json!("")),
            ("/Config/Cmd", json!(["/sbin/own"])),
            ("/Config/Hostname", json!("media")),
            (
                "/Config/Env",
                json!(["COLOUR=red", "PLAIN=a b=c", "QUOTED=\"x\""]),
            ),
            ("/Config/Image", json!("droidspaces/media-box:latest")),
            ("/Config/Tty", json!(true)),
            ("/Config/OpenStdin", json!(false)),
            ("/Config/Labels", labels(BOX_LABELS)),
            (
                "/HostConfig/Binds",
                json!(["/data/media:/srv/media:ro", "/data/local/tmp:/mnt/tmp"]),
            ),
            ("/HostConfig/NetworkMode", json!("droidspaces-bridge")),
            ("/HostConfig/Dns", json!(["9.9.9.9", "1.1.1.1", "8.8.8.8"])),
            ("/HostConfig/Memory", json!(1_610_612_736)),
            ("/HostConfig/CpuQuota", json!(200_000)),
            ("/HostConfig/CpuPeriod", json!(50_000)),
            ("/HostConfig/PidsLimit", json!(2048)),
            ("/HostConfig/Privileged", json!(false)),
            ("/HostConfig/RestartPolicy/Name", json!("no")),
            ("/HostConfig/CapAdd", json!(null)),
            ("/HostConfig/CapDrop", json!(null)),
            ("/HostConfig/Devices", json!(null)),
            ("/HostConfig/Ulimits", json!(null)),
            ("/HostConfig/Runtime", json!("droidspaces")),
            ("/HostConfig/PortBindings/5010~1udp/0/HostPort", json!("5010")),
            ("/HostConfig/PortBindings/8096~1tcp/0/HostPort", json!("8096")),
            // What it has only while it runs.
            ("/NetworkSettings/Ports", json!({})),
            (
                "/NetworkSettings/Networks/droidspaces-bridge/IPAddress",
                json!(""),
            ),
            ("/Mounts/0/Source", json!("/data/media")),
            ("/Mounts/0/RW", json!(false)),
            ("/Mounts/1/Destination", json!("/mnt/tmp")),
            ("/Mounts/1/RW", json!(true)),
        ],
    );
    assert_eq!(whole["Config"]["ExposedPorts"].as_object().unwrap().len(), 12);
    let listed = phone.docker().listed("Media Box").unwrap();
    check(
        &listed,
        &[
            ("/Id", whole["Id"].clone()),
            ("/Command", json!("/sbin/own")),
            ("/Image", json!("droidspaces/media-box:latest")),
            ("/ImageID", whole["Image"].clone()),
            ("/Labels", labels(BOX_LABELS)),
            ("/Ports", json!([])),
            ("/State", json!("exited")),
            // Nobody knows when it ended.
            ("/Status", json!("Exited (255)")),
            ("/HostConfig/NetworkMode", json!("droidspaces-bridge")),
        ],
    );
    let sized = phone
        .docker()
        .get("/containers/Media%20Box/json?size=1")
        .expect(200)
        .json();
    assert_eq!(sized["SizeRw"], 0);
    harness::pace::until("the image is measured", LIMIT, || {
        let path = "/containers/Media%20Box/json?size=1";
        let size = phone.docker().get(path).expect(200).json()["SizeRootFs"].as_u64()?;
        (size >= IMAGE_BYTES as u64 && size < 3 << 20).then_some(())
    });
}

#[test]
fn what_runs_has_ports_and_addresses() {
    let phone = phone();
    let docker = phone.docker();
    let hub = docker.inspect("hub");
    let pid = phone.pid("hub").unwrap();
    check(
        &hub,
        &[
            ("/State/Status", json!("running")),
            ("/State/Pid", json!(pid)),
            ("/Path", json!("/sbin/init")),
            ("/Driver", json!("directory")),
            ("/Config/Hostname", json!("hub")),
            ("/Config/Labels/io.droidspaces.init-type", json!("unknown")),
            ("/HostConfig/Memory", json!(0)),
            ("/HostConfig/CpuPeriod", json!(0)),
            (
                "/NetworkSettings/Ports/80~1tcp",
                json!([{ "HostIp": "0.0.0.0", "HostPort": "8000" }]),
            ),
            (
                "/NetworkSettings/Ports/7009~1tcp",
                json!([{ "HostIp": "0.0.0.0", "HostPort": "9009" }]),
            ),
            (
                "/NetworkSettings/Ports/9001~1udp",
                json!([{ "HostIp": "0.0.0.0", "HostPort": "9001" }]),
            ),
            (
                "/NetworkSettings/Networks/droidspaces-bridge/IPAddress",
                json!("172.28.5.6"),
            ),
            (
                "/NetworkSettings/Networks/droidspaces-bridge/Gateway",
                json!("172.28.0.1"),
            ),
            (
                "/NetworkSettings/Networks/droidspaces-bridge/IPPrefixLen",
                json!(16),
            ),
            ("/NetworkSettings/IPAddress", json!("")),
        ],
    );
    // 30 single ones, ten of one range, two of the other.
    assert_eq!(hub["NetworkSettings"]["Ports"].as_object().unwrap().len(), 42);
    assert_eq!(
        docker.listed("hub").unwrap()["Ports"].as_array().unwrap().len(),
        42
    );
    let mounts = hub["Mounts"].as_array().unwrap();
    assert_eq!(mounts.len(), 20);
    for mount in mounts {
        let number: usize = mount["Destination"].as_str().unwrap()["/srv/b".len()..]
            .parse()
            .unwrap();
        assert_eq!(mount["RW"], !number.is_multiple_of(2), "{mount}");
        assert_eq!(mount["Type"], "bind");
    }
    let started = hub["State"]["StartedAt"].as_str().unwrap();
    assert!(hub["Created"].as_str().unwrap() < started, "{started}");
    let network_mode = |name: &str| docker.inspect(name)["HostConfig"]["NetworkMode"].clone();
    for (name, mode) in [
        ("lan-guest", "droidspaces-gateway-lan"),
        ("dmz%20guest", "droidspaces-gateway-dmz-br-x"),
        ("alone", "none"),
        // An unknown word.
        ("twin", "host"),
    ] {
        assert_eq!(network_mode(name), mode, "{name}");
    }
    let alone = docker.inspect("alone");
    check(
        &alone,
        &[
            ("/HostConfig/Privileged", json!(true)),
            ("/HostConfig/CpuQuota", json!(5000)),
            ("/HostConfig/CpuPeriod", json!(100_000)),
        ],
    );
    let label = |name: &str, key: &str| {
        docker.inspect(name)["Config"]["Labels"][format!("io.droidspaces.{key}")].clone()
    };
    assert_eq!(label("twin", "privileged"), "shared");
    for (key, value) in [
        ("net-mode", "gateway"),
        ("gateway-container", "hub"),
        ("gateway-net", "dmz"),
        ("gateway-bridge", "br-x"),
        ("gateway-lan-interface", "eth7"),
    ] {
        assert_eq!(label("dmz%20guest", key), value, "{key}");
    }
}

#[test]
fn images_are_root_file_systems() {
    let phone = phone();
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
    let df = harness::pace::until("everything is measured", LIMIT, || {
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

#[test]
fn networks_have_members() {
    let phone = phone();
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
    let check = |network: &str, driver: &str, bridge: Value, ipam: Value, members: &[(&str, &str)]| {
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
        let expected = members.iter().map(|(name, address)| {
            let id = docker.inspect(name)["Id"].as_str().unwrap().to_owned();
            assert_eq!(found[&id]["Name"], *name);
            assert_eq!(found[&id]["IPv4Address"], *address);
            let networks = docker.inspect(name)["NetworkSettings"]["Networks"].clone();
            assert_eq!(
                networks[network]["EndpointID"], found[&id]["EndpointID"],
                "{name}"
            );
            assert_eq!(networks[network]["NetworkID"], whole["Id"], "{name}");
        });
        assert_eq!(expected.count(), found.len(), "{whole:#}");
        assert_eq!(
            docker
                .get(&format!("/networks/{}", whole["Id"].as_str().unwrap()))
                .expect(200)
                .json(),
            whole
        );
    };
    let subnet = json!([{ "Gateway": "172.28.0.1", "Subnet": "172.28.0.0/16" }]);
    check(
        "droidspaces-bridge",
        "bridge",
        json!(null),
        subnet,
        &[("hub", "172.28.5.6/16")],
    );
    check(
        "droidspaces-gateway-lan",
        "bridge",
        json!("ds-lan"),
        json!([]),
        &[("lan-guest", "")],
    );
    check(
        "droidspaces-gateway-dmz-br-x",
        "bridge",
        json!("br-x"),
        json!([]),
        &[],
    );
    check("host", "host", json!(null), json!([]), &[]);
    check("none", "null", json!(null), json!([]), &[("alone", "")]);
    docker.post("/containers/hub/stop?t=1").expect(204);
    let bridge = docker.get("/networks/droidspaces-bridge").expect(200).json();
    assert_eq!(bridge["Containers"], json!({}));
    assert_eq!(docker.get("/volumes").expect(200).json()["Volumes"], json!([]));
}

#[test]
fn the_command_s_tables() {
    let phone = phone();
    let cli = phone.cli();
    let rows = |words: &[&str]| {
        let mut rows: Vec<String> = cli.run(words).lines().map(str::to_owned).collect();
        rows.sort();
        rows
    };
    let ps = rows(&[
        "ps",
        "-a",
        "--format",
        "{{.Names}}|{{.Image}}|{{.Command}}|{{.State}}|{{.Networks}}",
    ]);
    let row = |name: &str, image: &str, init: &str, state: &str, net: &str| {
        format!("{name}|droidspaces/{image}:latest|\"{init}\"|{state}|{net}")
    };
    assert_eq!(
        ps,
        [
            row(
                "Media Box",
                "media-box",
                "/sbin/own",
                "exited",
                "droidspaces-bridge"
            ),
            row("alone", "alone", "/sbin/init", "running", "none"),
            row(
                "dmz guest",
                "dmz-guest",
                "/sbin/init",
                "created",
                "droidspaces-gateway-dmz-br-x"
            ),
            row("hub", "hub", "/sbin/init", "running", "droidspaces-bridge"),
            row(
                "lan-guest",
                "lan-guest",
                "/sbin/init",
                "running",
                "droidspaces-gateway-lan"
            ),
            row("twin", "alone", "/sbin/init", "created", "host"),
        ]
    );
    let shown = cli.run(&["ps", "-a", "--no-trunc"]);
    let line = shown.lines().find(|line| line.ends_with("hub")).unwrap();
    assert!(
        line.contains(" Up ") && line.contains("0.0.0.0:8029->109/tcp"),
        "{line}"
    );
    assert!(
        shown
            .lines()
            .any(|line| line.contains("Exited (255)") && line.ends_with("Media Box"))
    );
    let statuses = rows(&["ps", "-a", "--filter", "status=running", "--format", "{{.Names}}"]);
    assert_eq!(statuses, ["alone", "hub", "lan-guest"]);
    assert_eq!(rows(&["ps", "-q"]).len(), 3);
    assert_eq!(
        rows(&["images", "--format", "{{.Repository}}:{{.Tag}}"]),
        ["alone", "dmz-guest", "hub", "lan-guest", "media-box"]
            .map(|name| format!("droidspaces/{name}:latest"))
    );
    assert_eq!(
        rows(&["network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"]),
        [
            "droidspaces-bridge bridge local",
            "droidspaces-gateway-dmz-br-x bridge local",
            "droidspaces-gateway-lan bridge local",
            "host host local",
            "none null local"
        ]
    );
    let check = |words: &[&str], expected: &str| assert_eq!(cli.run(words), expected, "{words:?}");
    let members = "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}";
    check(
        &["network", "inspect", "droidspaces-bridge", "--format", members],
        "hub 172.28.5.6/16",
    );
    check(&["port", "hub", "80"], "0.0.0.0:8000");
    check(&["port", "hub", "9001/udp"], "0.0.0.0:9001");
    assert_eq!(cli.run(&["port", "hub"]).lines().count(), 42);
    check(&["port", "Media Box"], "");
    check(
        &["inspect", BOX_UUID, "--format", "{{.Name}} {{.Config.Hostname}}"],
        "/Media Box media",
    );
    check(
        &["inspect", "Media-Box", "--format", "{{.HostConfig.Memory}}"],
        "1610612736",
    );
    check(
        &["image", "inspect", "droidspaces/media-box", "--format", "{{.Os}}"],
        "linux",
    );
    check(&["volume", "ls", "-q"], "");
    let now = cli.run(&["info", "--format", "{{.SystemTime}}"]);
    let filter = [
        "--filter",
        "container=hub",
        "--filter",
        "type=container",
        "--format",
        "{{.Action}} {{.Actor.Attributes.name}}",
    ];
    let events = [&["events", "--since", "0", "--until", &now][..], &filter].concat();
    assert_eq!(cli.run(&events).lines().last(), Some("start hub"));
}

/// What is asked every five minutes, in its order, and what is taken from the answers without a look.
#[test]
fn a_snapshot_is_taken() {
    let phone = phone();
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
