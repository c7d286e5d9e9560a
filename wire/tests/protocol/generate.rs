//! Values of every type of the protocol, from a source of choices.
//!
//! Struct literals name every field, so a field that is added to a record does not compile here
//! until it is generated too.

use wire::container::{Container, Exit, Health, HealthStatus, Probe, State, Status, Summary};
use wire::event::{Action, Event, EventKind};
use wire::exec::{CreateExec, Exec, ExecCreated, ExecRef, ExecSpec, ExecStarted, InspectExec, StartExec};
use wire::files::{
    Archive, ChangeKind, Changes, Commit, ContainerPath, Input, Log, LogFile, OpenLog, PathChange, PathStat,
    Resize, Update, Updated, WriteArchive,
};
use wire::image::{Image, ImageConfig};
use wire::info::{Info, JournalInfo, LimitSupport};
use wire::network::{NetworkInfo, NetworkKind};
use wire::refusal::{Refusal, RefusalCode};
use wire::request::{
    ContainerRef, Create, IfNewer, ImportImage, Kill, Nothing, PollEvents, Remove, RemoveImage, Rename, Stop,
    Subscribe, TagImage, Versions, Wait, WaitCondition,
};
use wire::response::{
    Capabilities, ContainerUsage, Containers, Created, Events, Exited, ImageRemoved, Images, Lagged,
    Subscribed, Usage,
};
use wire::spec::{
    Device, HealthCheck, Mount, MountKind, Network, NetworkMode, Pair, Port, Process, Resources, RestartKind,
    RestartPolicy, Security, Spec, Ulimit,
};
use wire::stats::{
    BlockCounter, BlockKind, Counter, CpuStats, InterfaceStats, MemoryStats, ProcessInfo, Processes, Stats,
};
use wire::{ContainerId, ImageId, NetworkId, Time};

/// Where the choices come from.
pub(crate) enum Source<'a> {
    /// Everything is set, and to something else each time: what golden frames hold.
    Full(u64),
    /// Each choice takes the next byte; zero when they are used up.
    Bytes(&'a [u8]),
}

impl Source<'_> {
    /// Begins a message. A full one is filled the same way whatever was made before it, so that a
    /// message that is added, or that grows, changes no other.
    pub(crate) fn begin(&mut self) {
        if let Self::Full(count) = self {
            *count = 0;
        }
    }

    fn byte(&mut self) -> u8 {
        match self {
            Self::Full(count) => {
                *count += 1;
                // Never zero, so that nothing is its default.
                u8::try_from(*count % 255).unwrap() + 1
            }
            Self::Bytes(bytes) => match bytes.split_first() {
                Some((first, rest)) => {
                    *bytes = rest;
                    *first
                }
                None => 0,
            },
        }
    }

    /// One of `0..end`; in a full value never the first.
    fn below(&mut self, end: usize) -> usize {
        let byte = usize::from(self.byte());
        match self {
            Self::Full(_) => 1 + byte % (end - 1),
            Self::Bytes(_) => byte % end,
        }
    }
}

/// A type of which values can be made.
pub(crate) trait Generate {
    /// One value.
    fn generate(source: &mut Source<'_>) -> Self;
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl Generate for $ty {
            fn generate(source: &mut Source<'_>) -> Self {
                let mut bytes = Self::default().to_le_bytes();
                // Full values keep to the low half, so that a reader sees the number in a dump.
                let used = match source {
                    Source::Full(_) => bytes.len().div_ceil(2),
                    Source::Bytes(_) => bytes.len(),
                };
                for byte in &mut bytes[..used] {
                    *byte = source.byte();
                }
                Self::from_le_bytes(bytes)
            }
        }
    )*};
}
integers!(u16, u32, u64, i32, i64);

impl Generate for bool {
    fn generate(source: &mut Source<'_>) -> Self {
        source.below(2) == 1
    }
}

impl Generate for String {
    fn generate(source: &mut Source<'_>) -> Self {
        const LETTERS: [char; 8] = ['a', '-', 'Z', '9', '/', 'ä', '語', '\u{10ffff}'];
        let length = source.below(9);
        (0..length)
            .map(|_| LETTERS[source.below(LETTERS.len())])
            .collect()
    }
}

