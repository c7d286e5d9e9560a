//! A configuration in neutral words.

use std::collections::BTreeMap;

use wire::network::{NetworkInfo, NetworkKind};
use wire::spec::{Mount, MountKind, Network, NetworkMode, Pair, Port, Process, Resources, Security, Spec};
use wire::v1::names::{INIT, NAT_NETWORK};

use super::config::{Config, Forward, NetMode, Protocol};
use super::limits::{OWN_PATIENCE, PORTS_MAX, UNKNOWN_KEYS_MAX};

/// Addresses of the network behind the host's.
const NAT_SUBNET: &str = "172.28.0.0/16";
/// The host's address in it.
const NAT_GATEWAY: &str = "172.28.0.1";

/// What the name of a gateway's network begins with.
const GATEWAY_NETWORKS: &str = "droidspaces-gateway-";

/// What the key of every label begins with.
const LABELS: &str = "io.droidspaces.";

/// Length of a scheduling period where only the quota is given, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

/// Everything that a container is asked to be.
pub(super) fn spec(config: &Config, name: &str, image: &str, env: &[String], init: &str) -> Spec {
    Spec {
        image: image.to_owned(),
        process: process(config, env),
        hostname: if config.hostname.is_empty() {
            name.to_owned()
        } else {
            config.hostname.clone()
        },
        labels: labels(config, init),
        mounts: mounts(config),
        network: network(config),
        resources: resources(config),
        security: Security {
            privileged: config.privileged.full,
            ..Security::default()
        },
        ..Spec::default()
    }
}

fn process(config: &Config, env: &[String]) -> Process {
    let init = if config.custom_init.is_empty() {
        INIT
    } else {
        &config.custom_init
    };
    Process {
        command: vec![init.to_owned()],
        env: env.to_vec(),
        tty: true,
        stop_timeout_s: u32::try_from(OWN_PATIENCE.as_secs()).ok(),
        ..Process::default()
    }
}

fn mounts(config: &Config) -> Vec<Mount> {
    let mounts = config.binds.iter().map(|bind| Mount {
        kind: MountKind::Bind,
        source: bind.source.clone(),
        target: bind.target.clone(),
        read_only: bind.read_only,
        options: if bind.read_only {
            "ro".to_owned()
        } else {
            String::new()
        },
        create_source: true,
        ..Mount::default()
    });
    mounts.collect()
}

fn network(config: &Config) -> Network {
    let nat = config.net_mode == NetMode::Nat;
    Network {
        mode: match config.net_mode {
            NetMode::Host => NetworkMode::Host,
            NetMode::None => NetworkMode::None,
            NetMode::Nat | NetMode::Gateway => NetworkMode::Named,
        },
        name: match config.net_mode {
            NetMode::Nat => NAT_NETWORK.to_owned(),
            NetMode::Gateway => gateway_network(config),
            NetMode::Host | NetMode::None => String::new(),
        },
        address: match config.static_nat_ip {
            Some(address) if nat => address.to_string(),
            _ => String::new(),
        },
        published: if nat { ports(&config.forwards) } else { Vec::new() },
        forwarded: nat,
        dns: config.dns_list().map(str::to_owned).collect(),
        ..Network::default()
    }
}

