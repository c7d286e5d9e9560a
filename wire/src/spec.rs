//! What a container is asked to be.
//!
//! Everything is kept as it was asked, so that it can be shown again; what a runtime does not
//! enforce it must refuse or warn about when the container is created, never ignore in silence.

use crate::{numbers, record};

record! {
    /// A key and its value: a label, an option, an attribute of an event.
    pub struct Pair {
        /// The key.
        1 => key: String,
        /// The value.
        2 => value: String,
    }
}

impl Pair {
    /// A pair of two texts.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

numbers! {
    /// What kind of mount.
    pub enum MountKind {
        /// A directory or file of the host.
        Bind = 1,
        /// Memory.
        Tmpfs = 2,
    }
}

record! {
    /// One mount asked for.
    pub struct Mount {
        /// What kind.
        1 => kind: MountKind,
        /// Absolute path on the host; empty for memory.
        2 => source: String,
        /// Absolute path in the container.
        3 => target: String,
        /// Whether writing is refused.
        4 => read_only: bool,
        /// Options as asked ("ro", "rw,z", "size=64m"); for showing, and for tmpfs for mounting.
        5 => options: String,
        /// Propagation as asked; empty means private.
        6 => propagation: String,
        /// Whether a missing source is made as a directory (asked as `source:target`, not as a mount object).
        7 => create_source: bool,
    }
}

numbers! {
    /// The network a container gets.
    pub enum NetworkMode {
        /// The runtime's default. Today: its own namespace, loopback only.
        Default = 1,
        /// Its own namespace, loopback only.
        None = 2,
        /// The host's namespace.
        Host = 3,
        /// A bridge. Today: its own namespace, loopback only, with a warning at create.
        Bridge = 4,
        /// A network that the runtime has under a name of its own.
        Named = 5,
    }
}

numbers! {
    /// When a container that ended is started again.
    pub enum RestartKind {
        /// Never.
        No = 1,
        /// Always, and when the bridge starts.
        Always = 2,
        /// As always, unless it was stopped on purpose.
        UnlessStopped = 3,
        /// Only after an exit code other than zero.
        OnFailure = 4,
    }
}

record! {
    /// When a container that ended is started again, and how often.
    pub struct RestartPolicy {
        /// When.
        1 => kind: RestartKind,
        /// For on-failure: how often at most; zero means without end.
        2 => retries_max: u32,
    }
}

record! {
    /// One resource limit of the process.
    pub struct Ulimit {
        /// Its name without prefix: `nofile`, `core`.
        1 => name: String,
        /// Soft limit; -1 means none.
        2 => soft: i64,
        /// Hard limit; -1 means none.
        3 => hard: i64,
    }
}

record! {
    /// One port of the container and the port of the host that leads to it.
    pub struct Port {
        /// Port in the container.
        1 => container_port: u16,
        /// `tcp`, `udp` or `sctp`.
        2 => protocol: String,
        /// Address on the host; empty means every.
        3 => host_address: String,
        /// Port on the host; zero means any free one.
        4 => host_port: u16,
    }
}

record! {
    /// One device of the host.
    pub struct Device {
        /// Path on the host.
        1 => source: String,
        /// Path in the container.
        2 => target: String,
        /// Some of `rwm`.
        3 => permissions: String,
    }
}

record! {
    /// What the container may use.
    pub struct Resources {
        /// Memory, in bytes; zero means no limit.
        1 => memory_bytes: u64,
        /// Memory and swap together, in bytes; zero means twice the memory, -1 no limit.
        2 => memory_swap_bytes: i64,
        /// Soft memory limit, in bytes.
        3 => memory_reservation_bytes: u64,
        /// Billionths of a processor; zero means no limit.
        4 => nano_cpus: u64,
        /// Relative weight, 2 to 262144; zero means the default of 1024.
        5 => cpu_shares: u64,
        /// Length of a scheduling period, in microseconds.
        6 => cpu_period_us: u64,
        /// Microseconds of each period; zero or less means no limit.
        7 => cpu_quota_us: i64,
        /// Processors, as "0-3,5"; empty means all.
        8 => cpuset_cpus: String,
        /// Memory nodes, as "0,1"; empty means all.
        9 => cpuset_mems: String,
        /// Most processes and threads; zero or less means no limit.
        10 => pids_max: i64,
        /// Limits of the process.
        11 => ulimits: Vec<Ulimit>,
        /// Preference of the kernel's memory killer, -1000 to 1000.
        12 => oom_score_adjustment: i32,
    }
}

record! {
    /// What the container may do.
    pub struct Security {
        /// Everything: all capabilities, all devices, no filter.
        1 => privileged: bool,
        /// Capabilities added to the default set, as asked.
        2 => capabilities_added: Vec<String>,
        /// Capabilities taken from the default set, as asked.
        3 => capabilities_dropped: Vec<String>,
        /// Further options, as asked.
        4 => options: Vec<String>,
        /// Whether the root file system refuses writing.
        5 => read_only_rootfs: bool,
        /// Groups the process also belongs to: numbers or names.
        6 => groups_added: Vec<String>,
        /// Kernel settings of the container's own namespaces.
        7 => sysctls: Vec<Pair>,
        /// Devices of the host.
        8 => devices: Vec<Device>,
    }
}

record! {
    /// How the container is reached and what it can reach.
    pub struct Network {
        /// The kind of network.
        1 => mode: NetworkMode,
        /// Ports the image or the user names.
        2 => exposed: Vec<Port>,
        /// Ports to be led to from the host.
        3 => published: Vec<Port>,
        /// Name servers.
        4 => dns: Vec<String>,
        /// Options of the resolver.
        5 => dns_options: Vec<String>,
        /// Search domains.
        6 => dns_search: Vec<String>,
        /// Further lines of the hosts file, as `name:address`.
        7 => extra_hosts: Vec<String>,
        /// Whether every exposed port is to be published.
        8 => publish_all: bool,
        /// The network's name where the mode is `Named`.
        9 => name: String,
        /// The container's address in it; empty where it has none or nobody knows.
        10 => address: String,
        /// Whether the published ports lead to the container while it runs.
        11 => forwarded: bool,
    }
}

record! {
    /// The first process.
    pub struct Process {
        /// First part of the argument vector.
        1 => entrypoint: Vec<String>,
        /// Second part of the argument vector.
        2 => command: Vec<String>,
        /// Environment, as `NAME=value`.
        3 => env: Vec<String>,
        /// Working directory; empty means `/`.
        4 => working_dir: String,
        /// `user`, `uid`, `user:group` or `uid:gid`; empty means root.
        5 => user: String,
        /// Whether it gets a terminal.
        6 => tty: bool,
        /// Whether its standard input stays open.
        7 => open_stdin: bool,
        /// Whether its standard input closes with the first client.
        8 => stdin_once: bool,
        /// Whether the client asked to see standard output at once.
        9 => attach_stdout: bool,
        /// Whether the client asked to see standard error at once.
        10 => attach_stderr: bool,
        /// Whether the client asked to write standard input at once.
        11 => attach_stdin: bool,
        /// Signal that asks it to end, by name or number; empty means SIGTERM.
        12 => stop_signal: String,
        /// Seconds between that signal and SIGKILL; none means ten.
        13 => stop_timeout_s: Option<u32>,
        /// Whether a small init reaps orphans for it.
        14 => init: bool,
        /// Height of its terminal at the start, in rows; zero means as the kernel makes it.
        15 => rows: u16,
        /// Width of its terminal at the start, in columns; zero means as the kernel makes it.
        16 => columns: u16,
    }
}

record! {
    /// How the container's health is found out: a command that ends with 0 where all is well.
    pub struct HealthCheck {
        /// The command, or the text for a shell.
        1 => arguments: Vec<String>,
        /// Whether the one argument is for `/bin/sh -c`.
        2 => shell: bool,
        /// Whether there is to be none, whatever the image says.
        3 => disabled: bool,
        /// Between two checks, in nanoseconds; zero means 30 s.
        4 => interval_ns: u64,
        /// For one check, in nanoseconds; zero means 30 s.
        5 => timeout_ns: u64,
        /// After the start, in which failures do not count, in nanoseconds.
        6 => start_period_ns: u64,
        /// Between two checks in that time, in nanoseconds; zero means 5 s.
        7 => start_interval_ns: u64,
        /// Failures in a row that make it unhealthy; zero means 3.
        8 => retries: u32,
    }
}

record! {
    /// What a container is asked to be.
    pub struct Spec {
        /// The image, as the user named it.
        1 => image: String,
        /// The first process.
        2 => process: Process,
        /// Host name; empty means the first twelve digits of the id.
        3 => hostname: String,
        /// Domain name.
        4 => domainname: String,
        /// Labels, sorted by key.
        5 => labels: Vec<Pair>,
        /// Mounts, in the order asked.
        6 => mounts: Vec<Mount>,
        /// Network.
        7 => network: Network,
        /// What it may use.
        8 => resources: Resources,
        /// What it may do.
        9 => security: Security,
        /// When it is started again.
        10 => restart: RestartPolicy,
        /// Whether it is removed once it ends.
        11 => auto_remove: bool,
        /// Size of its shared memory, in bytes; zero means 64 MiB.
        12 => shm_bytes: u64,
        /// Options of its log.
        13 => log_options: Vec<Pair>,
        /// Notes of the user that nothing interprets.
        14 => annotations: Vec<Pair>,
        /// How its health is found out; absent where it is not.
        15 => health_check: Option<HealthCheck>,
    }
}
