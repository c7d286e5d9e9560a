//! The command line and the configuration file together: all that `serve` is to do.

use std::fmt;

use super::Serve;
use super::file::{Config, ConfigError, check_listeners};
use super::limits::Limits;
use super::listen::{Listen, Place};
use crate::policy::browser::Allowed;
use crate::policy::caller::{Known, Rules};

/// All that is to be done.
#[derive(Debug)]
pub struct Setup {
    /// Where to listen: the command line's first, then the file's.
    pub listeners: Vec<Listen>,
    /// Where to listen for observers alone.
    pub observers: Vec<Listen>,
    /// What clients may have.
    pub limits: Limits,
    /// Who is known.
    pub callers: Vec<Known>,
    /// What browsers may ask over TCP.
    pub allowed: Allowed,
}

/// Why nothing can be done.
#[derive(Debug)]
pub enum SetupError {
    /// The file.
    File(ConfigError),
    /// Nobody said where to listen.
    NoListener,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NoListener => f.write_str(
                "nobody said where to listen: --listen URL, or [[listener]] in the configuration file",
            ),
        }
    }
}

impl std::error::Error for SetupError {}

impl Setup {
    /// Reads the file, where there is one.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn read(arguments: &Serve) -> Result<Self, SetupError> {
        let config = match &arguments.config {
            None => Config::default(),
            Some(path) => Config::read(path).map_err(|error| of_file(arguments, error))?,
        };
        let mut listeners = arguments.listen.clone();
        listeners.extend(config.listeners);
        if listeners.is_empty() {
            return Err(SetupError::NoListener);
        }
        check_listeners(&config.callers, &listeners).map_err(|error| of_file(arguments, error))?;
        let mut hosts = arguments.host_name.clone();
        hosts.extend(config.hosts);
        let mut origins = arguments.allow_origin.clone();
        origins.extend(config.origins);
        Ok(Self {
            listeners,
            observers: arguments.metrics_listen.clone(),
            limits: config.limits.with(&arguments.limit),
            callers: config.callers,
            allowed: Allowed { hosts, origins },
        })
    }

    /// Where to listen: for clients, then for observers.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.everywhere().map(|listen| &listen.place)
    }

    fn everywhere(&self) -> impl Iterator<Item = &Listen> {
        self.listeners.iter().chain(&self.observers)
    }

    /// Who may do what.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            terms: self.everywhere().map(|listen| listen.terms.clone()).collect(),
            callers: self.callers.clone(),
        }
    }
}

fn of_file(arguments: &Serve, error: super::file::FileError) -> SetupError {
    SetupError::File(ConfigError {
        path: arguments.config.clone().unwrap_or_default(),
        error,
    })
}
