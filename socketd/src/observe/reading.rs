//! What is found out when somebody asks, beside what is counted all the time.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use wire::info::JournalInfo;
use wire::{Status, Time};

use super::process::Process;
use crate::docker::status::state_word;
use crate::link::Calls;

/// What a bridge that answered said.
#[derive(Debug, Default)]
pub struct Bridge {
    /// From the question to the answer.
    pub round_trip: Duration,
    /// What its journal holds.
    pub journal: JournalInfo,
    /// What is held of it; none where it did not say in time.
    pub holdings: Option<Holdings>,
}

/// How much there is.
#[derive(Debug, Default)]
pub struct Holdings {
    /// Containers, by their state.
    pub containers: Vec<(Status, u64)>,
    /// Images.
    pub images: u64,
}

/// Streams that are open.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// Attachments and further processes.
    pub attached: u64,
    /// Readers of events.
    pub events: u64,
    /// Readers of statistics.
    pub stats: u64,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Reading {
    /// The bridge; none where it did not answer.
    pub bridge: Option<Bridge>,
    /// What it was asked.
    pub calls: Calls,
    /// Streams that are open.
    pub streams: Streams,
    /// Events handed to readers of events by their one subscription.
    pub events_fed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Reading {
    /// As something that can be written. What is not known is left out: a zero would be a lie.
    pub(super) fn registry(self, process: &Process, since: Time) -> Registry {
        let mut registry = Registry::default();
        let up = ConstGauge::new(i64::from(self.bridge.is_some()));
        registry.register("socketd_bridge_up", "Whether the bridge answers", up);
        self.register_counts(&mut registry);
        if let Some(bridge) = self.bridge {
            bridge.register(&mut registry);
        }
        register_process(&mut registry, process, since);
        registry
    }

    fn register_counts(&self, registry: &mut Registry) {
        let calls = Family::<Outcome, prometheus_client::metrics::counter::Counter>::default();
        for (outcome, count) in [
            ("answered", self.calls.answered),
            ("refused", self.calls.refused),
            ("failed", self.calls.failed),
        ] {
            calls.get_or_create(&Outcome { outcome }).inc_by(count);
        }
        registry.register("socketd_bridge_calls", "What the bridge was asked", calls);
        let streams = Family::<Kind, Gauge>::default();
        for (kind, count) in [
            ("attached", self.streams.attached),
            ("events", self.streams.events),
            ("stats", self.streams.stats),
        ] {
            streams.get_or_create(&Kind { kind }).set(signed(count));
        }
        registry.register("socketd_streams", "Open streams", streams);
        registry.register(
            "socketd_events_fed",
            "Events that the one subscription handed to its readers",
            ConstCounter::new(self.events_fed),
        );
    }
}

impl Bridge {
    fn register(self, registry: &mut Registry) {
        registry.register_with_unit(
            "socketd_bridge_round_trip",
            "From a question to the bridge's answer, just now",
            Unit::Seconds,
            ConstGauge::new(self.round_trip.as_secs_f64()),
        );
        for (name, help, value) in [
            (
                "socketd_journal_first_sequence",
                "The oldest event that is kept",
                self.journal.first_sequence,
            ),
            (
                "socketd_journal_last_sequence",
                "The newest event",
                self.journal.last_sequence,
            ),
            (
                "socketd_journal_failed",
                "Whether events cannot be written down",
                u64::from(!self.journal.failure.is_empty()),
            ),
        ] {
            registry.register(name, help, ConstGauge::new(value));
        }
        if let Some(holdings) = self.holdings {
            let containers = Family::<State, Gauge>::default();
            for (status, count) in holdings.containers {
                let state = state_word(status);
                containers.get_or_create(&State { state }).inc_by(signed(count));
            }
            registry.register("socketd_containers", "Containers", containers);
            registry.register("socketd_images", "Images", ConstGauge::new(holdings.images));
        }
    }
}

/// The names that every Prometheus client gives these.
fn register_process(registry: &mut Registry, process: &Process, since: Time) {
    let usage = process.usage();
    registry.register_with_unit(
        "process_start_time",
        "Start, since the epoch",
        Unit::Seconds,
        ConstGauge::new(Duration::from_nanos(since.0).as_secs_f64()),
    );
    if let Some(seconds) = usage.cpu_seconds {
        registry.register_with_unit(
            "process_cpu",
            "Processor time used",
            Unit::Seconds,
            ConstCounter::new(seconds),
        );
    }
    for (name, help, value) in [
        (
            "process_resident_memory_bytes",
            "Memory in use",
            usage.resident_bytes,
        ),
        ("process_open_fds", "Open descriptors", usage.open_fds),
        ("process_max_fds", "Descriptors allowed", usage.max_fds),
    ] {
        if let Some(value) = value {
            registry.register(name, help, ConstGauge::new(value));
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
