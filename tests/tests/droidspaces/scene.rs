//! A workspace in which every key of a configuration stands somewhere.

use harness::droidspaces::{Rootfs, Workspace};

use crate::phone::Phone;
use crate::stand_in::expect;

pub(crate) const BOX_UUID: &str = "7c0e5a0b9d1f4c22a6b3e8f41d92ab05";
/// Bytes of the image's one file that are not a hole.
pub(crate) const IMAGE_BYTES: usize = 64 * 1024;

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
pub(crate) const BOX_LABELS: &[(&str, &str)] = &[
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

pub(crate) fn everything() -> Phone {
    let phone = Phone::new(scene);
    for name in RUNNING {
        expect(&phone, &[&format!("--name={name}"), "start"], 0);
        phone.until(name, "running");
    }
    phone
}
