//! An agent that speaks Hawser's protocol 1.0, and does in front of any Docker-shaped socket what Hawser does in front
//! of Docker's.
//!
//! `HAWSER.md` has every message and where this differs. [`Settings`] are Hawser's variables and flags of the same
//! names.

mod about;
pub mod compose;
mod edge;
pub mod host;
pub mod identity;
pub mod message;
mod settings;
pub mod standard;

use std::fmt;

use crate::{limits, stop};

#[cfg(fuzzing)]
pub use edge::fuzzing;
pub use settings::{
    LogArguments, Mode, Seconds, SecondsError, Server, ServerError, Settings, Token, TokenError,
};
pub(crate) use settings::{place, truth};

/// Why it could not start, or go on.
#[derive(Debug)]
pub enum HawserError {
    /// What was asked for makes no sense.
    Settings(String),
    /// The system refuses something.
    System(std::io::Error),
}

impl fmt::Display for HawserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(text) => f.write_str(text),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HawserError {}

/// Runs until asked to end.
///
/// # Errors
/// What kept it from starting.
pub fn run(settings: &Settings) -> Result<(), HawserError> {
    // One thread: what passes is bytes, and an idle agent is to be small.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(limits::BLOCKING_THREADS)
        .build()
        .map_err(HawserError::System)?;
    let outcome = runtime.block_on(async {
        let mode = settings.mode()?;
        let listen = settings.listen(&mode);
        match mode {
            Mode::Edge(server, token) => edge::run(settings, listen, (server, token)).await,
            Mode::Standard(token) => standard::run(settings, token, stop::asked()).await,
        }
    });
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    outcome
}
