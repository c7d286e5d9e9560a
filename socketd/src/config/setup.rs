//! The command line and the configuration file together: all that `serve` is to do.

use std::fmt;
use std::path::PathBuf;

use super::Serve;
use super::asked::{Inherited, InheritedError, Listen, allot};
use super::file::{Config, ConfigError, check_listeners};
use super::limits::Limits;
use super::listen::{Allotted, Place};
use crate::policy::browser::Allowed;
use crate::policy::caller::{Known, Rules};

/// All that is to be done.
#[derive(Debug)]
pub struct Setup {
    /// Where to listen: the command line's first, then the file's.
    pub listeners: Vec<Allotted>,
    /// Where to listen for observers alone.
    pub observers: Vec<Allotted>,
    /// The sockets that this process was started with; each is one listener's.
    pub inherited: Vec<Inherited>,
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
    /// The sockets that this process was started with.
    Inherited(InheritedError),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Inherited(error) => error.fmt(f),
            Self::NoListener => f.write_str(
                "nobody said where to listen: --listen URL, or [[listener]] in the configuration file",
            ),
        }
    }
}

impl std::error::Error for SetupError {}

impl Setup {
    /// Reads the file, where there is one, as somebody does who is not to serve: listeners on sockets that only whoever
    /// serves is started with are left out.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn read(arguments: &Serve) -> Result<Self, SetupError> {
        Self::make(arguments, None)
    }

    /// Reads the file, where there is one, and allots the sockets that this process was started with.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn read_with(arguments: &Serve, sockets: &[Inherited]) -> Result<Self, SetupError> {
        Self::make(arguments, Some(sockets))
    }

    fn make(arguments: &Serve, sockets: Option<&[Inherited]>) -> Result<Self, SetupError> {
        let config = match &arguments.config {
            None => Config::default(),
            Some(path) => Config::read(path).map_err(|error| of_file(arguments, error))?,
        };
        let mut asked = arguments.listen.clone();
        asked.extend(config.listeners);
        if asked.is_empty() {
            return Err(SetupError::NoListener);
        }
        check_listeners(&config.callers, &asked).map_err(|error| of_file(arguments, error))?;
        let mut observers = arguments.metrics_listen.clone();
        if sockets.is_none() {
            asked.retain(|listen| matches!(listen, Listen::Place(_)));
            observers.retain(|listen| matches!(listen, Listen::Place(_)));
        }
        let sockets = sockets.unwrap_or_default();
        let for_clients = asked.len();
        asked.extend(observers);
        let mut allotted = allot(asked, sockets).map_err(SetupError::Inherited)?;
        let observers = allotted.split_off(for_clients).into_iter().flatten().collect();
        let listeners: Vec<Allotted> = allotted.into_iter().flatten().collect();
        let mut hosts = arguments.host_name.clone();
        hosts.extend(config.hosts);
        let mut origins = arguments.allow_origin.clone();
        origins.extend(config.origins);
        Ok(Self {
            listeners,
            observers,
            inherited: sockets.to_vec(),
            limits: config.limits.with(&arguments.limit),
            callers: config.callers,
            allowed: Allowed { hosts, origins },
        })
    }

    /// Where to listen: for clients, then for observers.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.everywhere().map(|listen| &listen.place)
    }

    /// The listeners: for clients, then for observers.
    pub fn everywhere(&self) -> impl Iterator<Item = &Allotted> {
        self.listeners.iter().chain(&self.observers)
    }

    /// Unix sockets that this process makes itself, and takes away at its end.
    pub fn own_files(&self) -> impl Iterator<Item = &PathBuf> {
        let own = self.everywhere().filter(|listen| listen.inherited.is_none());
        own.filter_map(|listen| match &listen.place {
            Place::Unix(path) => Some(path),
            Place::Tcp(_) | Place::Tls(..) => None,
        })
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Cli, Command};

    #[track_caller]
    fn check(listen: &[&str], from_outside: usize, with_no_sockets: Option<usize>) {
        let urls = listen.iter().flat_map(|url| ["--listen", url]);
        let all = ["socketd", "serve", "--bridge-dir", "/b"].into_iter().chain(urls);
        let serve = match Cli::try_parse_from(all).unwrap().command {
            Command::Serve(serve) => Some(serve),
            _ => None,
        };
        let serve = serve.unwrap();
        assert_eq!(Setup::read(&serve).unwrap().listeners.len(), from_outside);
        let read = Setup::read_with(&serve, &[]);
        assert_eq!(read.ok().map(|setup| setup.listeners.len()), with_no_sockets);
    }

    #[test]
    fn who_does_not_serve_knows_no_inherited_sockets() {
        check(&["tcp://127.0.0.1:0", "unix:///a"], 2, Some(2));
        check(&["tcp://127.0.0.1:0", "fd://docker"], 1, None);
        check(&["fd://"], 0, None);
    }
}
