//! An agent that speaks Hawser's protocol 1.0, and does in front of any Docker-shaped socket what Hawser does in front
//! of Docker's.
//!
//! `HAWSER.md` has every message and where this differs. [`Settings`] are Hawser's variables and flags of the same
//! names.

pub mod access;
pub mod audit;
pub mod host;
pub mod identity;
mod settings;

use std::fmt;

pub use settings::{Mode, Role, Seconds, SecondsError, Server, ServerError, Settings, Token, TokenError};

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
    let _ = settings;
    Ok(())
}
