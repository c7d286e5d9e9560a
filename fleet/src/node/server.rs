//! The coordinator that a node dials.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::Authority;

use crate::dial::bare;

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    is_secure: bool,
    authority: Authority,
}

/// Why a text is no coordinator to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerError;

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a coordinator is https://HOST:50051, or http://HOST:50051 where it is this machine")
    }
}

impl std::error::Error for ServerError {}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let uri: Uri = text.trim().parse().map_err(|_| ServerError)?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(ServerError),
        };
        let authority = uri.authority().ok_or(ServerError)?;
        // What follows the host would be sent to nobody.
        let is_bare = uri.path_and_query().is_none_or(|target| target.as_str() == "/");
        let is_whole = !authority.host().is_empty() && !authority.as_str().contains('@');
        let rest = authority.as_str().strip_prefix(authority.host());
        let has_good_port = rest == Some("") || authority.port_u16().is_some_and(|port| port != 0);
        if !is_bare || !is_whole || !has_good_port {
            return Err(ServerError);
        }
        Ok(Self {
            is_secure,
            authority: authority.clone(),
        })
    }
}

impl Server {
    /// Whether it is dialled by TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Its name or address; that of version 6 without brackets.
    pub fn host(&self) -> &str {
        bare(self.authority.host())
    }

    /// Its port: 50051 where none is given.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(50051)
    }

    /// Whether it is this machine, by an address or a name that nobody else can give it.
    pub fn is_local(&self) -> bool {
        let is_address = self
            .host()
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
        is_address || self.host() == "localhost"
    }

    /// What requests are made for.
    pub(super) fn origin(&self) -> Uri {
        let scheme = if self.is_secure { "https" } else { "http" };
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(self.authority.clone())
            .path_and_query("/")
            .build();
        uri.unwrap_or_default()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |text: &str, expected: Option<(bool, &str, u16, bool)>| {
            let server = text.parse::<Server>().ok();
            let seen = server.as_ref().map(|server| {
                (
                    server.is_secure(),
                    server.host(),
                    server.port(),
                    server.is_local(),
                )
            });
            assert_eq!(seen, expected, "{text}");
        };
        check("https://hub.example", Some((true, "hub.example", 50051, false)));
        check(
            "https://hub.example:443/",
            Some((true, "hub.example", 443, false)),
        );
        check("http://localhost:50051", Some((false, "localhost", 50051, true)));
        check("http://[::1]:1", Some((false, "::1", 1, true)));
        check("https://[::1]", Some((true, "::1", 50051, true)));
        check("http://127.0.0.9", Some((false, "127.0.0.9", 50051, true)));
        check(
            "http://localhost.evil.example",
            Some((false, "localhost.evil.example", 50051, false)),
        );
        check("hub.example:50051", None);
        check("wss://hub.example", None);
        check("https://me@hub.example", None);
        check("https://hub.example/path", None);
        check("https://hub.example/?q", None);
        check("https://hub.example:99999", None);
        check("https://hub.example:", None);
        check("https://:1", None);
        check("", None);
    }
}
