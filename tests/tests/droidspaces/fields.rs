//! Every key of a configuration, as clients see it.

use harness::pace;
use serde_json::{Value, json};

use crate::phone::LIMIT;
use crate::scene::{self, BOX_LABELS, BOX_UUID, IMAGE_BYTES};

/// The value at each place of an answer.
#[track_caller]
pub(crate) fn check(whole: &Value, expected: &[(&str, Value)]) {
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
    let phone = scene::everything();
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
        ],
    );
    assert_eq!(whole["Config"]["ExposedPorts"].as_object().unwrap().len(), 12);
}

#[test]
fn the_bounds_and_ways_of_one_with_everything() {
    let phone = scene::everything();
    let whole = phone.docker().inspect("Media%20Box");
    check(
        &whole,
        &[
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
}

#[test]
fn one_with_everything_in_a_list() {
    let phone = scene::everything();
    let whole = phone.docker().inspect("Media%20Box");
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
    pace::until("the image is measured", LIMIT, || {
        let path = "/containers/Media%20Box/json?size=1";
        let size = phone.docker().get(path).expect(200).json()["SizeRootFs"].as_u64()?;
        (size >= IMAGE_BYTES as u64 && size < 3 << 20).then_some(())
    });
}

#[test]
fn what_runs_has_ports_and_addresses() {
    let phone = scene::everything();
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
}

#[test]
fn every_way_to_be_connected() {
    let phone = scene::everything();
    let docker = phone.docker();
    let hub = docker.inspect("hub");
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
