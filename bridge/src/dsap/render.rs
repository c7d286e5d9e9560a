//! Containers as version 1 has them. Pure.
//!
//! Its network modes are fewer than ours: whatever gives a container a network namespace with nothing
//! but loopback in it is [`NetMode::None`], by whichever name it was asked for; a network with a name is
//! [`NetMode::Nat`] where it is the one that version 1 means by that, else [`NetMode::Gateway`].

use wire::spec::{Mount, MountKind, Network, NetworkMode, Resources};
use wire::v1::names::{INIT, NAT_NETWORK};
use wire::v1::{self, Bind, Inspect, NetMode, Privileges, Switches, Variable};
use wire::{Container, ContainerId, State};

use super::ports;
use crate::supervise::is_up;

/// How the root file system of a container is kept that has an image to be mounted.
const IMAGE: &str = "image";
/// Digits of an identifier that version 1 carries.
const DIGITS: usize = 32;
/// Length of a scheduling period where nobody says another, in microseconds.
const PERIOD_US: u64 = 100_000;
/// Billionths of a processor in a whole one.
const NANO: u64 = 1_000_000_000;

/// As a list shows it.
pub(super) fn container(container: &Container) -> v1::Container {
    let network = &container.spec.network;
    let net_mode = net_mode(network);
    v1::Container {
        name: container.name.clone(),
        uuid: uuid(&container.id),
        image: root(container).to_owned(),
        hostname: container.spec.hostname.clone(),
        address: address(network, net_mode),
        init: init(container),
        pid: pid(&container.state),
        net_mode,
        ports: ports::fold(&network.published),
        started_at_s: started_at_s(&container.state),
    }
}

/// What its root comes from.
pub(super) fn image(container: &Container) -> v1::Image {
    v1::Image {
        name: container.name.clone(),
        path: root(container).to_owned(),
        uuid: uuid(&container.id),
        running: is_up(&container.state),
        created_at_s: 0,
    }
}

/// Everything about it.
pub(super) fn inspect(of: &Container) -> Inspect {
    let listed = container(of);
    let spec = &of.spec;
    let (cpu_quota_us, cpu_period_us) = processor(&spec.resources);
    Inspect {
        rootfs: if of.storage == IMAGE {
            String::new()
        } else {
            listed.image.clone()
        },
        dns: spec.network.dns.join(","),
        memory_bytes: i64::try_from(spec.resources.memory_bytes).unwrap_or(i64::MAX),
        cpu_quota_us,
        cpu_period_us,
        pids_max: spec.resources.pids_max.max(0),
        privileges: privileges(of),
        switches: switches(of),
        env: spec.process.env.iter().map(|line| variable(line)).collect(),
        binds: spec.mounts.iter().filter_map(bind).collect(),
        name: listed.name,
        uuid: listed.uuid,
        image: listed.image,
        hostname: listed.hostname,
        address: listed.address,
        init: listed.init,
        pid: listed.pid,
        started_at_s: listed.started_at_s,
        net_mode: listed.net_mode,
        ports: listed.ports,
        ..Inspect::default()
    }
}

/// The identifier that version 1 has room for: the first half of ours.
pub(super) fn uuid(id: &ContainerId) -> String {
    uuid_of_hex(id.hex().as_str())
}

/// The same of an identifier in digits.
pub(super) fn uuid_of_hex(hex: &str) -> String {
    hex.get(..DIGITS).unwrap_or(hex).to_owned()
}

/// Path of what its root comes from: of a folder or an image, or else of the layer below its own.
fn root(container: &Container) -> &str {
    let below = container.lower_dirs.first().map(String::as_str);
    let own = Some(container.upper_dir.as_str()).filter(|own| !own.is_empty());
    below.or(own).unwrap_or(&container.spec.image)
}

/// What the runtime of a container says of it in a label, as `io.<runtime>.<key>`. A container in layers
/// has no labels but its user's.
fn label<'a>(container: &'a Container, key: &str) -> &'a str {
    if container.storage.is_empty() {
        return "";
    }
    let key = format!("io.{}.{key}", container.runtime);
    let found = container.spec.labels.iter().find(|pair| pair.key == key);
    found.map_or("", |pair| &pair.value)
}

