//! What the machine is, as far as anybody may know it: version 1 does not say.

use std::fs;
use std::sync::OnceLock;
use std::thread;

use wire::Info;
use wire::info::JournalInfo;
use wire::network::{NetworkInfo, NetworkKind};
use wire::v1::names::{GATEWAY_NETWORK, NAT_NETWORK, NAT_SUBNET, RUNTIME};

use super::identity;

/// Texts that are a machine's own, the best first.
const OWN_TEXTS: [&str; 3] = [
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    "/proc/sys/kernel/hostname",
];

/// As it was when it was looked at: afterwards this process cannot.
static MACHINE: OnceLock<Info> = OnceLock::new();

/// Looks at the machine, unless that was done already.
pub(crate) fn look() -> &'static Info {
    MACHINE.get_or_init(machine)
}

/// Host, runtime and networks, beside what is known of events.
pub(super) fn info(journal: JournalInfo) -> Info {
    Info {
        journal,
        ..look().clone()
    }
}

fn machine() -> Info {
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let host_id = id();
    Info {
        networks: networks(&host_id),
        host_id,
        hostname: line("/proc/sys/kernel/hostname"),
        kernel_version: line("/proc/sys/kernel/osrelease"),
        operating_system: os_field(&os, "PRETTY_NAME"),
        os_version: os_field(&os, "VERSION_ID"),
        architecture: std::env::consts::ARCH.to_owned(),
        cpus: thread::available_parallelism()
            .ok()
            .and_then(|count| u32::try_from(count.get()).ok())
            .unwrap_or(1),
        memory_bytes: memory_bytes().unwrap_or_default(),
        runtimes: vec![RUNTIME.to_owned()],
        ipv4_forwarding: line("/proc/sys/net/ipv4/ip_forward") == "1",
        ..Info::default()
    }
}

/// The same for as long as the machine keeps its own text.
fn id() -> String {
    let texts = OWN_TEXTS.iter().map(|path| line(path));
    let own = texts.into_iter().find(|text| !text.is_empty());
    identity::host(&own.unwrap_or_default())
}

fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// One field of an os-release file, without its quotes.
fn os_field(text: &str, name: &str) -> String {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
}

fn memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

fn networks(host_id: &str) -> Vec<NetworkInfo> {
    let network = |name: &str, kind, runtime: &str, subnet: &str| NetworkInfo {
        id: identity::network(host_id, name),
        name: name.to_owned(),
        kind,
        subnet: subnet.to_owned(),
        runtime: runtime.to_owned(),
        ..NetworkInfo::default()
    };
    vec![
        network(NAT_NETWORK, NetworkKind::Bridge, RUNTIME, NAT_SUBNET),
        network(GATEWAY_NETWORK, NetworkKind::Bridge, RUNTIME, ""),
        network("host", NetworkKind::Host, "", ""),
        network("none", NetworkKind::None, "", ""),
    ]
}
