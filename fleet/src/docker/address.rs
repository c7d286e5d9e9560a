//! Where a Docker-shaped socket is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where it is, as `docker -H` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `unix:///run/socketd/docker.sock`, or the bare path.
    Unix(PathBuf),
    /// `tcp://HOST:PORT`, without TLS.
    Tcp(String),
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressError;

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address of Docker is `unix:///PATH` or `tcp://HOST:PORT`")
    }
}

impl std::error::Error for AddressError {}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let path = text.strip_prefix("unix://").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Self::Unix(path.into()));
        }
        let host = text
            .strip_prefix("tcp://")
            .or_else(|| text.strip_prefix("http://"))
            .map(|host| host.trim_end_matches('/'));
        match host.and_then(|host| Some((host, host.rsplit_once(':')?))) {
            Some((host, (name, port))) if !name.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(host.to_owned()))
            }
            _ => Err(AddressError),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_addresses() {
        let check = |text: &str, expected: Option<Address>| assert_eq!(text.parse().ok(), expected, "{text}");
        let unix = |path: &str| Some(Address::Unix(path.into()));
        let tcp = |host: &str| Some(Address::Tcp(host.to_owned()));
        check("unix:///run/docker.sock", unix("/run/docker.sock"));
        check("/run/docker.sock", unix("/run/docker.sock"));
        check("tcp://127.0.0.1:2375", tcp("127.0.0.1:2375"));
        check("tcp://[::1]:2375/", tcp("[::1]:2375"));
        check("http://box:80", tcp("box:80"));
        check("tcp://box", None);
        check("tcp://:2375", None);
        check("tcp://box:99999", None);
        check("unix://docker.sock", None);
        check("https://box:443", None);
        check("", None);
    }
}
