//! What a container uses, and which processes it has.

use crate::time::Time;
use crate::{numbers, record};

record! {
    /// A named count.
    pub struct Counter {
        /// Its name, as the kernel gives it.
        1 => name: String,
        /// The count.
        2 => value: u64,
    }
}

record! {
    /// Use of processors. Times are in nanoseconds.
    pub struct CpuStats {
        /// Used by the container since it started.
        1 => total_ns: u64,
        /// The part of it in programs.
        2 => user_ns: u64,
        /// The part of it in the kernel.
        3 => kernel_ns: u64,
        /// The same by processor; empty where the kernel does not tell.
        4 => per_cpu_ns: Vec<u64>,
        /// Used by everybody on the machine, idle time included.
        5 => machine_ns: u64,
        /// Processors that are switched on.
        6 => online: u32,
        /// Scheduling periods that have passed under a quota.
        7 => periods: u64,
        /// Those of them in which the quota was used up.
        8 => throttled_periods: u64,
        /// Time that was waited for that reason.
        9 => throttled_ns: u64,
    }
}

record! {
    /// Use of memory, in bytes.
    pub struct MemoryStats {
        /// In use, caches included.
        1 => usage: u64,
        /// The most that was in use at once; zero where the kernel does not tell.
        2 => usage_max: u64,
        /// The limit; that of the machine where there is none.
        3 => limit: u64,
        /// How often the limit was met.
        4 => failures: u64,
        /// Everything the kernel counts besides, by its names.
        5 => counters: Vec<Counter>,
    }
}

numbers! {
    /// What is counted about a block device.
    pub enum BlockKind {
        /// Bytes moved.
        Bytes = 1,
        /// Operations done.
        Operations = 2,
        /// Operations waiting.
        Queued = 3,
        /// Time in service, in nanoseconds.
        ServiceTime = 4,
        /// Time in the queue, in nanoseconds.
        WaitTime = 5,
        /// Operations merged.
        Merged = 6,
        /// Time the device was kept busy, in milliseconds.
        Time = 7,
        /// Sectors moved.
        Sectors = 8,
    }
}

record! {
    /// One count about one block device.
    pub struct BlockCounter {
        /// What is counted.
        1 => kind: BlockKind,
        /// Major number of the device.
        2 => major: u32,
        /// Minor number of the device.
        3 => minor: u32,
        /// Which operations, as the kernel names them: `Read`, `Write`, `Total`; empty for all.
        4 => operation: String,
        /// The count.
        5 => value: u64,
    }
}

record! {
    /// Traffic of one network interface of the container.
    pub struct InterfaceStats {
        /// Its name in the container.
        1 => name: String,
        /// Bytes received.
        2 => rx_bytes: u64,
        /// Packets received.
        3 => rx_packets: u64,
        /// Errors in receiving.
        4 => rx_errors: u64,
        /// Packets received and dropped.
        5 => rx_dropped: u64,
        /// Bytes sent.
        6 => tx_bytes: u64,
        /// Packets sent.
        7 => tx_packets: u64,
        /// Errors in sending.
        8 => tx_errors: u64,
        /// Packets dropped before sending.
        9 => tx_dropped: u64,
    }
}

record! {
    /// What a container uses at one moment. Answer to `READ_STATS`; all zero where it does not run.
    pub struct Stats {
        /// The moment.
        1 => read_at: Time,
        /// Whether it runs.
        2 => running: bool,
        /// Processors.
        3 => cpu: CpuStats,
        /// Memory; absent where the kernel does not count it.
        4 => memory: Option<MemoryStats>,
        /// Processes and threads.
        5 => pids: u64,
        /// The limit of those; zero means none.
        6 => pids_max: u64,
        /// Block devices.
        7 => block: Vec<BlockCounter>,
        /// Network interfaces; none of the host's.
        8 => interfaces: Vec<InterfaceStats>,
        /// Version of the control groups that say so: 1 or 2.
        9 => group_version: u32,
    }
}

record! {
    /// One process of a container, as the host sees it.
    pub struct ProcessInfo {
        /// Its number.
        1 => pid: u32,
        /// Its parent's number.
        2 => parent: u32,
        /// Effective user.
        3 => uid: u32,
        /// Effective group.
        4 => gid: u32,
        /// Its state as one letter of the kernel's: `R`, `S`, `D`, `Z`, `T`.
        5 => state: String,
        /// Its name, at most fifteen bytes.
        6 => name: String,
        /// Its argument vector; empty for one that has none.
        7 => arguments: Vec<String>,
        /// Controlling terminal as `pts/0`; empty where it has none.
        8 => terminal: String,
        /// When it started.
        9 => started_at: Time,
        /// Processor time used, in nanoseconds.
        10 => cpu_ns: u64,
        /// Memory in use, in bytes.
        11 => resident_bytes: u64,
        /// Address space, in bytes.
        12 => virtual_bytes: u64,
        /// Threads.
        13 => threads: u32,
        /// Nice value.
        14 => nice: i32,
        /// Priority, as the kernel numbers it.
        15 => priority: i32,
        /// Process group.
        16 => group: u32,
        /// Session.
        17 => session: u32,
    }
}

record! {
    /// The processes of a container, or a part of them, by rising number.
    pub struct Processes {
        /// The processes.
        1 => processes: Vec<ProcessInfo>,
    }
}