impl<T: Generate> Generate for Vec<T> {
    fn generate(source: &mut Source<'_>) -> Self {
        let count = source.below(3);
        (0..count).map(|_| T::generate(source)).collect()
    }
}

impl<T: Generate> Generate for Option<T> {
    fn generate(source: &mut Source<'_>) -> Self {
        (source.below(2) == 1).then(|| T::generate(source))
    }
}

impl<T: Generate> Generate for Box<T> {
    fn generate(source: &mut Source<'_>) -> Self {
        Self::new(T::generate(source))
    }
}

impl Generate for Time {
    fn generate(source: &mut Source<'_>) -> Self {
        Self(u64::generate(source))
    }
}

impl Generate for ContainerId {
    fn generate(source: &mut Source<'_>) -> Self {
        Self([source.byte(); 32])
    }
}

impl Generate for NetworkId {
    fn generate(source: &mut Source<'_>) -> Self {
        Self([source.byte(); 32])
    }
}

impl Generate for ImageId {
    fn generate(source: &mut Source<'_>) -> Self {
        Self([source.byte(); 32])
    }
}

macro_rules! numbers {
    ($($name:ident),*) => {$(
        impl Generate for $name {
            fn generate(source: &mut Source<'_>) -> Self {
                if let Source::Full(_) = source {
                    return Self::ALL[source.below(Self::ALL.len())];
                }
                // One more choice than there are names: a number of a later version.
                let choice = source.below(Self::ALL.len() + 1);
                Self::ALL.get(choice).copied().unwrap_or(Self::Unknown(0xff00))
            }
        }
    )*};
}
numbers!(
    Status,
    EventKind,
    Action,
    MountKind,
    NetworkMode,
    NetworkKind,
    RestartKind,
    RefusalCode,
    WaitCondition,
    HealthStatus,
    ChangeKind,
    BlockKind
);

macro_rules! records {
    ($( $name:ident { $($field:ident),* } )*) => {$(
        impl Generate for $name {
            #[allow(unused_variables, reason = "a record without fields takes nothing from the source")]
            fn generate(source: &mut Source<'_>) -> Self {
                Self { $( $field: Generate::generate(source) ),* }
            }
        }
    )*};
}

