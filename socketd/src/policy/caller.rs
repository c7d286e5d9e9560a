//! Who asks: a connection's signs held against the callers that are known.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use tokio::time::Instant;

use super::failures::{Failures, Source};
use super::rights::Rights;
use super::scope::Scope;
use super::token::{self, Digest};
use crate::docker::error::ApiError;

/// What may be asked, and of which containers.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// Which endpoints.
    pub rights: Rights,
    /// Which containers are there; none where all are.
    pub scope: Option<Scope>,
}

impl Access {
    /// Everything.
    #[must_use]
    pub fn full() -> Self {
        Self {
            rights: Rights::full(),
            scope: None,
        }
    }

    /// What both allow.
    fn within(&self, other: &Self) -> Self {
        Self {
            rights: self.rights.within(other.rights),
            scope: Scope::both(self.scope.as_ref(), other.scope.as_ref()),
        }
    }
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// For the log: a configured name, or what the connection shows.
    pub name: String,
    /// What they may do.
    pub access: Access,
}

impl Caller {
    /// One who may do everything.
    #[must_use]
    pub fn trusted(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            access: Access::full(),
        }
    }

    /// The containers that are there for this caller; none where all are.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.access.scope.as_ref()
    }
}

/// What a listener allows whoever reaches it.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// What callers call it by in the configuration.
    pub id: Option<String>,
    /// The most that anybody may do here.
    pub access: Access,
    /// Whether only callers that are known may ask.
    pub known_only: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            id: None,
            access: Access::full(),
            known_only: false,
        }
    }
}

/// What a known caller is recognized by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// The user at the other end of a unix socket, by the kernel's word.
    User(u32),
    /// Its primary group.
    Group(u32),
    /// The subject of the client's certificate, as RFC 4514 writes it: `CN=laptop,O=home`.
    Subject(String),
    /// SHA-256 of the client's certificate.
    Fingerprint([u8; 32]),
    /// A bearer token.
    Token(Digest),
}

/// A caller that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// For the log.
    pub name: String,
    /// Any of these is enough.
    pub signs: Vec<Sign>,
    /// The listeners, by id, at which this caller is known; none where at all.
    pub listeners: Option<Vec<String>>,
    /// What they may do, within what the listener allows.
    pub access: Access,
}

impl Known {
    fn is_known_at(&self, terms: &Terms) -> bool {
        self.listeners
            .as_ref()
            .is_none_or(|listeners| terms.id.as_ref().is_some_and(|id| listeners.contains(id)))
    }
}

/// The client's certificate, after TLS has found it good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
}

/// What is known of the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A process of this machine.
    Unix {
        /// Its user.
        uid: u32,
        /// Its primary group.
        gid: u32,
    },
    /// An address.
    Tcp(IpAddr),
    /// An address, and what was shown in the handshake.
    Tls(IpAddr, Option<ClientCertificate>),
}

impl Peer {
    fn shows(&self, sign: &Sign) -> bool {
        match (self, sign) {
            (Self::Unix { uid, .. }, Sign::User(wanted)) => uid == wanted,
            (Self::Unix { gid, .. }, Sign::Group(wanted)) => gid == wanted,
            (Self::Tls(_, Some(shown)), Sign::Subject(wanted)) => {
                !wanted.is_empty() && shown.subject == *wanted
            }
            (Self::Tls(_, Some(shown)), Sign::Fingerprint(wanted)) => shown.fingerprint == *wanted,
            _ => false,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Self::Unix { uid, .. } => Source::User(*uid),
            Self::Tcp(address) | Self::Tls(address, _) => Source::of(*address),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { uid, .. } => write!(f, "uid {uid}"),
            Self::Tcp(address) | Self::Tls(address, None) => address.fmt(f),
            Self::Tls(address, Some(shown)) => write!(f, "{} at {address}", shown.subject),
        }
    }
}

/// Who may do what, as it is configured at one time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// By listener, in their order.
    pub terms: Vec<Terms>,
    /// In the order in which they are tried.
    pub callers: Vec<Known>,
}

