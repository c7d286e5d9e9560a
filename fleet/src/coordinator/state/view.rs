//! Nodes and containers as whoever asks sees them: what does not change is shared, and small.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::value::RawValue;

use crate::proto;

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: Box<str>,
    /// Without slashes; the first is its own. None where it has none.
    pub names: Box<[Box<str>]>,
    /// As it was asked for.
    pub image: Box<str>,
    /// With its algorithm.
    pub image_id: Box<str>,
    /// With its arguments.
    pub command: Box<str>,
    /// In seconds since 1970, by the node's clock.
    pub created: i64,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub state: Box<str>,
    /// `starting`, `healthy`, `unhealthy`; empty where nobody looks.
    pub health: Box<str>,
    /// In nanoseconds since 1970, by the node's clock; none if never.
    pub started_at_nano: Option<i64>,
    /// As [`Container::started_at_nano`].
    pub finished_at_nano: Option<i64>,
    /// Of the last run; 0 where there was none.
    pub exit_code: i32,
    /// By name.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// In order of what is inside.
    pub ports: Box<[Port]>,
    /// How often the engine restarted it by itself.
    pub restart_count: u32,
    /// What it was shown as.
    pub(in crate::coordinator) shown: Shown,
}

/// What whoever shows a container made of it: it does not change, and is shown over and over.
#[derive(Debug, Clone, Default)]
pub(in crate::coordinator) struct Shown(OnceLock<Box<RawValue>>);

impl Shown {
    /// As it was shown first; by `show`, where it was not yet.
    pub(in crate::coordinator) fn or(
        &self,
        show: impl FnOnce() -> serde_json::Result<Box<RawValue>>,
    ) -> serde_json::Result<&RawValue> {
        match self.0.get() {
            Some(shown) => Ok(shown),
            None => show().map(|shown| &**self.0.get_or_init(|| shown)),
        }
    }
}

/// It says nothing of the container that the rest does not.
impl PartialEq for Shown {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Shown {}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Inside.
    pub private_port: u16,
    /// Outside, where it is published.
    pub public_port: Option<u16>,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: Box<str>,
    /// Where it is published; else empty.
    pub ip: Box<str>,
}

impl Container {
    /// What people call it: its first name, or its id.
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.id)
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let at = self
            .labels
            .binary_search_by(|(known, _)| (**known).cmp(name))
            .ok()?;
        self.labels.get(at).map(|(_, value)| &**value)
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let words = [
            &self.id,
            &self.image,
            &self.image_id,
            &self.command,
            &self.state,
            &self.health,
        ];
        let words: usize = words.iter().map(|word| word.len()).sum();
        let names: usize = self.names.iter().map(|name| name.len()).sum();
        let labels = self.labels.iter().map(|(name, value)| name.len() + value.len());
        let ports = self.ports.iter().map(|port| port.protocol.len() + port.ip.len());
        let around = size_of_val(&*self.names) + size_of_val(&*self.labels) + size_of_val(&*self.ports);
        size_of::<Self>() + words + names + labels.sum::<usize>() + ports.sum::<usize>() + around
    }

    /// Whether it runs, paused or not.
    pub fn is_running(&self) -> bool {
        matches!(&*self.state, "running" | "paused" | "restarting")
    }
}

impl From<&proto::Container> for Container {
    fn from(told: &proto::Container) -> Self {
        let mut ports: Vec<Port> = told.ports.iter().map(Port::from).collect();
        ports.sort_unstable();
        Self {
            id: told.id.as_str().into(),
            names: told.names.iter().map(|name| name.as_str().into()).collect(),
            image: told.image.as_str().into(),
            image_id: told.image_id.as_str().into(),
            command: told.command.as_str().into(),
            created: told.created,
            state: told.state.as_str().into(),
            health: told.health.as_str().into(),
            started_at_nano: told.started_at_nano,
            finished_at_nano: told.finished_at_nano,
            exit_code: told.exit_code,
            labels: sorted(&told.labels),
            ports: ports.into(),
            restart_count: told.restart_count,
            shown: Shown::default(),
        }
    }
}

impl From<&proto::Port> for Port {
    fn from(told: &proto::Port) -> Self {
        Self {
            private_port: u16::try_from(told.private_port).unwrap_or(0),
            public_port: u16::try_from(told.public_port).ok().filter(|port| *port != 0),
            protocol: told.protocol.as_str().into(),
            ip: told.ip.as_str().into(),
        }
    }
}

fn sorted(map: &HashMap<String, String>) -> Box<[(Box<str>, Box<str>)]> {
    let mut pairs: Vec<(Box<str>, Box<str>)> = map
        .iter()
        .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
        .collect();
    pairs.sort_unstable();
    pairs.into()
}

/// The containers of a node, in order of their ids. Cloning it costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Containers {
    all: Arc<[Arc<Container>]>,
    bytes: usize,
}

