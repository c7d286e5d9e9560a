//! The series, written straight from what is known: a thousand nodes are not counted into families first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::coordinator::state::{Container, NodeView};
use crate::proto::ContainerSample;

type Samples = Arc<BTreeMap<Box<str>, ContainerSample>>;
/// A label: its name, and its value as the format has it.
type Label<'a> = (&'static str, Cow<'a, str>);
/// A counter of bytes: its name, what it is, and how much of a sample it is.
type Total = (&'static str, &'static str, fn(&ContainerSample) -> u64);
/// One series of one container.
type Of<T> = fn(&Container, Option<&ContainerSample>) -> Option<T>;

/// No labels, for no exemplar.
const NONE: Option<&prometheus_client::metrics::exemplar::Exemplar<[(&str, &str); 0], f64>> = None;

/// What is known at one moment.
#[derive(Debug)]
pub(super) struct Reading {
    /// Of nodes and containers.
    pub(super) nodes: Vec<Arc<NodeView>>,
    /// What containers use, by node and id.
    pub(super) samples: BTreeMap<Box<str>, Samples>,
}

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if self.nodes.is_empty() {
            return Ok(());
        }
        self.of_nodes(&mut encoder)?;
        self.of_containers(&mut encoder)?;
        self.of_use(&mut encoder)
    }
}

impl Reading {
    fn of_nodes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut up = gauge(encoder, "fleet_node_up", "Whether the node is connected", None)?;
        for node in &self.nodes {
            set(&mut up, &labels(node), &i64::from(node.is_connected))?;
        }
        let mut up = gauge(
            encoder,
            "fleet_engine_up",
            "Whether the node's engine answers",
            None,
        )?;
        for node in &self.nodes {
            let is_up = node.is_connected && node.engine.as_ref().is_some_and(|engine| engine.is_reachable);
            set(&mut up, &labels(node), &i64::from(is_up))?;
        }
        let help = "Containers by their state, as it was known last";
        let mut containers = gauge(encoder, "fleet_containers", help, None)?;
        for node in &self.nodes {
            let mut states: BTreeMap<&str, i64> = BTreeMap::new();
            for container in &node.containers {
                let count = states.entry(&container.state).or_default();
                *count = count.saturating_add(1);
            }
            for (state, count) in states {
                let [id, name] = labels(node);
                set(&mut containers, &[id, name, ("state", escaped(state))], &count)?;
            }
        }
        Ok(())
    }

    fn of_containers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whether the container runs, as it was known last";
        self.gauges(encoder, ("fleet_container_up", help, None), |container, _| {
            Some(i64::from(container.is_running()))
        })?;
        let help = "What the container's last run ended with";
        self.gauges(
            encoder,
            ("fleet_container_exit_code", help, None),
            |container, _| {
                let has_ended = container.finished_at_nano.is_some() || container.exit_code != 0;
                has_ended.then_some(container.exit_code)
            },
        )?;
        let help = "When the container was started last, since 1970";
        let started = ("fleet_container_started", help, Some(Unit::Seconds));
        self.gauges(encoder, started, |container, _| {
            container.started_at_nano.map(seconds)
        })?;
        let help = "How often the engine restarted the container";
        self.counters(
            encoder,
            ("fleet_container_restarts", help, None),
            |container, _| Some(f64::from(container.restart_count)),
        )
    }

    fn of_use(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let cpu = ("fleet_container_cpu", "Processor time used", Some(Unit::Seconds));
        self.counters(encoder, cpu, |_, sample| {
            sample.map(|sample| seconds(clamped(sample.cpu_nanoseconds_total)))
        })?;
        let memory = ("fleet_container_memory", "Memory in use", Some(Unit::Bytes));
        self.gauges(encoder, memory, |_, sample| {
            sample.map(|sample| clamped(sample.memory_bytes))
        })?;
        let help = "Memory that the container may use";
        let limit = ("fleet_container_memory_limit", help, Some(Unit::Bytes));
        self.gauges(encoder, limit, |_, sample| {
            sample
                .filter(|sample| sample.memory_limit_bytes > 0)
                .map(|sample| clamped(sample.memory_limit_bytes))
        })?;
        let pids = ("fleet_container_processes", "Processes and threads", None);
        self.gauges(encoder, pids, |_, sample| {
            sample.map(|sample| clamped(sample.pids))
        })?;
        let totals: [Total; 4] = [
            (
                "fleet_container_network_received",
                "Received by networks",
                |sample| sample.network_received_bytes,
            ),
            ("fleet_container_network_sent", "Sent by networks", |sample| {
                sample.network_sent_bytes
            }),
            ("fleet_container_block_read", "Read from disks", |sample| {
                sample.block_read_bytes
            }),
            ("fleet_container_block_written", "Written to disks", |sample| {
                sample.block_written_bytes
            }),
        ];
        for (name, help, total) in totals {
            let mut counter =
                encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
            self.each(|labels, _, sample| match sample {
                Some(sample) => counter
                    .encode_family(&labels)?
                    .encode_counter(&total(sample), NONE),
                None => Ok(()),
            })?;
        }
        Ok(())
    }

    fn gauges<T: EncodeGaugeValue>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help, unit): (&str, &str, Option<Unit>),
        value: Of<T>,
    ) -> fmt::Result {
        let mut gauge = gauge(encoder, name, help, unit.as_ref())?;
        self.each(|labels, container, sample| match value(container, sample) {
            Some(value) => set(&mut gauge, &labels, &value),
            None => Ok(()),
        })
    }

    fn counters(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help, unit): (&str, &str, Option<Unit>),
        value: Of<f64>,
    ) -> fmt::Result {
        let mut counter = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        self.each(|labels, container, sample| match value(container, sample) {
            Some(value) => counter.encode_family(&labels)?.encode_counter(&value, NONE),
            None => Ok(()),
        })
    }

    /// Calls for each container, with its labels and its sample.
    fn each(
        &self,
        mut call: impl FnMut([Label<'_>; 3], &Container, Option<&ContainerSample>) -> fmt::Result,
    ) -> fmt::Result {
        for node in &self.nodes {
            let samples = self.samples.get(&*node.node_id);
            for container in &node.containers {
                let labels = [
                    ("node", escaped(&node.node_id)),
                    ("container", escaped(&container.id)),
                    ("name", escaped(container.name())),
                ];
                let sample = samples.and_then(|samples| samples.get(&container.id));
                call(labels, container, sample)?;
            }
        }
        Ok(())
    }
}

fn labels(node: &NodeView) -> [Label<'_>; 2] {
    [
        ("node", escaped(&node.node_id)),
        ("node_name", escaped(&node.name)),
    ]
}

/// A label's value as the format has it. The encoder writes it as it is, and a node could make up series by a name.
fn escaped(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '"', '\n']) {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        Cow::Owned(value)
    } else {
        Cow::Borrowed(value)
    }
}

fn gauge<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
    unit: Option<&'a Unit>,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, unit, MetricType::Gauge)
}

fn set<const N: usize>(
    gauge: &mut MetricEncoder<'_>,
    labels: &[Label<'_>; N],
    value: &impl EncodeGaugeValue,
) -> fmt::Result {
    gauge.encode_family(labels)?.encode_gauge(value)
}

fn clamped(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Whole milliseconds are what such a number can hold.
fn seconds(nanoseconds: i64) -> f64 {
    let milliseconds = nanoseconds.div_euclid(1_000_000);
    jiff::SignedDuration::from_millis(milliseconds).as_secs_f64()
}