/// The name of a gateway's network: one for each bridge of the host.
fn gateway_network(config: &Config) -> String {
    let (net, bridge) = (config.gateway_net(), config.gateway_bridge());
    if bridge == format!("ds-{net}") {
        format!("{GATEWAY_NETWORKS}{net}")
    } else {
        format!("{GATEWAY_NETWORKS}{net}-{bridge}")
    }
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// Every port of every range.
fn ports(forwards: &[Forward]) -> Vec<Port> {
    let ports = forwards.iter().flat_map(|forward| {
        let protocol = word(forward.protocol);
        let hosts = forward.host_first..=forward.host_last;
        let inside = forward.container_first..=forward.container_last();
        hosts.zip(inside).map(move |(host_port, container_port)| Port {
            container_port,
            protocol: protocol.to_owned(),
            host_port,
            ..Port::default()
        })
    });
    ports.take(PORTS_MAX).collect()
}

fn resources(config: &Config) -> Resources {
    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
    let quota = config.cpu_quota.unwrap_or(0);
    let period = match (quota, number(config.cpu_period)) {
        (quota, 0) if quota > 0 => CPU_PERIOD_US,
        (_, period) => period,
    };
    Resources {
        memory_bytes: number(config.memory_limit),
        cpu_quota_us: quota,
        cpu_period_us: period,
        pids_max: config.pids_limit.unwrap_or(0),
        ..Resources::default()
    }
}

/// What has no other place, sorted by key. What is off or empty is not said.
fn labels(config: &Config, init: &str) -> Vec<Pair> {
    let mut labels = BTreeMap::new();
    let mut say = |key: &str, value: &str| {
        if !value.is_empty() {
            labels.insert(format!("{LABELS}{key}"), value.to_owned());
        }
    };
    let net_mode = match config.net_mode {
        NetMode::Host => "host",
        NetMode::Nat => "nat",
        NetMode::None => "none",
        NetMode::Gateway => "gateway",
    };
    say("net-mode", net_mode);
    say("init-type", init);
    for (key, on) in switches(config) {
        say(key, if on { "true" } else { "" });
    }
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    say("run-at-boot-priority", &number(config.run_at_boot_priority));
    say("sparse-image-size-gb", &number(config.sparse_image_size_gb));
    say("privileged", &privileges(config));
    say("port-forwards", &forwards(&config.forwards));
    say("upstream-interfaces", &config.upstream_interfaces.join(","));
    say("x11-flags", &config.tx11_extra_flags);
    say("virgl-flags", &config.virgl_extra_flags);
    if config.net_mode == NetMode::Gateway {
        say("gateway-container", &config.gateway_container);
        say("gateway-net", config.gateway_net());
        say("gateway-bridge", &config.gateway_bridge());
        say("gateway-lan-interface", config.gateway_lan_ifname());
    }
    for (key, value) in config.unknown.iter().take(UNKNOWN_KEYS_MAX) {
        say(&format!("config.{key}"), value);
    }
    labels
        .into_iter()
        .map(|(key, value)| Pair { key, value })
        .collect()
}

fn switches(config: &Config) -> [(&'static str, bool); 14] {
    [
        ("android-storage", config.enable_android_storage),
        ("gpu", config.enable_gpu_mode),
        ("hw-access", config.enable_hw_access),
        ("x11", config.enable_termux_x11),
        ("virgl", config.enable_virgl),
        ("pulseaudio", config.enable_pulseaudio),
        ("selinux-permissive", config.selinux_permissive),
        ("allow-userns", config.allow_userns),
        ("volatile", config.volatile_mode),
        ("force-cgroupv1", config.force_cgroupv1),
        ("block-nested-ns", config.block_nested_ns),
        ("disable-ipv6", config.disable_ipv6),
        ("run-at-boot", config.run_at_boot),
        ("sparse-image", config.use_sparse_image),
    ]
}

fn privileges(config: &Config) -> String {
    let flags = config.privileged;
    let words = [
        ("nomask", flags.nomask),
        ("nocaps", flags.nocaps),
        ("noseccomp", flags.noseccomp),
        ("shared", flags.shared),
        ("unfiltered-dev", flags.unfiltered_dev),
        ("full", flags.full),
    ];
    let words: Vec<&str> = words
        .iter()
        .filter(|(_, on)| *on)
        .map(|(word, _)| *word)
        .collect();
    words.join(",")
}

/// The forwards as a configuration has them, ranges and all.
fn forwards(forwards: &[Forward]) -> String {
    let range = |first: u16, last: u16| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    let texts: Vec<String> = forwards
        .iter()
        .map(|forward| {
            let protocol = word(forward.protocol);
            let host = range(forward.host_first, forward.host_last);
            let inside = range(forward.container_first, forward.container_last());
            format!("{host}:{inside}/{protocol}")
        })
        .collect();
    texts.join(",")
}

/// The networks of these containers: the one that is always there, and one for each gateway's.
pub(super) fn networks<'a>(configs: impl Iterator<Item = &'a Config>, runtime: &str) -> Vec<NetworkInfo> {
    let mut gateways = BTreeMap::new();
    for config in configs.filter(|config| config.net_mode == NetMode::Gateway) {
        gateways.insert(gateway_network(config), config.gateway_bridge());
    }
    let nat = NetworkInfo {
        name: NAT_NETWORK.to_owned(),
        kind: NetworkKind::Bridge,
        subnet: NAT_SUBNET.to_owned(),
        gateway: NAT_GATEWAY.to_owned(),
        runtime: runtime.to_owned(),
        ..NetworkInfo::default()
    };
    let gateways = gateways.into_iter().map(|(name, interface)| NetworkInfo {
        name,
        kind: NetworkKind::Bridge,
        interface,
        runtime: runtime.to_owned(),
        ..NetworkInfo::default()
    });
    std::iter::once(nat).chain(gateways).collect()
}
