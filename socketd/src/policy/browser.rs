//! Pages in a browser on this network are not clients.
//!
//! Whoever visits a web page lets it send requests from their machine: to an address that only they
//! reach (cross-site request forgery), or, after the page's own name was made to lead here, as if
//! it were ours (DNS rebinding). A browser tells on both: the first carries the page's origin, the
//! second the page's name as `Host`. Programs send no origin, and the name or address they were
//! given. Over a unix socket no browser comes, so nothing is judged there.
//!
//! An address in `Host` that is ours cannot be rebound, because no name was looked up for it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::limits::HOST_NAME_BYTES_MAX;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The name that every machine calls itself by.
const LOCALHOST: &str = "localhost";

/// A name or an address by which a listener may be called, without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostName {
    /// A name; letters of either case are the same.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// It is neither a name nor an IP address, or more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostNameError;

impl fmt::Display for HostNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it must be a name like phone.lan or an IP address, without a port")
    }
}

impl std::error::Error for HostNameError {}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(address) = address(text) {
            return Ok(Self::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        // Browsers take a name whose last label is a number for an address, so nobody is called so.
        let numeric = name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() > HOST_NAME_BYTES_MAX || numeric || !name.split('.').all(label) {
            return Err(HostNameError);
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// A web page's origin: scheme, host and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// It is no origin as browsers write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginError;

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it must be http://HOST[:PORT] or https://HOST[:PORT], and nothing behind it")
    }
}

impl std::error::Error for OriginError {}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority = authority_of(text).ok_or(OriginError)?;
        let host = host_of(authority).ok_or(OriginError)?;
        host.parse::<HostName>().map_err(|_| OriginError)?;
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// What was configured for all listeners.
#[derive(Debug, Default)]
pub struct Allowed {
    /// Names of this machine, besides those that every listener has.
    pub hosts: Vec<HostName>,
    /// Pages that may ask, wherever they come from.
    pub origins: Vec<Origin>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// `Host`, or the host of an absolute target, is none of ours.
    Host,
    /// A page of another origin asks.
    Origin,
    /// The browser says that another site asks.
    Site,
}

impl Foreign {
    /// The sentence for the client, who may be a person that we do not know the name of yet.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Host => {
                "the Host of this request is no name of this daemon; \
                 if it should be, start socketd serve with --host-name NAME"
            }
            Self::Origin => {
                "a web page of another origin may not ask; \
                 if it should, start socketd serve with --allow-origin ORIGIN"
            }
            Self::Site => "a web page of another site may not ask",
        }
    }
}

/// What one listener holds requests against.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Its own address; the one that means every address admits all.
    own: IpAddr,
    allowed: Arc<Allowed>,
}

impl Guard {
    /// Of the listener at this address.
    #[must_use]
    pub fn new(own: IpAddr, allowed: Arc<Allowed>) -> Self {
        Self {
            own: own.to_canonical(),
            allowed,
        }
    }

    /// Whether a client that is no foreign page sent this. Allocates nothing.
    ///
    /// # Errors
    /// What is foreign about it.
    pub fn judge(&self, target: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        let mut named = None;
        for host in headers.get_all(HOST) {
            let host = host.to_str().map_err(|_| Foreign::Host)?;
            self.judge_host(host)?;
            named = Some(host);
        }
        // The host of an absolute target counts instead of the header.
        if let Some(authority) = target.authority() {
            self.judge_host(authority.as_str())?;
            named = Some(authority.as_str());
        }
        let mut allowed = false;
        for origin in headers.get_all(ORIGIN) {
            allowed = self.judge_origin(origin, named)?;
        }
        match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            None | Some(b"same-origin" | b"none") => Ok(()),
            Some(_) if allowed => Ok(()),
            Some(_) => Err(Foreign::Site),
        }
    }

    /// An empty one is as good as none: no browser sends it.
    fn judge_host(&self, authority: &str) -> Result<(), Foreign> {
        if authority.is_empty() {
            return Ok(());
        }
        let host = host_of(authority).ok_or(Foreign::Host)?;
        let ours = match address(host) {
            Some(address) => self.has_address(address),
            None => self.has_name(host.strip_suffix('.').unwrap_or(host)),
        };
        if ours { Ok(()) } else { Err(Foreign::Host) }
    }

    fn has_address(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || self.own.is_unspecified()
            || address == self.own
            || self.allowed.hosts.contains(&HostName::Address(address))
    }

    fn has_name(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(LOCALHOST)
            || self
                .allowed
                .hosts
                .iter()
                .any(|host| matches!(host, HostName::Name(own) if own.eq_ignore_ascii_case(name)))
    }

    /// Whether it is on the list of those that may ask from elsewhere. The page that we served
    /// ourselves (we serve none, but a proxy might in our name) may ask as well.
    fn judge_origin(&self, origin: &HeaderValue, named: Option<&str>) -> Result<bool, Foreign> {
        let origin = origin.to_str().map_err(|_| Foreign::Origin)?;
        let listed = |Origin(own): &Origin| own.eq_ignore_ascii_case(origin);
        if self.allowed.origins.iter().any(listed) {
            return Ok(true);
        }
        match (authority_of(origin), named) {
            (Some(page), Some(named)) if page.eq_ignore_ascii_case(named) => Ok(false),
            _ => Err(Foreign::Origin),
        }
    }
}

/// An address, IPv4 in IPv6 as IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    inner.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// What follows the scheme of an origin.
fn authority_of(origin: &str) -> Option<&str> {
    let (scheme, authority) = origin.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    (known && !authority.is_empty()).then_some(authority)
}

/// An authority without its port; none where what follows the host is no port.
fn host_of(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(inner) => inner.find(']')?.checked_add(2)?,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let plain = port.is_empty() || port.strip_prefix(':').is_some_and(digits);
    plain.then_some(host)
}

#[cfg(test)]
mod tests;
