//! A server that does to agents what Dockhand does: the same outcomes of a hello, the same pings, patience and
//! limits, the same mistakes.
//!
//! It is made after what was seen of the real one, and its WebSocket is not the agent's. [`Dockhand`] is one server,
//! [`Environment`] one of its environments as pages use it, [`Seen`] what it has seen. [`Cut`] breaks a connection at
//! a chosen message, [`Line`] at a chosen byte.

mod admission;
mod calls;
mod certificates;
mod cut;
mod door;
mod heard;
mod hub;
mod line;
mod link;
mod options;
mod seen;
mod shell;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;

pub use calls::{Body, Call, Environment, Piece, Reply, Said, Stream};
pub use certificates::{CertificateFiles, Certificates};
pub use cut::Cut;
pub use door::PATH;
pub use line::Line;
pub use link::Manner;
pub use options::Options;
pub use seen::{Attempt, End, Hello, Seen};
pub use shell::Shell;

use hub::{Hub, LIMIT, LONG_LIMIT};
use link::Order;

/// A server. Its connections end when it is dropped.
#[derive(Debug)]
pub struct Dockhand {
    hub: Arc<Hub>,
    address: SocketAddr,
    // Ends last: what it runs uses the rest.
    runtime: Option<Runtime>,
}

impl Dockhand {
    /// Starts one on a port of its own.
    ///
    /// # Panics
    /// When the system has no port for it.
    pub fn start(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let hub = Arc::new(Hub::new(options));
        runtime.spawn(door::take(Arc::clone(&hub), listener));
        runtime.spawn(ping(Arc::clone(&hub)));
        runtime.spawn(sweep(Arc::clone(&hub)));
        Self {
            hub,
            address,
            runtime: Some(runtime),
        }
    }

    /// What agents dial.
    pub fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// What agents dial where somebody between us passes it on.
    pub fn url_at(&self, address: SocketAddr) -> String {
        let scheme = if self.hub.options.tls.is_some() {
            "wss"
        } else {
            "ws"
        };
        format!("{scheme}://{address}{PATH}")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An environment.
    pub fn environment(&self, id: u64) -> Environment {
        Environment {
            hub: Arc::clone(&self.hub),
            id,
        }
    }

    /// Makes an environment's token. An older one is no longer good, and its agent is told so.
    pub fn make_token(&self, environment: u64) -> String {
        self.hub.with(|state| {
            let token = format!("hawser_{environment}_{:08x}", state.number());
            state.admission.make_token(environment, &token);
            if let Some(link) = state.link_of(environment) {
                state.order(link, Order::Close(1000, "Token regenerated"));
            }
            token
        })
    }

    /// Takes an environment's token back. Its agent stays connected.
    pub fn revoke_token(&self, environment: u64) {
        self.hub.with(|state| state.admission.revoke(environment));
    }

    /// Deletes an environment, and tells its agent.
    pub fn delete_environment(&self, environment: u64) {
        self.hub.with(|state| {
            state.admission.revoke(environment);
            if let Some(link) = state.link_of(environment) {
                state.order(link, Order::Close(1000, "Environment deleted"));
            }
        });
    }

    /// The next look at a token goes wrong.
    pub fn break_next_check(&self) {
        self.hub.with(|state| state.admission.is_broken = true);
    }

    /// From now on, messages go out so.
    pub fn speak(&self, manner: Manner) {
        self.hub.with(|state| state.manner = manner);
    }

    /// Sends a frame as it is to an environment's agent.
    pub fn send_frame(&self, environment: u64, frame: Frame) {
        self.hub.with(|state| {
            if let Some(link) = state.link_of(environment) {
                state.order(link, Order::Frame(frame));
            }
        });
    }

    /// Breaks a connection at the chosen message.
    pub fn cut(&self, cut: Cut) {
        self.hub.with(|state| state.cuts.push(cut));
    }

    /// Breaks an environment's connection now, if there is one.
    pub fn cut_now(&self, environment: u64) {
        self.hub.with(|state| {
            if let Some(link) = state.link_of(environment) {
                state.terminate(link);
            }
        });
    }

    /// Whether it reads what agents say. It goes on saying what it has to say.
    pub fn listen(&self, reads: bool) {
        self.hub.reads.send_replace(reads);
    }

    /// Waits for an environment's agent.
    #[track_caller]
    pub fn connected(&self, environment: u64) -> Environment {
        let what = format!("an agent of environment {environment}");
        self.hub
            .until(&what, LIMIT, |state| state.has(environment).then_some(()));
        self.environment(environment)
    }

    /// Waits until an environment has no agent.
    #[track_caller]
    pub fn disconnected(&self, environment: u64) {
        let what = format!("environment {environment} without an agent");
        self.hub
            .until(&what, LIMIT, |state| (!state.has(environment)).then_some(()));
    }

    /// Everything seen so far.
    pub fn seen(&self) -> Seen {
        self.hub.with(|state| state.seen.clone())
    }

    /// Waits until there is something to see.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut look: impl FnMut(&Seen) -> Option<T>) -> T {
        self.hub.until(what, LIMIT, |state| look(&state.seen))
    }

    /// The same of what agents send twice a minute.
    #[track_caller]
    pub fn until_long<T>(&self, what: &str, mut look: impl FnMut(&Seen) -> Option<T>) -> T {
        self.hub.until(what, LONG_LIMIT, |state| look(&state.seen))
    }
}

impl Drop for Dockhand {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

async fn ping(hub: Arc<Hub>) {
    let mut interval = tokio::time::interval(hub.options.ping);
    interval.tick().await;
    loop {
        interval.tick().await;
        hub.with(hub::State::ping_all);
    }
}

async fn sweep(hub: Arc<Hub>) {
    let mut interval = tokio::time::interval(hub.options.sweep);
    interval.tick().await;
    loop {
        interval.tick().await;
        hub.with(|state| state.sweep(hub.options.silence_max));
    }
}
