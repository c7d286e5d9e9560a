//! What is served: one file a resource, each handler parses, asks the bridge, renders.
//!
//! `ls` of this folder is the list of what we serve. Docker's shapes and sentences come from
//! [`docker`](crate::docker); no handler writes JSON of its own.

mod answer;
mod audit;
mod body;
mod containers;
mod events;
mod exec;
mod held;
mod hijack;
mod images;
mod networks;
mod observe;
mod plugins;
mod system;
mod upload;
mod view;
mod volumes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::config::Limits;
use crate::docker::endpoints::{self, Endpoint};
use crate::docker::error::ApiError;
use crate::docker::system::{API_VERSION, server_header};
use crate::ending::Ending;
use crate::feed::Feed;
use crate::feed::stats::Gauges;
use crate::link::{Held, Link};
use crate::observe::metrics::{Asked, Metrics};
use crate::policy::caller::Caller;
use crate::policy::crowd::Crowd;
use crate::streams::Execs;
use audit::Audit;
use held::{ContainerList, ImageList};

const API_VERSION_HEADER: HeaderName = HeaderName::from_static("api-version");
const EXPERIMENTAL_HEADER: HeaderName = HeaderName::from_static("docker-experimental");
const OSTYPE_HEADER: HeaderName = HeaderName::from_static("ostype");

/// What every handler can reach.
#[derive(Debug)]
struct Desk {
    link: Arc<Link>,
    feed: Arc<Feed>,
    gauges: Arc<Gauges>,
    containers: Arc<Held<ContainerList>>,
    images: Arc<Held<ImageList>>,
    execs: Arc<Execs>,
    /// One permit a stream that took its connection over.
    streams: Arc<Semaphore>,
    /// Whose they are.
    streamers: Arc<Crowd>,
    limits: Limits,
    metrics: Arc<Metrics>,
    /// Endless answers end when this is told.
    ending: Ending,
}

impl Desk {
    /// Streams that took their connections over, at this moment.
    fn attached_count(&self) -> usize {
        self.limits
            .streams()
            .saturating_sub(self.streams.available_permits())
    }
}

/// Where every request enters, whichever listener it came through.
#[derive(Debug)]
pub struct Entry {
    router: Router,
    desk: Arc<Desk>,
    server: HeaderValue,
}

impl Entry {
    /// An entry that asks the bridge behind `link`. Endless answers end when `ending` is told.
    #[must_use]
    pub fn new(link: Arc<Link>, ending: Ending) -> Self {
        Self::measured(link, ending, Limits::default(), Metrics::new())
    }

    /// As above, with other limits than by default, and what counts what enters.
    #[must_use]
    pub fn measured(link: Arc<Link>, ending: Ending, limits: Limits, metrics: Metrics) -> Self {
        let images = Arc::new(Held::new(Arc::clone(&link), ()));
        let desk = Arc::new(Desk {
            feed: Arc::new(Feed::new(Arc::clone(&link))),
            gauges: Arc::new(Gauges::new(Arc::clone(&link))),
            containers: Arc::new(Held::new(
                Arc::clone(&link),
                held::Around {
                    link: Arc::clone(&link),
                    images: Arc::clone(&images),
                },
            )),
            images,
            link,
            execs: Arc::new(Execs::default()),
            streams: Arc::new(Semaphore::new(limits.streams())),
            streamers: Arc::default(),
            limits,
            metrics: Arc::new(metrics),
            ending,
        });
        Self::over(router(Arc::clone(&desk)), desk)
    }

    /// An entry beside this one, for those who may look how it fares and do nothing else.
    #[must_use]
    pub fn for_observers(&self) -> Self {
        let routes = observe::routes().fallback(async || page_not_found());
        let router = routes.with_state(Arc::clone(&self.desk));
        Self::over(router, Arc::clone(&self.desk))
    }

    fn over(router: Router, desk: Arc<Desk>) -> Self {
        Self {
            router,
            desk,
            server: HeaderValue::from_str(&server_header()).unwrap_or(HeaderValue::from_static("socketd")),
        }
    }