fn switches(container: &Container) -> Switches {
    let on = |key: &str| label(container, key) == "true";
    Switches {
        volatile_mode: on("volatile"),
        force_cgroup_v1: on("force-cgroupv1"),
        disable_ipv6: on("disable-ipv6"),
        android_storage: on("android-storage"),
        selinux_permissive: on("selinux-permissive"),
        hw_access: on("hw-access"),
        gpu_mode: on("gpu"),
        termux_x11: on("x11"),
        block_nested_ns: on("block-nested-ns"),
        is_img_mount: container.storage == IMAGE,
        ..Switches::default()
    }
}

/// The first word of what it runs; nothing where that is what every container of version 1 runs.
fn init(container: &Container) -> String {
    let process = &container.spec.process;
    let first = process.entrypoint.iter().chain(&process.command).next();
    first.filter(|first| *first != INIT).cloned().unwrap_or_default()
}

fn pid(state: &State) -> i32 {
    if is_up(state) {
        i32::try_from(state.pid).unwrap_or_default()
    } else {
        0
    }
}

fn started_at_s(state: &State) -> i64 {
    if is_up(state) {
        i64::try_from(state.started_at.seconds()).unwrap_or(i64::MAX)
    } else {
        0
    }
}

fn net_mode(network: &Network) -> NetMode {
    match network.mode {
        NetworkMode::Host => NetMode::Host,
        NetworkMode::Named if network.name == NAT_NETWORK => NetMode::Nat,
        NetworkMode::Named => NetMode::Gateway,
        NetworkMode::Default | NetworkMode::None | NetworkMode::Bridge | NetworkMode::Unknown(_) => {
            NetMode::None
        }
    }
}

fn address(network: &Network, net_mode: NetMode) -> String {
    if net_mode == NetMode::Nat {
        network.address.clone()
    } else {
        String::new()
    }
}

/// Microseconds of each period, and the period; both zero where there is no limit.
fn processor(resources: &Resources) -> (i64, i64) {
    let period = match resources.cpu_period_us {
        0 => PERIOD_US,
        own => own,
    };
    let quota = match resources.cpu_quota_us {
        own if own > 0 => own,
        _ => {
            let microseconds = u128::from(resources.nano_cpus) * u128::from(period) / u128::from(NANO);
            i64::try_from(microseconds).unwrap_or(i64::MAX)
        }
    };
    if quota == 0 {
        return (0, 0);
    }
    (quota, i64::try_from(period).unwrap_or(i64::MAX))
}

/// The protections that it goes without and version 1 has a bit for.
fn privileges(container: &Container) -> Privileges {
    let security = &container.spec.security;
    if security.privileged {
        return Privileges::FULL;
    }
    let words = label(container, "privileged");
    let word = |wanted: &str| words.split(',').any(|word| word == wanted);
    let option = |wanted: &str| security.options.iter().any(|option| option == wanted);
    let added = &security.capabilities_added;
    let all = added.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
    let shared = container.spec.mounts.iter();
    let shared = shared
        .map(|mount| &mount.propagation)
        .any(|kind| kind.ends_with("shared"));
    let bits = [
        (
            word("nomask") || option("systempaths=unconfined"),
            Privileges::NO_MASK,
        ),
        (word("nocaps") || all, Privileges::NO_CAPS),
        (
            word("noseccomp") || option("seccomp=unconfined"),
            Privileges::NO_SECCOMP,
        ),
        (word("shared") || shared, Privileges::SHARED),
        (word("unfiltered-dev"), Privileges::UNFILTERED_DEV),
    ];
    let held = bits.iter().filter(|(held, _)| *held);
    Privileges(held.fold(0, |mask, (_, bit)| mask | bit.0))
}

fn variable(line: &str) -> Variable {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    Variable {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn bind(mount: &Mount) -> Option<Bind> {
    (mount.kind == MountKind::Bind).then(|| Bind {
        source: mount.source.clone(),
        destination: mount.target.clone(),
        read_only: mount.read_only,
    })
}
