//! Nodes, containers and what happened, as JSON has them. Most borrow: a list of a thousand nodes is written, not
//! copied.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::to_raw_value;
use utoipa::ToSchema;

use crate::coordinator::state::{Container, Containers, Engine, NodeView, Occurrence, Port, Published};
use crate::proto;

/// A moment, in nanoseconds since 1970, as RFC 3339 has it; what no calendar has becomes the first moment of 1970.
pub(super) fn moment(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(i128::from(nanoseconds))
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}

fn text_moment<S: Serializer>(nanoseconds: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&moment(*nanoseconds))
}

fn maybe_moment<S: Serializer>(nanoseconds: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    match nanoseconds {
        Some(nanoseconds) => to.serialize_some(&moment(*nanoseconds)),
        None => to.serialize_none(),
    }
}

/// A node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeShape<'a> {
    /// What it calls itself.
    node_id: &'a str,
    /// What people call it.
    name: &'a str,
    /// Its machine's own name.
    hostname: &'a str,
    /// Of its program.
    version: &'a str,
    /// What its machine runs.
    os: &'a str,
    /// The kind of processor.
    arch: &'a str,
    /// When it was let in for the first time.
    #[serde(serialize_with = "text_moment")]
    #[schema(value_type = String, format = DateTime)]
    enrolled_at: i64,
    /// Whether it is connected.
    is_connected: bool,
    /// Since when it is.
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    connected_since: Option<i64>,
    /// When it was there last, if it is not now.
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<i64>,
    /// Its engine, since it told of it.
    engine: Option<EngineShape<'a>>,
    /// How many containers it has, or had when it was there last.
    containers_count: usize,
    /// Where its containers are asked as Docker has them, below this coordinator's address.
    docker_path: String,
    /// They, where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ContainerShape>>)]
    containers: Option<ContainersShape<'a>>,
}

impl<'a> NodeShape<'a> {
    /// That of a node, with its containers or without.
    pub(super) fn of(node: &'a NodeView, with_containers: bool) -> Self {
        Self {
            node_id: &node.node_id,
            name: &node.name,
            hostname: &node.hostname,
            version: &node.version,
            os: &node.os,
            arch: &node.arch,
            enrolled_at: node.enrolled_at,
            is_connected: node.is_connected,
            connected_since: node.connected_since,
            last_seen: node.last_seen,
            engine: node.engine.as_deref().map(EngineShape::of),
            containers_count: node.containers.len(),
            docker_path: format!("/nodes/{}/docker", node.node_id),
            containers: with_containers.then_some(ContainersShape(&node.containers)),
        }
    }
}

/// A node's engine.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EngineShape<'a> {
    /// Whether it answers.
    is_reachable: bool,
    /// Its version.
    version: &'a str,
    /// Of its API.
    api_version: &'a str,
    /// Of its machine.
    name: &'a str,
    /// What its machine runs.
    os: &'a str,
    /// The kind of processor.
    arch: &'a str,
    /// The kernel's version.
    kernel: &'a str,
    /// Processors.
    cpus: u32,
    /// Memory of the machine.
    memory_bytes: u64,
    /// Why it does not answer.
    error: &'a str,
}

impl<'a> EngineShape<'a> {
    fn of(engine: &'a Engine) -> Self {
        Self {
            is_reachable: engine.is_reachable,
            version: &engine.version,
            api_version: &engine.api_version,
            name: &engine.name,
            os: &engine.os,
            arch: &engine.arch,
            kernel: &engine.kernel,
            cpus: engine.cpus,
            memory_bytes: engine.memory_bytes,
            error: &engine.error,
        }
    }
}

/// All containers of a node.
#[derive(Debug)]
pub(super) struct ContainersShape<'a>(pub(super) &'a Containers);

impl Serialize for ContainersShape<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.0.len()))?;
        for container in self.0 {
            let shown = container
                .shown
                .or(|| to_raw_value(&ContainerShape::of(container)));
            list.serialize_element(shown.map_err(S::Error::custom)?)?;
        }
        list.end()
    }
}

/// A container.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContainerShape<'a> {
    /// 64 hexadecimal digits.
    id: &'a str,
    /// Its own name first.
    #[schema(value_type = Vec<String>)]
    names: &'a [Box<str>],
    /// As it was asked for.
    image: &'a str,
    /// With its algorithm.
    image_id: &'a str,
    /// With its arguments.
    command: &'a str,
    /// In seconds since 1970.
    created: i64,
    /// created, running, paused, restarting, removing, exited, dead.
    state: &'a str,
    /// starting, healthy, unhealthy; empty where nobody looks.
    health: &'a str,
    /// When it was started last; null if never.
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<i64>,
    /// When it ended last; null if never.
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<i64>,
    /// Of the last run; 0 where there was none.
    exit_code: i32,
    /// By name.
    #[schema(value_type = BTreeMap<String, String>)]
    labels: Labels<'a>,
    /// Inside, and where they are published.
    ports: Vec<PortShape<'a>>,
    /// How often the engine restarted it by itself.
    restart_count: u32,
}

