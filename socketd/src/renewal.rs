//! What is read again on SIGHUP: certificates, and who may do what.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Inherited, Limits, Place, Serve, Setup};
use crate::front::{Certificates, Listener};
use crate::policy::caller::Keeper;

/// What can be renewed. Where there is nothing, the signal keeps its meaning: the terminal has gone.
pub(crate) struct Renewal<'a> {
    certificates: Vec<Arc<Certificates>>,
    arguments: &'a Serve,
    /// What this process was started with.
    inherited: Vec<Inherited>,
    /// Where was listened from the start.
    places: Vec<Place>,
    limits: Limits,
    keeper: Arc<Keeper>,
    signal: Option<Signal>,
}

impl<'a> Renewal<'a> {
    /// What these listeners and this command line allow to renew.
    pub(crate) fn of(
        listeners: &[Listener],
        arguments: &'a Serve,
        setup: &Setup,
        keeper: Arc<Keeper>,
    ) -> io::Result<Self> {
        let certificates: Vec<_> = listeners
            .iter()
            .filter_map(|listener| match listener {
                Listener::Tls(_, certificates) => Some(Arc::clone(certificates)),
                Listener::Unix(..) | Listener::Tcp(_) => None,
            })
            .collect();
        let signal = if certificates.is_empty() && arguments.config.is_none() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self {
            certificates,
            arguments,
            inherited: setup.inherited.clone(),
            places: setup.places().cloned().collect(),
            limits: setup.limits,
            keeper,
            signal,
        })
    }

    /// Completes when it is asked for.
    pub(crate) async fn asked(&mut self) {
        match &mut self.signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Reads everything again. What does not fit leaves what was there.
    pub(crate) fn renew(&self) {
        for certificates in &self.certificates {
            let path = certificates.files().cert.display();
            match certificates.read_again() {
                Ok(()) => tracing::info!(%path, "certificates were read again"),
                Err(error) => tracing::error!(%path, "certificates stay as they were: {error}"),
            }
        }
        if let Some(path) = &self.arguments.config {
            let path = path.display();
            match Setup::read_with(self.arguments, &self.inherited) {
                Ok(setup) if setup.places().eq(&self.places) => {
                    self.keeper.exchange(setup.rules());
                    tracing::info!(%path, "callers and their rights were read again");
                    if setup.limits != self.limits {
                        tracing::warn!(%path, "limits stay as they were: other ones need a new start");
                    }
                }
                Ok(_) => tracing::error!(
                    %path,
                    "callers and their rights stay as they were: other listeners need a new start"
                ),
                Err(error) => tracing::error!("callers and their rights stay as they were: {error}"),
            }
        }
    }
}
