//! Something that happened.

use crate::spec::Pair;
use crate::time::Time;
use crate::{numbers, record};

numbers! {
    /// What it happened to.
    pub enum EventKind {
        /// A container.
        Container = 1,
        /// An image.
        Image = 2,
        /// A network.
        Network = 3,
        /// A volume.
        Volume = 4,
        /// The bridge itself.
        Daemon = 5,
    }
}

numbers! {
    /// What happened.
    pub enum Action {
        /// A container, network or volume was made.
        Create = 1,
        /// A container's first process runs; the bridge runs.
        Start = 2,
        /// A container's first process ended.
        Die = 3,
        /// A container was stopped on purpose; the bridge ends.
        Stop = 4,
        /// A signal was sent.
        Kill = 5,
        /// Processes were frozen.
        Pause = 6,
        /// Processes were thawed.
        Unpause = 7,
        /// A container was stopped and started by hand.
        Restart = 8,
        /// A container got another name.
        Rename = 9,
        /// Limits or the restart policy changed.
        Update = 10,
        /// A container, network or volume is gone.
        Destroy = 11,
        /// A further process was prepared.
        ExecCreate = 12,
        /// A further process runs.
        ExecStart = 13,
        /// A further process ended.
        ExecDie = 14,
        /// A health check changed its mind.
        HealthStatus = 15,
        /// The kernel killed a process for want of memory.
        Oom = 16,
        /// A client attached.
        Attach = 17,
        /// A terminal changed its size.
        Resize = 18,
        /// An image came from a tar.
        Import = 19,
        /// An image got a name.
        Tag = 20,
        /// An image lost a name.
        Untag = 21,
        /// An image is gone.
        Delete = 22,
        /// A container joined a network.
        Connect = 23,
        /// A container left a network.
        Disconnect = 24,
        /// The bridge read its configuration again.
        Reload = 25,
        /// An image was pulled from elsewhere.
        Pull = 26,
        /// Unused things were removed.
        Prune = 27,
        /// A client let go of what it was attached to.
        Detach = 28,
        /// An image was made of a container.
        Commit = 29,
        /// A container's files were taken out as a whole.
        Export = 30,
        /// Files were taken out of a container.
        ReadArchive = 31,
        /// Files were put into a container.
        WriteArchive = 32,
    }
}

/// Names of attributes. Labels of the actor are kept apart from them.
pub mod attribute {
    /// Name of the container, image or network.
    pub const NAME: &str = "name";
    /// Image of the container, as the user named it.
    pub const IMAGE: &str = "image";
    /// Exit code, decimal; absent where nobody saw the end.
    pub const EXIT_CODE: &str = "exit_code";
    /// `1` where the kernel killed it for want of memory.
    pub const OOM: &str = "oom";
    /// Signal, as a decimal number.
    pub const SIGNAL: &str = "signal";
    /// The name before.
    pub const OLD_NAME: &str = "old_name";
    /// The container that joined or left, by id.
    pub const CONTAINER: &str = "container";
    /// Kind of the network: `bridge`, `host`, `none`.
    pub const NETWORK_KIND: &str = "network_kind";
    /// Seconds between start and end, decimal.
    pub const RUN_SECONDS: &str = "run_seconds";
    /// How often the restart policy has started it, decimal; on a start that the policy made.
    pub const RESTART_COUNT: &str = "restart_count";
    /// `1` where the event was found out later; its time is then when it was found out.
    pub const FOUND_LATER: &str = "found_later";
    /// Process id of the first process, decimal.
    pub const PID: &str = "pid";
    /// The runtime that holds the container.
    pub const RUNTIME: &str = "runtime";
    /// Version of the bridge.
    pub const VERSION: &str = "version";
    /// The further process, by id.
    pub const EXEC: &str = "exec";
    /// Its argument vector, joined by spaces.
    pub const COMMAND: &str = "command";
    /// What the health check now says: `starting`, `healthy`, `unhealthy`.
    pub const HEALTH: &str = "health";
    /// Height of the terminal, in rows, decimal.
    pub const ROWS: &str = "rows";
    /// Width of the terminal, in columns, decimal.
    pub const COLUMNS: &str = "columns";
    /// The path in the container.
    pub const PATH: &str = "path";
    /// Why, in the user's words.
    pub const COMMENT: &str = "comment";
}

record! {
    /// Something that happened, once, with its place in the order of everything.
    pub struct Event {
        /// Its place; the first event ever is 1. Zero before the journal has placed it.
        1 => sequence: u64,
        /// When it happened, by the wall clock.
        2 => time: Time,
        /// What it happened to.
        3 => kind: EventKind,
        /// What happened.
        4 => action: Action,
        /// The id (container, network) or name (volume) or digest (image) it happened to.
        5 => actor: String,
        /// What else is known, by the names of [`attribute`].
        6 => attributes: Vec<Pair>,
        /// Labels of the actor at that moment.
        7 => labels: Vec<Pair>,
    }
}

impl Event {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|pair| pair.key == key)
            .map(|pair| pair.value.as_str())
    }
}
