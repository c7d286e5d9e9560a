//! `/_ping`, `/version`, `/info`, `/system/df`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use wire::Summary;

use super::Desk;
use super::answer::{Answer, failed, json, now, present};
use crate::docker::error::Act;
use crate::docker::query::Query;
use crate::docker::system::{self, Holdings};
use crate::policy::caller::Caller;

const BUILDER_VERSION: HeaderName = HeaderName::from_static("builder-version");
const SWARM: HeaderName = HeaderName::from_static("swarm");

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/_ping", get(ping))
        .route("/version", get(version))
        .route("/info", get(info))
        .route("/system/df", get(disk_usage))
}

/// Says that this process answers, as Docker's ping does; what the bridge does, `/info` shows.
async fn ping() -> Response {
    let headers = HeaderMap::from_iter([
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-store, must-revalidate"),
        ),
        (PRAGMA, HeaderValue::from_static("no-cache")),
        (BUILDER_VERSION, HeaderValue::from_static("1")),
        (SWARM, HeaderValue::from_static("inactive")),
    ]);
    (headers, "OK").into_response()
}

async fn version(State(desk): State<Arc<Desk>>) -> Answer {
    let info = desk
        .link
        .info()
        .await
        .map_err(|error| failed(&error, Act::Other))?;
    json(StatusCode::OK, &system::version(&info))
}

async fn info(State(desk): State<Arc<Desk>>, Extension(caller): Extension<Arc<Caller>>) -> Answer {
    let asked = tokio::try_join!(desk.link.info(), desk.containers_for(&caller));
    let (info, containers) = asked.map_err(|error| failed(&error, Act::Other))?;
    let answer = system::info(
        &info,
        containers.summaries(),
        &containers.images.index,
        desk.feed.reader_count(),
        now(),
    );
    json(StatusCode::OK, &answer)
}

async fn disk_usage(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let asked = tokio::try_join!(desk.link.disk_usage(), desk.containers_for(&caller));
    let (usage, containers) = asked.map_err(|error| failed(&error, Act::Other))?;
    let summaries: Vec<Summary> = containers.summaries().cloned().collect();
    let holdings = Holdings {
        containers: &summaries,
        usage: &usage.containers,
        images: &containers.images.index,
        networks: &containers.networks,
    };
    let answer = system::disk_usage(&query, holdings, present())?;
    json(StatusCode::OK, &answer)
}
