//! What a container is.

use crate::id::{ContainerId, ImageId};
use crate::spec::{Mount, NetworkMode, Pair, Port, RestartPolicy, Spec};
use crate::time::Time;
use crate::{numbers, record};

numbers! {
    /// Where in its life a container is.
    pub enum Status {
        /// Made, never started.
        Created = 1,
        /// Its first process runs.
        Running = 2,
        /// Its processes are frozen.
        Paused = 3,
        /// It ended and will be started again.
        Restarting = 4,
        /// It ended.
        Exited = 5,
        /// It is being removed.
        Removing = 6,
        /// It could not be removed.
        Dead = 7,
    }
}

record! {
    /// How a container's first process ended.
    pub struct Exit {
        /// Exit code, or 128 and the signal. Meaningless where `unknown`.
        1 => code: u32,
        /// Nobody saw the end: the machine or the process that watched it went away first.
        2 => unknown: bool,
        /// The kernel killed it for want of memory.
        3 => oom: bool,
    }
}

numbers! {
    /// What the health check says.
    pub enum HealthStatus {
        /// Nothing yet.
        Starting = 1,
        /// All is well.
        Healthy = 2,
        /// It failed too often.
        Unhealthy = 3,
    }
}

record! {
    /// One run of the health check.
    pub struct Probe {
        /// When it began.
        1 => started_at: Time,
        /// When it ended.
        2 => ended_at: Time,
        /// Exit code; -1 where it could not be run or took too long.
        3 => exit_code: i32,
        /// The beginning of what it wrote; bytes that are no text are replaced.
        4 => output: String,
    }
}

record! {
    /// A container's health.
    pub struct Health {
        /// What the check says.
        1 => status: HealthStatus,
        /// Failures in a row.
        2 => failing_streak: u32,
        /// The last runs, oldest first; never in a list.
        3 => log: Vec<Probe>,
    }
}

record! {
    /// Where in its life a container is, with what belongs to that.
    pub struct State {
        /// Where.
        1 => status: Status,
        /// The first process, as the host numbers it; zero when there is none.
        2 => pid: u32,
        /// How it last ended; none if it never did.
        3 => exit: Option<Exit>,
        /// Why it could not be started, in words; empty when it could.
        4 => error: String,
        /// When it last started.
        5 => started_at: Time,
        /// When it last ended.
        6 => finished_at: Time,
        /// How often the restart policy started it since it was last started by hand.
        7 => restart_count: u32,
        /// Its health; absent where nobody asked for a check.
        8 => health: Option<Health>,
        /// When it last started, in nanoseconds since the machine did, sleep included: what no setting of the
        /// clock moves. Zero where it does not run, or nobody knows.
        9 => started_since_boot_ns: u64,
    }
}

record! {
    /// Everything about a container. Answer to `INSPECT_CONTAINER`.
    pub struct Container {
        /// Its id.
        1 => id: ContainerId,
        /// Its name.
        2 => name: String,
        /// The runtime that holds it.
        3 => runtime: String,
        /// When it was made.
        4 => created_at: Time,
        /// The image it was made from.
        5 => image_id: ImageId,
        /// What it was asked to be.
        6 => spec: Spec,
        /// Where in its life it is.
        7 => state: State,
        /// Directory of its root file system's own layer, on the host.
        8 => upper_dir: String,
        /// Directories of the layers below, on the host, top first.
        9 => lower_dirs: Vec<String>,
        /// File of its log, on the host.
        10 => log_path: String,
        /// Generated `resolv.conf`, on the host.
        11 => resolv_conf_path: String,
        /// Generated `hostname`, on the host.
        12 => hostname_path: String,
        /// Generated `hosts`, on the host.
        13 => hosts_path: String,
        /// Ids of the further processes that run in it, oldest first; never on disk.
        14 => execs: Vec<String>,
        /// How its root file system is kept: `directory`, `image`; empty for layers.
        15 => storage: String,
    }
}

record! {
    /// What a list shows of a container. Environment and the rest stay where they are.
    pub struct Summary {
        /// Its id.
        1 => id: ContainerId,
        /// Its name.
        2 => name: String,
        /// The runtime that holds it.
        3 => runtime: String,
        /// When it was made.
        4 => created_at: Time,
        /// The image it was made from.
        5 => image_id: ImageId,
        /// The image, as the user named it.
        6 => image: String,
        /// The argument vector of the first process.
        7 => arguments: Vec<String>,
        /// Labels, sorted by key.
        8 => labels: Vec<Pair>,
        /// Mounts.
        9 => mounts: Vec<Mount>,
        /// The kind of network.
        10 => network_mode: NetworkMode,
        /// Ports the image or the user names.
        11 => exposed: Vec<Port>,
        /// Ports led to from the host.
        12 => published: Vec<Port>,
        /// When it is started again.
        13 => restart: RestartPolicy,
        /// Where in its life it is.
        14 => state: State,
        /// Notes of the user that nothing interprets.
        15 => annotations: Vec<Pair>,
        /// The network's name where the mode is `Named`.
        16 => network: String,
        /// The container's address in it; empty where it has none or nobody knows.
        17 => address: String,
        /// Whether the published ports lead to the container while it runs.
        18 => forwarded: bool,
    }
}

impl Health {
    /// The same without what the checks wrote.
    #[must_use]
    pub fn without_log(&self) -> Self {
        Self {
            log: Vec::new(),
            ..*self
        }
    }
}

impl Container {
    /// What a list shows of it.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let process = &self.spec.process;
        Summary {
            id: self.id,
            name: self.name.clone(),
            runtime: self.runtime.clone(),
            created_at: self.created_at,
            image_id: self.image_id,
            image: self.spec.image.clone(),
            arguments: process
                .entrypoint
                .iter()
                .chain(&process.command)
                .cloned()
                .collect(),
            labels: self.spec.labels.clone(),
            mounts: self.spec.mounts.clone(),
            network_mode: self.spec.network.mode,
            exposed: self.spec.network.exposed.clone(),
            published: self.spec.network.published.clone(),
            restart: self.spec.restart.clone(),
            state: State {
                health: self.state.health.as_ref().map(Health::without_log),
                ..self.state.clone()
            },
            annotations: self.spec.annotations.clone(),
            network: self.spec.network.name.clone(),
            address: self.spec.network.address.clone(),
            forwarded: self.spec.network.forwarded,
        }
    }
}
