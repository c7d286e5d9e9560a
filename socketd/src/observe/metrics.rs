//! What is counted while it happens, in families whose labels come from tables.

use std::fmt;
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use wire::Time;

use super::process::Process;
use super::reading::Reading;
use crate::docker::endpoints::Endpoint;

/// What stands where a request means nothing that is known.
const OTHER: &str = "other";

/// Upper bounds, in seconds, of what a request may take until its answer begins: a list from memory is in
/// the first, a stop that waits for its process in the last.
const SECONDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

/// What was asked, by the tables of endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Asked {
    method: &'static str,
    endpoint: &'static str,
}

impl From<&Endpoint> for Asked {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            method: endpoint.method,
            endpoint: endpoint.path,
        }
    }
}

impl Asked {
    /// What no table knows.
    pub const UNKNOWN: Self = Self {
        method: OTHER,
        endpoint: OTHER,
    };
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    endpoint: &'static str,
    status: &'static str,
}

/// Connections are told apart by their listener, of which there are as many as the operator named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Door {
    listener: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    api_version: &'static str,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Asked, Histogram, fn() -> Histogram>,
    connections: Family<Door, Gauge>,
    turned_away: Family<Door, Counter>,
    process: Process,
    since: Time,
}

/// The connections of one listener.
#[derive(Debug, Clone)]
pub struct DoorMetrics {
    open: Gauge,
    turned_away: Counter,
}

/// One open connection; no longer open when dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing has happened yet. Made while files can still be opened.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let seconds: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        let connections = Family::default();
        let turned_away = Family::default();
        let build = Family::<Build, Gauge>::default();
        build
            .get_or_create(&Build {
                version: env!("CARGO_PKG_VERSION"),
                api_version: crate::docker::system::API_VERSION,
            })
            .set(1);
        registry.register("socketd_build_info", "What runs", build);
        registry.register("socketd_requests", "Requests answered", requests.clone());
        registry.register_with_unit(
            "socketd_request",
            "From a request's head to the head of its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register(
            "socketd_connections",
            "Open connections that speak HTTP",
            connections.clone(),
        );
        registry.register(
            "socketd_connections_turned_away",
            "Connections beyond what one address may have",
            turned_away.clone(),
        );
        Self {
            registry,
            requests,
            seconds,
            connections,
            turned_away,
            process: Process::open(),
            since: Time::since_epoch(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()),
        }
    }

    /// Since when there is this process, by the wall clock of then.
    #[must_use]
    pub fn since(&self) -> Time {
        self.since
    }

    /// A request was answered, or its answer has begun.
    pub fn answered(&self, asked: Asked, status: StatusCode, time: Duration) {
        let answered = Answered {
            method: asked.method,
            endpoint: asked.endpoint,
            status: class(status),
        };
        self.requests.get_or_create(&answered).inc();
        self.seconds.get_or_create(&asked).observe(time.as_secs_f64());
    }

    /// Where the connections of a listener are counted.
    #[must_use]
    pub fn door(&self, listener: &impl fmt::Display) -> DoorMetrics {
        let door = Door {
            listener: listener.to_string(),
        };
        DoorMetrics {
            open: self.connections.get_or_create_owned(&door),
            turned_away: self.turned_away.get_or_create_owned(&door),
        }
    }

    /// All of it as text, with what was found out for the purpose.
    ///
    /// # Errors
    /// None that the formatting of memory has.
    pub fn render(&self, reading: Reading) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &reading.registry(&self.process, self.since))?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

impl DoorMetrics {
    /// Counts a connection for as long as what is returned lives.
    #[must_use]
    pub fn open(&self) -> OpenConnection {
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// Counts one that was not let in.
    pub fn turn_away(&self) {
        self.turned_away.inc();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}