impl<'a> ContainerShape<'a> {
    /// That of a container.
    pub(super) fn of(container: &'a Container) -> Self {
        Self {
            id: &container.id,
            names: &container.names,
            image: &container.image,
            image_id: &container.image_id,
            command: &container.command,
            created: container.created,
            state: &container.state,
            health: &container.health,
            started_at: container.started_at_nano,
            finished_at: container.finished_at_nano,
            exit_code: container.exit_code,
            labels: Labels(&container.labels),
            ports: container.ports.iter().map(PortShape::of).collect(),
            restart_count: container.restart_count,
        }
    }
}

#[derive(Debug)]
struct Labels<'a>(&'a [(Box<str>, Box<str>)]);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A port of a container.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PortShape<'a> {
    /// Inside.
    private_port: u16,
    /// Outside; null where it is not published.
    public_port: Option<u16>,
    /// tcp, udp, sctp.
    protocol: &'a str,
    /// Where it is published.
    ip: &'a str,
}

impl<'a> PortShape<'a> {
    fn of(port: &'a Port) -> Self {
        Self {
            private_port: port.private_port,
            public_port: port.public_port,
            protocol: &port.protocol,
            ip: &port.ip,
        }
    }
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PublishedShape<'a> {
    /// Its number: what came later has a higher one.
    sequence: u64,
    /// Whose.
    node_id: &'a str,
    /// When the coordinator heard of it.
    #[serde(serialize_with = "text_moment")]
    #[schema(value_type = String, format = DateTime)]
    received_at: i64,
    /// What.
    event: EventShape<'a>,
    /// The container after it; null where it is gone, or the event is none of a container's.
    container: Option<ContainerShape<'a>>,
    /// Whether the container is gone.
    is_gone: bool,
}

/// What happened: of type `node` it is about the node itself, and of type `container` with the action `changed` a
/// container was found otherwise than it was known. All others are the engine's.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventShape<'a> {
    /// container, image, network, volume, node, ...
    r#type: &'a str,
    /// start, die, destroy, ...; of a node enrolled, connected, disconnected, refused, revoked, engine_lost,
    /// engine_found.
    action: &'a str,
    /// Of what it happened to.
    actor_id: &'a str,
    /// What else is said of it.
    attributes: BTreeMap<&'a str, &'a str>,
    /// When it happened, by the engine's clock; null where it is no engine's.
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    time: Option<i64>,
}

impl<'a> EventShape<'a> {
    fn of(event: &'a proto::Event) -> Self {
        let attributes = event.attributes.iter();
        Self {
            r#type: &event.r#type,
            action: &event.action,
            actor_id: &event.actor_id,
            attributes: attributes
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            time: Some(event.time_nano),
        }
    }

    fn own(r#type: &'a str, action: &'a str, actor_id: &'a str) -> Self {
        Self {
            r#type,
            action,
            actor_id,
            attributes: BTreeMap::new(),
            time: None,
        }
    }
}

impl<'a> PublishedShape<'a> {
    /// That of what was published.
    pub(super) fn of(published: &'a Published) -> Self {
        let (event, container, is_gone) = match &published.what {
            Occurrence::Event {
                event,
                container,
                is_gone,
            } => (EventShape::of(event), container.as_deref(), *is_gone),
            Occurrence::Changed { container, is_gone } => {
                let event = EventShape::own("container", "changed", &container.id);
                (event, (!is_gone).then_some(&**container), *is_gone)
            }
            Occurrence::Node { action, detail } => {
                let mut event = EventShape::own("node", action.name(), &published.node_id);
                if !detail.is_empty() {
                    event.attributes.insert("detail", detail);
                }
                (event, None, false)
            }
        };
        Self {
            sequence: published.sequence,
            node_id: &published.node_id,
            received_at: published.received_at,
            event,
            container: container.map(ContainerShape::of),
            is_gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let check = |nanoseconds: i64, expected: &str| assert_eq!(moment(nanoseconds), expected);
        check(0, "1970-01-01T00:00:00Z");
        check(1_700_000_000_000_000_001, "2023-11-14T22:13:20.000000001Z");
        check(i64::MAX, "2262-04-11T23:47:16.854775807Z");
        check(i64::MIN, "1677-09-21T00:12:43.145224192Z");
    }
}
