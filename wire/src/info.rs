//! What the host and the bridge are.

use crate::network::NetworkInfo;
use crate::record;
use crate::time::Time;

record! {
    /// The journal, as `INFO` shows it.
    pub struct JournalInfo {
        /// The first event that can still be read; zero when there is none.
        1 => first_sequence: u64,
        /// The last event.
        2 => last_sequence: u64,
        /// Why nothing can be written; empty when all is well.
        3 => failure: String,
    }
}

record! {
    /// Which limits the kernel can hold a container to.
    pub struct LimitSupport {
        /// Memory.
        1 => memory: bool,
        /// Memory and swap together.
        2 => swap: bool,
        /// Share of the processors by quota.
        3 => cpu_quota: bool,
        /// Share of the processors by weight.
        4 => cpu_shares: bool,
        /// Which processors.
        5 => cpuset: bool,
        /// Number of processes.
        6 => pids: bool,
        /// Whether the memory killer can be turned off.
        7 => oom_kill_disable: bool,
    }
}

record! {
    /// What the host and the bridge are. Answer to `INFO`.
    pub struct Info {
        /// Kept for ever once made: 64 hexadecimal digits.
        1 => host_id: String,
        /// Name of the host.
        2 => hostname: String,
        /// Release of the kernel.
        3 => kernel_version: String,
        /// The system's own name for itself, from os-release.
        4 => operating_system: String,
        /// The system's version, from os-release.
        5 => os_version: String,
        /// Processor, as the kernel names it: `x86_64`, `aarch64`.
        6 => architecture: String,
        /// Processors this bridge may use.
        7 => cpus: u32,
        /// Memory of the machine, in bytes.
        8 => memory_bytes: u64,
        /// Version of the bridge.
        9 => bridge_version: String,
        /// Since when the bridge runs.
        10 => started_at: Time,
        /// Directory that holds everything.
        11 => state_dir: String,
        /// Runtimes, the default first.
        12 => runtimes: Vec<String>,
        /// `1`, `2`, or empty when there are no control groups.
        13 => cgroup_version: String,
        /// File system under the state directory.
        14 => backing_filesystem: String,
        /// Which limits can be held.
        15 => limits: LimitSupport,
        /// The journal.
        16 => journal: JournalInfo,
        /// Whether the kernel filters system calls.
        17 => seccomp: bool,
        /// Whether the kernel forwards IPv4 packets.
        18 => ipv4_forwarding: bool,
        /// What the user should know.
        19 => warnings: Vec<String>,
        /// Networks, in the order they are shown.
        20 => networks: Vec<NetworkInfo>,
    }
}