impl Containers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// About how many bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Container>> {
        self.all.iter()
    }

    /// The one of this whole id.
    pub fn get(&self, id: &str) -> Option<&Arc<Container>> {
        let at = self.all.binary_search_by(|known| (*known.id).cmp(id)).ok()?;
        self.all.get(at)
    }

    /// The one of this id, or this name, with or without a slash, or, if only one has it, this beginning of an id: in
    /// that order, as Docker has it.
    pub fn find(&self, reference: &str) -> Option<&Arc<Container>> {
        match self.matching(reference) {
            [found] => Some(found),
            _ => None,
        }
    }

    /// Those that this can mean: the one of this id, the one of this name, or all whose ids begin so, in that order.
    pub fn matching(&self, reference: &str) -> &[Arc<Container>] {
        if let Some(found) = self.get(reference) {
            return std::slice::from_ref(found);
        }
        let name = reference.strip_prefix('/').unwrap_or(reference);
        let named = |container: &&Arc<Container>| container.names.iter().any(|known| **known == *name);
        if let Some(found) = self.all.iter().find(named) {
            return std::slice::from_ref(found);
        }
        if reference.is_empty() {
            return &[];
        }
        let first = self.all.partition_point(|known| *known.id < *reference);
        let rest = self.all.get(first..).unwrap_or_default();
        let end = rest.partition_point(|known| known.id.starts_with(reference));
        rest.get(..end).unwrap_or_default()
    }

    /// The same with these put in, or, where there is none, taken out.
    pub(super) fn with<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a str, Option<&'a Arc<Container>>)>,
    ) -> Self {
        let mut all = self.all.to_vec();
        let mut bytes = self.bytes;
        for (id, container) in changes {
            let place = all.binary_search_by(|known| (*known.id).cmp(id));
            let had = place
                .ok()
                .and_then(|at| all.get(at))
                .map_or(0, |known| known.bytes());
            let has = container.map_or(0, |container| container.bytes());
            bytes = bytes.saturating_sub(had).saturating_add(has);
            match (place, container) {
                (Ok(at), Some(container)) => {
                    if let Some(place) = all.get_mut(at) {
                        *place = Arc::clone(container);
                    }
                }
                (Err(at), Some(container)) => all.insert(at, Arc::clone(container)),
                (Ok(at), None) => drop(all.remove(at)),
                (Err(_), None) => {}
            }
        }
        Self {
            all: all.into(),
            bytes,
        }
    }
}

impl FromIterator<Arc<Container>> for Containers {
    fn from_iter<I: IntoIterator<Item = Arc<Container>>>(iter: I) -> Self {
        let mut all: Vec<_> = iter.into_iter().collect();
        all.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        all.dedup_by(|one, other| one.id == other.id);
        let bytes = all.iter().map(|container| container.bytes()).sum();
        Self {
            all: all.into(),
            bytes,
        }
    }
}

impl<'a> IntoIterator for &'a Containers {
    type Item = &'a Arc<Container>;
    type IntoIter = std::slice::Iter<'a, Arc<Container>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A node's engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Whether it answers.
    pub is_reachable: bool,
    /// Its version.
    pub version: Box<str>,
    /// Of its API.
    pub api_version: Box<str>,
    /// Of its machine.
    pub name: Box<str>,
    /// What its machine runs.
    pub os: Box<str>,
    /// The kind of processor.
    pub arch: Box<str>,
    /// The kernel's version.
    pub kernel: Box<str>,
    /// Processors.
    pub cpus: u32,
    /// Memory of the machine.
    pub memory_bytes: u64,
    /// Why it does not answer.
    pub error: Box<str>,
}

impl From<&proto::Engine> for Engine {
    fn from(told: &proto::Engine) -> Self {
        Self {
            is_reachable: told.is_reachable,
            version: told.version.as_str().into(),
            api_version: told.api_version.as_str().into(),
            name: told.name.as_str().into(),
            os: told.os.as_str().into(),
            arch: told.arch.as_str().into(),
            kernel: told.kernel.as_str().into(),
            cpus: told.cpus,
            memory_bytes: told.memory_bytes,
            error: told.error.as_str().into(),
        }
    }
}

/// A node, as it is at one moment. All times are the coordinator's, in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// What it calls itself.
    pub node_id: Arc<str>,
    /// What people call it.
    pub name: Box<str>,
    /// Its machine's own name; empty before it was connected.
    pub hostname: Box<str>,
    /// Of its program; empty before it was connected.
    pub version: Box<str>,
    /// What its machine runs; empty before it was connected.
    pub os: Box<str>,
    /// The kind of processor; empty before it was connected.
    pub arch: Box<str>,
    /// When it was let in for the first time.
    pub enrolled_at: i64,
    /// Whether it is connected.
    pub is_connected: bool,
    /// Since when it is, if it is.
    pub connected_since: Option<i64>,
    /// When it was there last, if it is not now; none if it never was.
    pub last_seen: Option<i64>,
    /// Its engine, since it was told of.
    pub engine: Option<Arc<Engine>>,
    /// Its containers; while it is away, as they were.
    pub containers: Containers,
    /// The connection it has, or had last.
    pub(super) connection: u64,
}
