//! `GET /containers/{id}/stats`: a sample a second, or one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::stream;
use wire::{ContainerId, Stats, Status};

use crate::docker::containers::operate::reference;
use crate::docker::containers::stats::{Samples, parse_samples, sample};
use crate::docker::error::{Act, ApiError};
use crate::docker::query::Query;
use crate::ending::Ending;
use crate::feed::stats::Watcher;
use crate::link::LinkError;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed, json, json_body, json_bytes};

pub(super) async fn stats(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let samples = parse_samples(&Query::parse(query.as_deref()));
    let other = |error: LinkError| failed(&error, Act::Other);
    let container = desk.link.inspect(reference(&id)).await.map_err(other)?;
    let (id, name) = (container.id, container.name);
    let runs = matches!(container.state.status, Status::Running | Status::Paused);
    if samples != Samples::Stream && !runs {
        return json(StatusCode::OK, &sample(id, &name, None, None));
    }
    if samples == Samples::One {
        let stats = desk.link.stats(&id.to_string()).await.map_err(other)?;
        return json(StatusCode::OK, &sample(id, &name, Some(&stats), None));
    }
    let watcher = desk.gauges.watch(id).map_err(other)?;
    let mut stream = Stream {
        id,
        name,
        watcher,
        before: None,
        ending: desk.ending.clone(),
    };
    if samples == Samples::Stream {
        let lines = stream::unfold(stream, |mut stream| async move {
            stream.line().await.map(|line| (line, stream))
        });
        return Ok(json_body(StatusCode::OK, Body::from_stream(lines)));
    }
    let gone = || ApiError::not_found(format!("No such container: {id}"));
    stream.before = stream.watcher.next().await.map_err(other)?;
    let stats = stream.watcher.next().await.map_err(other)?.ok_or_else(gone)?;
    json(
        StatusCode::OK,
        &sample(id, &stream.name, Some(&stats), stream.before.as_deref()),
    )
}

/// One client's stream of samples.
struct Stream {
    id: ContainerId,
    name: String,
    watcher: Watcher,
    before: Option<Arc<Stats>>,
    ending: Ending,
}

impl Stream {
    /// The next line; none once the container is gone.
    async fn line(&mut self) -> Option<Result<Bytes, LinkError>> {
        let stats = tokio::select! {
            stats = self.watcher.next() => stats,
            () = self.ending.told() => return None,
        };
        match stats {
            Ok(None) => None,
            Ok(Some(stats)) => {
                let line = json_bytes(&sample(self.id, &self.name, Some(&stats), self.before.as_deref()));
                self.before = Some(stats);
                Some(line.map_err(|_| LinkError::Lost))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