/// Holds the rules, which may be exchanged while connections live, and counts tokens that were wrong.
#[derive(Debug, Default)]
pub struct Keeper {
    rules: Mutex<Arc<Rules>>,
    failures: Mutex<Failures>,
}

impl Keeper {
    /// With these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules: Mutex::new(Arc::new(rules)),
            failures: Mutex::default(),
        }
    }

    /// From the next request on, these hold.
    pub fn exchange(&self, rules: Rules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whose token this is. An address that has shown too many wrong ones is not listened to for a while.
    fn by_token(&self, rules: &Rules, terms: &Terms, peer: &Peer, shown: &str) -> Result<Caller, ApiError> {
        let (now, source) = (Instant::now(), peer.source());
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.is_barred(source, now) {
            return Err(ApiError::new(
                429,
                "authorization denied: too many wrong tokens from here; try again in a minute",
            ));
        }
        let digest = token::digest(shown);
        let is_theirs = |known: &&Known| {
            // Every token is compared, so that the time tells nothing.
            let fits = known.signs.iter().fold(false, |fits, sign| {
                fits | matches!(sign, Sign::Token(wanted) if token::is_same(wanted, &digest))
            });
            fits && known.is_known_at(terms)
        };
        let found: Vec<_> = rules.callers.iter().filter(is_theirs).collect();
        match found.first() {
            Some(known) => Ok(recognized(known, terms)),
            None => {
                failures.count(source, now);
                tracing::warn!(%peer, "a token that nobody has");
                Err(ApiError::forbidden("authorization denied: nobody has this token"))
            }
        }
    }
}

fn recognized(known: &Known, terms: &Terms) -> Caller {
    Caller {
        name: known.name.clone(),
        access: known.access.within(&terms.access),
    }
}

/// Who is at the other end of one connection, asked again with every request.
#[derive(Debug)]
pub struct Recognition {
    keeper: Arc<Keeper>,
    /// The listener's place in the rules.
    listener: usize,
    peer: Peer,
    /// Who it is as long as the rules stay, without a token.
    last: Mutex<Option<(Arc<Rules>, Arc<Caller>)>>,
}

impl Recognition {
    /// Of a connection that came through this listener.
    #[must_use]
    pub fn new(keeper: Arc<Keeper>, listener: usize, peer: Peer) -> Self {
        Self {
            keeper,
            listener,
            peer,
            last: Mutex::new(None),
        }
    }

    /// Where the other end is.
    #[must_use]
    pub fn source(&self) -> Source {
        self.peer.source()
    }

    /// What the client has shown by now.
    pub fn shown(&mut self, certificate: ClientCertificate) {
        if let Peer::Tls(_, shown) = &mut self.peer {
            *shown = Some(certificate);
        }
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// 403 where nobody is known by what was shown and the listener asks for that; 429 after too many
    /// wrong tokens.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, ApiError> {
        let rules = self.keeper.rules();
        let Some(terms) = rules.terms.get(self.listener) else {
            return Err(ApiError::forbidden(
                "authorization denied: this listener has no rules",
            ));
        };
        if let Some(token) = token::shown(headers) {
            return self
                .keeper
                .by_token(&rules, terms, &self.peer, token)
                .map(Arc::new);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((under, caller)) = &*last
            && Arc::ptr_eq(under, &rules)
        {
            return Ok(Arc::clone(caller));
        }
        let caller = Arc::new(self.without_token(&rules, terms)?);
        *last = Some((Arc::clone(&rules), Arc::clone(&caller)));
        Ok(caller)
    }

    fn without_token(&self, rules: &Rules, terms: &Terms) -> Result<Caller, ApiError> {
        let known = rules
            .callers
            .iter()
            .find(|known| known.is_known_at(terms) && known.signs.iter().any(|sign| self.peer.shows(sign)));
        match known {
            Some(known) => Ok(recognized(known, terms)),
            None if terms.known_only => Err(ApiError::forbidden(format!(
                "authorization denied: {} is not known here",
                self.peer
            ))),
            None => Ok(Caller {
                name: self.peer.to_string(),
                access: terms.access.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
