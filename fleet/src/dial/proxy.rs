//! Proxies on the way, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` have them.

use std::env;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::DialError;
use crate::limits;

/// A proxy that tunnels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// Name or address.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
    /// `USER:PASSWORD`, in base64.
    credentials: Option<String>,
}

/// Which connection goes over which proxy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    secure: Option<Proxy>,
    plain: Option<Proxy>,
    none: Vec<String>,
}

impl Proxies {
    /// Of this process's environment.
    ///
    /// # Errors
    /// A variable names no proxy that can be spoken to: the text says which.
    pub(crate) fn of_environment() -> Result<Self, String> {
        Self::of(|name| {
            let lower = name.to_ascii_lowercase();
            // Lower case first: a web server hands a caller's header on as HTTP_PROXY.
            [lower.as_str(), name]
                .into_iter()
                .find_map(|name| env::var(name).ok().filter(|text| !text.trim().is_empty()))
        })
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let proxy = |name: &str| match variable(name) {
            None => Ok(None),
            Some(text) => parse(text.trim())
                .map(Some)
                .ok_or_else(|| format!("{name} names no proxy of the form http://[USER:PASSWORD@]HOST:PORT")),
        };
        Ok(Self {
            secure: proxy("HTTPS_PROXY")?,
            plain: proxy("HTTP_PROXY")?,
            none: variable("NO_PROXY")
                .unwrap_or_default()
                .split(',')
                .map(|part| part.trim().to_ascii_lowercase())
                .filter(|part| !part.is_empty())
                .collect(),
        })
    }

    /// The proxy on the way to `host`, if any. This machine itself is never behind one.
    pub(crate) fn to(&self, is_secure: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if is_secure { &self.secure } else { &self.plain };
        let host = host.to_ascii_lowercase();
        let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let is_direct = is_here || self.none.iter().any(|pattern| matches(pattern, &host, port));
        proxy.as_ref().filter(|_| !is_direct)
    }
}

/// Whether a part of `NO_PROXY` means this host: `*`, an address, a network, or a domain with all that is below it.
fn matches(pattern: &str, host: &str, port: u16) -> bool {
    if pattern == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        let bare = super::bare(pattern);
        if let Some((network, bits)) = bare.split_once('/') {
            let network = network.parse::<IpAddr>();
            return network.is_ok_and(|network| is_within(address, network, bits.parse().ok()));
        }
        if bare.parse::<IpAddr>().is_ok_and(|own| own == address) {
            return true;
        }
        return pattern
            .parse::<std::net::SocketAddr>()
            .is_ok_and(|own| own.ip() == address && own.port() == port);
    }
    let (domain, own) = match pattern.rsplit_once(':') {
        Some((domain, number)) => (domain, number.parse::<u16>().ok()),
        None => (pattern, None),
    };
    if own.is_some_and(|own| own != port) {
        return false;
    }
    let domain = domain.trim_start_matches('*').trim_start_matches('.');
    host == domain
        || host
            .strip_suffix(domain)
            .is_some_and(|rest| !domain.is_empty() && rest.ends_with('.'))
}

fn is_within(address: IpAddr, network: IpAddr, bits: Option<u32>) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (u128::from(address.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128_u32),
        _ => return false,
    };
    let Some(rest) = bits.and_then(|bits| width.checked_sub(bits)) else {
        return false;
    };
    address.checked_shr(rest).unwrap_or(0) == network.checked_shr(rest).unwrap_or(0)
}

fn parse(text: &str) -> Option<Proxy> {
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let uri: Uri = text.parse().ok()?;
    if uri.scheme_str() != Some("http") {
        return None;
    }
    let authority = uri.authority()?;
    let credentials = authority
        .as_str()
        .rsplit_once('@')
        .map(|(user, _)| STANDARD.encode(unescaped(user)));
    let host = super::bare(authority.host());
    Some(Proxy {
        host: Some(host).filter(|host| !host.is_empty())?.to_owned(),
        port: authority.port_u16().unwrap_or(80),
        credentials,
    })
}

/// Bytes of a text in which a URL's `%41` stands for `A`.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits
            .filter(|_| first == b'%')
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    bytes
}

impl Proxy {
    /// Asks for a tunnel to `host`, and gives it.
    ///
    /// # Errors
    /// [`DialError::Proxy`].
    pub(super) async fn tunnel(
        &self,
        mut stream: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, DialError> {
        let failed = |error: std::io::Error| DialError::Proxy(error.to_string());
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(credentials) = &self.credentials {
            request.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut head = Vec::new();
        // Byte by byte: what follows the head is the tunnel's.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= limits::HANDSHAKE_HEAD_MAX {
                return Err(DialError::Proxy("its answer never ends".to_owned()));
            }
            head.push(stream.read_u8().await.map_err(failed)?);
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.lines().next().unwrap_or_default();
        let mut words = status.split_whitespace();
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        if is_http
            && words
                .next()
                .is_some_and(|code| code.len() == 3 && code.starts_with('2'))
        {
            Ok(stream)
        } else {
            Err(DialError::Proxy(status.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        let check = |text: &str, expected: Option<(&str, u16, Option<&str>)>| {
            let proxies = Proxies::of(|name| (name == "HTTPS_PROXY").then(|| text.to_owned()));
            let seen = proxies.ok().and_then(|proxies| proxies.secure);
            let seen = seen
                .as_ref()
                .map(|proxy| (proxy.host.as_str(), proxy.port, proxy.credentials.as_deref()));
            assert_eq!(seen, expected, "{text}");
        };
        check("http://proxy:3128", Some(("proxy", 3128, None)));
        check("proxy:3128", Some(("proxy", 3128, None)));
        check("http://proxy/", Some(("proxy", 80, None)));
        check("http://[::1]:8080", Some(("::1", 8080, None)));
        // `me:a@b`
        check("http://me:a%40b@proxy:1", Some(("proxy", 1, Some("bWU6YUBi"))));
        check("socks5://proxy:1080", None);
        check("https://proxy:443", None);
        check("http://", None);
    }

    #[test]
    fn exceptions() {
        let check = |none: &str, host: &str, expected: bool| {
            let proxies = Proxies::of(|name| match name {
                "HTTPS_PROXY" => Some("http://proxy:1".to_owned()),
                "NO_PROXY" => Some(none.to_owned()),
                _ => None,
            });
            let proxied = proxies.unwrap().to(true, host, 443).is_some();
            assert_eq!(proxied, expected, "{host} with NO_PROXY={none}");
        };
        check("", "hub.example", true);
        check("", "localhost", false);
        check("", "127.0.0.9", false);
        check("", "::1", false);
        check("*", "hub.example", false);
        check("hub.example", "HUB.example", false);
        check("example", "hub.example", false);
        check(".example", "hub.example", false);
        check("*.example", "hub.example", false);
        check("ample", "hub.example", true);
        check("hub.example:443", "hub.example", false);
        check("hub.example:444", "hub.example", true);
        check(" other , hub.example ", "hub.example", false);
        check("10.0.0.0/8", "10.1.2.3", false);
        check("10.0.0.0/8", "11.1.2.3", true);
        check("10.0.0.0/33", "10.1.2.3", true);
        check("0.0.0.0/0", "10.1.2.3", false);
        check("10.1.2.3", "10.1.2.3", false);
        check("10.1.2.3:443", "10.1.2.3", false);
        check("10.1.2.3:444", "10.1.2.3", true);
        check("fd00::/8", "fd12::1", false);
        check("[fd12::1]", "fd12::1", false);
        check(".", "hub.example", true);
    }
}
