//! The values that the golden frames hold.

use wire::v1::{
    Bind, Container, Event, Image, Inspect, NetMode, Port, Privileges, Protocol, Switches, Variable,
};

pub(crate) const UUID_1: &str = "d5d1e1acf44a0207bba262457d5e36f9";
pub(crate) const UUID_2: &str = "00112233445566778899aabbccddeeff";

fn text(text: &str) -> String {
    text.to_owned()
}

fn port(host: u16, container: u16, protocol: Protocol) -> Port {
    Port {
        host,
        container,
        protocol,
        ..Port::default()
    }
}

pub(crate) fn containers() -> Vec<Container> {
    let tiny = Container {
        name: text("tiny"),
        uuid: text(UUID_1),
        image: text("/srv/rootfs/tiny"),
        hostname: text("tiny"),
        pid: 17899,
        started_at_s: 1_795_309_629,
        ..Container::default()
    };
    let range = Port {
        host: 6000,
        host_end: 6003,
        container: 7000,
        container_end: 7003,
        protocol: Protocol::Udp,
    };
    let web = Container {
        name: text("web server"),
        uuid: text(UUID_2),
        image: text("/data/local/Droidspaces/Containers/web-server/rootfs.img"),
        hostname: text("web"),
        address: text("172.28.17.4"),
        init: text("/usr/lib/systemd/systemd"),
        pid: 4242,
        net_mode: NetMode::Nat,
        ports: vec![port(8080, 80, Protocol::Tcp), range],
        started_at_s: 1_795_309_700,
    };
    let kinds = [Protocol::Tcp, Protocol::Udp].into_iter().cycle();
    let full = Container {
        name: "n".repeat(255),
        image: format!("/{}", "i".repeat(1022)),
        hostname: "h".repeat(255),
        address: text("255.255.255.255"),
        init: format!("/{}", "p".repeat(1022)),
        net_mode: NetMode::Gateway,
        ports: (0..16)
            .zip(kinds)
            .map(|(n, kind)| port(65535 - n, n + 1, kind))
            .collect(),
        ..Container::default()
    };
    let bare = Container {
        name: text("bare"),
        image: text("/srv/bare"),
        net_mode: NetMode::None,
        ..Container::default()
    };
    vec![tiny, web, full, bare]
}

pub(crate) fn inspect() -> Inspect {
    Inspect {
        name: text("web server"),
        uuid: text(UUID_2),
        rootfs: text("/srv/web"),
        image: text("/srv/web"),
        hostname: text("web"),
        address: text("172.28.17.4"),
        init: text("/usr/lib/systemd/systemd"),
        dns: text("1.1.1.1,8.8.8.8"),
        pid: 4242,
        started_at_s: 1_795_309_700,
        memory_bytes: 536_870_912,
        cpu_quota_us: 150_000,
        cpu_period_us: 100_000,
        pids_max: 512,
        privileges: Privileges(1 | 4 | 16),
        net_mode: NetMode::Nat,
        switches: Switches {
            foreground: true,
            force_cgroup_v1: true,
            android_storage: true,
            hw_access: true,
            termux_x11: true,
            is_img_mount: true,
            ..Switches::default()
        },
        env: [("LANG", "C.UTF-8"), ("EMPTY", "")]
            .map(|(key, value)| Variable {
                key: text(key),
                value: text(value),
            })
            .into(),
        env_left_out: 1,
        binds: (0..32)
            .map(|n| Bind {
                source: format!("/srv/{n}"),
                destination: format!("/mnt/{n}"),
                read_only: n % 2 == 1,
            })
            .collect(),
        binds_left_out: 8,
        ports: vec![port(8080, 80, Protocol::Tcp)],
        ports_left_out: 0,
    }
}

pub(crate) fn images() -> Vec<Image> {
    let image = |name, path, uuid, running| Image {
        name: text(name),
        path: text(path),
        uuid: text(uuid),
        running,
        created_at_s: 0,
    };
    vec![
        image("tiny", "/srv/rootfs/tiny", UUID_1, true),
        image("bare", "/srv/bare", "", false),
    ]
}

pub(crate) fn events() -> Vec<Event> {
    let event = |time_ns, action, uuid, name| Event {
        time_ns,
        action: text(action),
        uuid: text(uuid),
        name: text(name),
    };
    vec![
        event(1_795_309_630_204_501_482, "start", UUID_1, "tiny"),
        event(1_795_309_640_000_000_000, "die", UUID_1, "tiny"),
        event(1_795_309_640_999_999_999, "restart", "", "web server"),
        event(1_795_309_641_000_000_001, "start", UUID_2, "container"),
    ]
}