records! {
    Nothing {}
    Versions { min, max }
    IfNewer { than }
    ContainerRef { reference }
    PollEvents { after, since, count_max, wait_ms, from_there }
    Subscribe { after, since }
    Create { name, image_id, spec }
    Stop { reference, timeout_s, signal }
    Kill { reference, signal }
    Remove { reference, force }
    Wait { reference, condition }
    Rename { reference, name }
    ImportImage { tag, comment, config }
    TagImage { image_id, tag }
    RemoveImage { image_id, tag, force }

    Capabilities { version, bridge_version, opcodes, permitted }
    Containers { revision, containers }
    Images { revision, images }
    Events { events, first_retained, last_sequence, scanned_to }
    Subscribed { after }
    Lagged { since }
    Created { id, warnings }
    Exited { exit, error }
    ImageRemoved { untagged, deleted }
    ContainerUsage { id, upper_bytes, image_bytes }
    Usage { containers }
    Refusal { code, subject, holder, detail }

    Exit { code, unknown, oom }
    State {
        status, pid, exit, error, started_at, finished_at, restart_count, health, started_since_boot_ns
    }
    Container {
        id, name, runtime, created_at, image_id, spec, state, upper_dir, lower_dirs, log_path, resolv_conf_path,
        hostname_path, hosts_path, execs, storage
    }
    Summary {
        id, name, runtime, created_at, image_id, image, arguments, labels, mounts, network_mode, exposed,
        published, restart, state, annotations, network, address, forwarded
    }

    Pair { key, value }
    Mount { kind, source, target, read_only, options, propagation, create_source }
    RestartPolicy { kind, retries_max }
    Ulimit { name, soft, hard }
    Port { container_port, protocol, host_address, host_port }
    Device { source, target, permissions }
    Resources {
        memory_bytes, memory_swap_bytes, memory_reservation_bytes, nano_cpus, cpu_shares, cpu_period_us,
        cpu_quota_us, cpuset_cpus, cpuset_mems, pids_max, ulimits, oom_score_adjustment
    }
    Security {
        privileged, capabilities_added, capabilities_dropped, options, read_only_rootfs, groups_added,
        sysctls, devices
    }
    Network {
        mode, exposed, published, dns, dns_options, dns_search, extra_hosts, publish_all, name, address, forwarded
    }
    NetworkInfo { id, name, kind, created_at, subnet, gateway, interface, runtime, labels }
    Process {
        entrypoint, command, env, working_dir, user, tty, open_stdin, stdin_once, attach_stdout,
        attach_stderr, attach_stdin, stop_signal, stop_timeout_s, init, rows, columns
    }
    Spec {
        image, process, hostname, domainname, labels, mounts, network, resources, security, restart,
        auto_remove, shm_bytes, log_options, annotations, health_check
    }

    ImageConfig {
        entrypoint, command, env, working_dir, user, labels, exposed, volumes, stop_signal, health_check
    }
    Image {
        id, created_at, layer, size_bytes, architecture, comment, config, tags, tagged_at, rootfs_dir, author
    }
    Event { sequence, time, kind, action, actor, attributes, labels }
    JournalInfo { first_sequence, last_sequence, failure }
    LimitSupport { memory, swap, cpu_quota, cpu_shares, cpuset, pids, oom_kill_disable }
    Info {
        host_id, hostname, kernel_version, operating_system, os_version, architecture, cpus, memory_bytes,
        bridge_version, started_at, state_dir, runtimes, cgroup_version, backing_filesystem, limits, journal,
        seccomp, ipv4_forwarding, warnings, networks
    }

    Probe { started_at, ended_at, exit_code, output }
    Health { status, failing_streak, log }
    HealthCheck {
        arguments, shell, disabled, interval_ns, timeout_ns, start_period_ns, start_interval_ns, retries
    }
    ExecSpec {
        arguments, env, working_dir, user, tty, attach_stdin, attach_stdout, attach_stderr, privileged,
        detach_keys, rows, columns
    }
    Exec { id, container, spec, running, pid, exit_code, started_at, finished_at }
    CreateExec { reference, spec }
    ExecCreated { id }
    StartExec { id, detach, rows, columns }
    ExecStarted { pid, terminal, input, output, error }
    ExecRef { id }
    InspectExec { id, until_ended }
    OpenLog { reference, follow }
    LogFile { number, bytes }
    Log { files, tty, bell, running, raw }
    Input { terminal }
    Resize { reference, rows, columns }
    PathChange { path, kind }
    Changes { changes }
    ContainerPath { reference, path }
    PathStat { name, size, mode, modified_at, link_target }
    Archive { stat }
    WriteArchive { reference, path, keep_kinds, keep_owners }
    Commit { reference, tag, comment, author, pause, config }
    Updated { warnings }
    Update {
        reference, memory_bytes, memory_swap_bytes, memory_reservation_bytes, nano_cpus, cpu_shares,
        cpu_period_us, cpu_quota_us, cpuset_cpus, cpuset_mems, pids_max, restart
    }
    Counter { name, value }
    CpuStats {
        total_ns, user_ns, kernel_ns, per_cpu_ns, machine_ns, online, periods, throttled_periods, throttled_ns
    }
    MemoryStats { usage, usage_max, limit, failures, counters }
    BlockCounter { kind, major, minor, operation, value }
    InterfaceStats {
        name, rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped
    }
    Stats { read_at, running, cpu, memory, pids, pids_max, block, interfaces, group_version }
    ProcessInfo {
        pid, parent, uid, gid, state, name, arguments, terminal, started_at, cpu_ns, resident_bytes,
        virtual_bytes, threads, nice, priority, group, session
    }
    Processes { processes }
}
