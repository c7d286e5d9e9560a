//! Where nodes dial in, and where users reach their containers.
//!
//! `door` lets nodes in, [`tunnels`] are the streams of bytes to them, [`store`] is what a disk keeps, [`state`] what
//! is known of nodes and containers, [`api`] what users see of all that, [`ports`] what they dial as an engine, and
//! [`metrics`] what Prometheus sees.

pub mod api;
mod door;
pub mod metrics;
mod orders;
pub mod ports;
mod run;
mod self_hosted;
mod settings;
pub mod state;
pub mod store;
pub mod tunnels;

use std::fmt;
use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::limits::BLOCKING_THREADS;
use crate::stop;
use run::Coordinator;

pub use settings::{Access, Arguments, KeyOrder, Order, Place, PortOrder, SelfHosted, Settings};

pub use tunnels::{Line, Lines, Route, Routing, TunnelError, TunnelStream};

/// Why it could not start, go on, or do what it was asked for.
#[derive(Debug)]
pub enum CoordinatorError {
    /// What was asked for makes no sense, or cannot be.
    Settings(String),
    /// The system refuses something.
    System(io::Error),
}

impl fmt::Display for CoordinatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(text) => f.write_str(text),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CoordinatorError {}

/// Does what was asked for: is a coordinator until asked to end, or has one that runs do something.
///
/// # Errors
/// What kept it from that.
pub fn run(arguments: &Arguments) -> Result<(), CoordinatorError> {
    if let Some(order) = &arguments.order {
        let runtime = Builder::new_current_thread().enable_all().build();
        return runtime
            .map_err(CoordinatorError::System)?
            .block_on(orders::run(order));
    }
    runtime()?.block_on(async {
        let coordinator = Coordinator::open(&arguments.settings).await?;
        let nodes = coordinator.nodes_address().map_err(CoordinatorError::System)?;
        let users = coordinator.users_address().map_err(CoordinatorError::System)?;
        tracing::info!(%nodes, %users, "listening");
        coordinator.serve(stop::asked()).await
    })
}

/// Is a coordinator and a node until asked to end.
///
/// # Errors
/// What kept it from starting.
pub fn run_self_hosted(arguments: &SelfHosted) -> Result<(), CoordinatorError> {
    runtime()?.block_on(self_hosted::run(arguments, stop::asked()))
}

/// As many threads as there are processors, and at least two: what one node floods must not hold up others.
fn runtime() -> Result<Runtime, CoordinatorError> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    Builder::new_multi_thread()
        .worker_threads(processors.max(2))
        // Those that read what is kept: each has memory of its own.
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(CoordinatorError::System)
}
