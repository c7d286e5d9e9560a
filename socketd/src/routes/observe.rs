//! `/metrics` and `/_socketd/health`: not Docker's, for those who look after this process.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::{Instant, timeout};
use wire::{Info, Status};

use super::Desk;
use super::answer::{Answer, json};
use crate::docker::error::ApiError;
use crate::limits::HEALTH_TIME_MAX;
use crate::link::LinkError;
use crate::observe::health::Health;
use crate::observe::reading::{Bridge, Holdings, Reading, Streams};

/// The text format that Prometheus made and others read.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/_socketd/health", get(health))
}

async fn health(State(desk): State<Arc<Desk>>) -> Answer {
    let health = Health::new(info(&desk).await, desk.metrics.since());
    let status = if health.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, &health)
}

/// Answered whatever the bridge does: that it does not answer is one of the numbers.
async fn metrics(State(desk): State<Arc<Desk>>) -> Result<Response, ApiError> {
    let reading = Reading {
        bridge: bridge(&desk).await,
        calls: desk.link.calls(),
        streams: Streams {
            attached: count(desk.attached_count()),
            events: count(desk.feed.reader_count()),
            stats: count(desk.gauges.watcher_count()),
        },
        events_fed: desk.feed.fed_count(),
    };
    let text = desk.metrics.render(reading).map_err(|error| {
        tracing::error!(%error, "metrics cannot be written");
        ApiError::internal("the metrics cannot be written")
    })?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

async fn bridge(desk: &Desk) -> Option<Bridge> {
    let begun = Instant::now();
    let journal = info(desk).await.ok()?.journal;
    let round_trip = begun.elapsed();
    let holdings = timeout(HEALTH_TIME_MAX, desk.containers.current()).await;
    let holdings = holdings.ok().and_then(Result::ok).map(|list| {
        let containers = Status::ALL.iter().map(|status| {
            let of_it = list.summaries().filter(|summary| summary.state.status == *status);
            (*status, count(of_it.count()))
        });
        Holdings {
            containers: containers.collect(),
            images: count(list.images.index.images().len()),
        }
    });
    Some(Bridge {
        round_trip,
        journal,
        holdings,
    })
}

async fn info(desk: &Desk) -> Result<Info, LinkError> {
    let asked = timeout(HEALTH_TIME_MAX, desk.link.info()).await;
    asked.unwrap_or(Err(LinkError::Late)).map(|info| *info)
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