    /// What may enter here.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.desk.limits
    }

    /// Returns once no stream holds a connection that it took over.
    pub async fn streams_ended(&self) {
        let all = u32::try_from(self.desk.limits.streams()).unwrap_or(u32::MAX);
        let _ = self.desk.streams.acquire_many(all).await;
    }

    /// What is counted of the requests that enter here.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.desk.metrics
    }

    /// Answers one request of this caller.
    pub async fn answer(&self, caller: &Arc<Caller>, request: Request<Body>) -> Response {
        let begun = Instant::now();
        let mut asked = Asked::UNKNOWN;
        let response = match self.admit(caller, request, &mut asked).await {
            Ok(response) => response,
            Err(error) => error.into_response(),
        };
        self.metrics().answered(asked, response.status(), begun.elapsed());
        self.signed(response)
    }

    /// Finds out what is asked, and hands it on where this caller may ask it. What changes something is told to
    /// the audit log, with how it went.
    async fn admit(
        &self,
        caller: &Arc<Caller>,
        request: Request<Body>,
        asked: &mut Asked,
    ) -> Result<Response, ApiError> {
        let request = without_version(request)?;
        let found = endpoints::find(request.method().as_str(), request.uri().path());
        let Some((number, endpoint)) = found else {
            return Err(page_not_found());
        };
        *asked = Asked::from(endpoint);
        let audit = Audit::begin(caller, endpoint, &request);
        let outcome = if caller.access.rights.permit(number) {
            self.hand_on(caller, endpoint, request).await
        } else {
            body::let_arrive(request.into_body()).await;
            Err(denied(endpoint))
        };
        audit.end(&outcome);
        outcome
    }

    async fn hand_on(
        &self,
        caller: &Arc<Caller>,
        endpoint: &'static Endpoint,
        mut request: Request<Body>,
    ) -> Result<Response, ApiError> {
        if let Some(scope) = caller.scope() {
            request = view::narrow(&self.desk, scope, endpoint, request).await?;
        }
        request.extensions_mut().insert(Arc::clone(caller));
        match self.router.clone().oneshot(request).await {
            Ok(response) => answer::shaped(response).await,
            Err(never) => match never {},
        }
    }

    /// Refuses one that no route may see.
    #[must_use]
    pub fn refuse(&self, error: ApiError) -> Response {
        let response = error.into_response();
        self.metrics()
            .answered(Asked::UNKNOWN, response.status(), Duration::ZERO);
        self.signed(response)
    }

    /// With the headers that every answer has.
    fn signed(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(API_VERSION_HEADER, HeaderValue::from_static(API_VERSION));
        headers.insert(EXPERIMENTAL_HEADER, HeaderValue::from_static("false"));
        headers.insert(OSTYPE_HEADER, HeaderValue::from_static("linux"));
        headers.insert(axum::http::header::SERVER, self.server.clone());
        response
    }
}

fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .merge(system::routes())
        .merge(containers::routes())
        .merge(exec::routes())
        .merge(images::routes())
        .merge(networks::routes())
        .merge(volumes::routes())
        .merge(events::routes())
        .merge(plugins::routes())
        .merge(observe::routes())
        .fallback(not_served)
        .method_not_allowed_fallback(not_served)
        .with_state(desk)
}

/// Takes the version prefix from the request's path, and keeps it beside.
fn without_version(mut request: Request<Body>) -> Result<Request<Body>, ApiError> {
    let path = request.uri().path();
    let rest = endpoints::strip_version(path)?;
    let version = endpoints::version(path);
    if rest.len() == path.len() {
        request.extensions_mut().insert(version);
        return Ok(request);
    }
    let rest = match request.uri().query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let rest = PathAndQuery::from_maybe_shared(bytes::Bytes::from(rest)).map_err(|_| page_not_found())?;
    *request.uri_mut() = Uri::from(rest);
    request.extensions_mut().insert(version);
    Ok(request)
}

/// What is answered where no handler is: Docker's refusal for what Docker has, 404 for the rest.
async fn not_served(request: Request<Body>) -> ApiError {
    endpoints::lookup(request.method().as_str(), request.uri().path())
        .as_ref()
        .and_then(Endpoint::refusal)
        .unwrap_or_else(page_not_found)
}

/// What a caller is told who may not ask this.
fn denied(endpoint: &Endpoint) -> ApiError {
    ApiError::forbidden(format!(
        "authorization denied: permission denied for {} {}",
        endpoint.method, endpoint.path
    ))
}

fn page_not_found() -> ApiError {
    ApiError::not_found("page not found")
}
