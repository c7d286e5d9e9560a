//! The server that an agent dials.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::Authority;

use crate::dial::bare;

/// Where it is, exactly as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    is_secure: bool,
    authority: Authority,
    target: String,
}

/// Why a text is no server to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerError {
    /// It begins with neither `ws://` nor `wss://`.
    Scheme,
    /// There is a user's name in it, which would be sent to nobody.
    User,
    /// It is no URL.
    Shape,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => {
                "a server's URL begins with wss:// or ws://, such as wss://HOST/api/hawser/connect"
            }
            Self::User => "a server's URL has no user in it: the token says who this is",
            Self::Shape => "this is no URL such as wss://HOST/api/hawser/connect",
        })
    }
}

impl std::error::Error for ServerError {}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let text = text.trim();
        let scheme = text
            .split_once("://")
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        let is_secure = match scheme.as_deref() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(ServerError::Scheme),
        };
        let uri: Uri = text.parse().map_err(|_| ServerError::Shape)?;
        let authority = uri.authority().ok_or(ServerError::Shape)?;
        if authority.as_str().contains('@') {
            return Err(ServerError::User);
        }
        let has_port = authority
            .as_str()
            .rsplit_once(']')
            .unwrap_or(("", authority.as_str()))
            .1
            .contains(':');
        if authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
            return Err(ServerError::Shape);
        }
        Ok(Self {
            is_secure,
            authority: authority.clone(),
            target: uri
                .path_and_query()
                .map_or("/", |target| target.as_str())
                .to_owned(),
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

    /// Its port: 443 or 80 where none is given.
    pub fn port(&self) -> u16 {
        let usual = if self.is_secure { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(usual)
    }

    /// Host and port as they were given, for the header `Host`.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Display for Server {
    /// Without its query, which may be nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |text: &str, expected: Result<(bool, &str, u16, &str), ServerError>| {
            let server = text.parse::<Server>();
            let seen = server
                .as_ref()
                .map(|server| (server.is_secure(), server.host(), server.port(), server.target()));
            assert_eq!(seen.map_err(|error| *error), expected, "{text}");
        };
        let path = "/api/hawser/connect";
        check(
            "wss://hub.example/api/hawser/connect",
            Ok((true, "hub.example", 443, path)),
        );
        check(
            "ws://127.0.0.1:3000/api/hawser/connect?a=b",
            Ok((false, "127.0.0.1", 3000, "/api/hawser/connect?a=b")),
        );
        check(" WSS://[::1]:8443/x\n", Ok((true, "::1", 8443, "/x")));
        check("wss://[::1]", Ok((true, "::1", 443, "/")));
        check("ws://box", Ok((false, "box", 80, "/")));
        check("https://box/x", Err(ServerError::Scheme));
        check("box:3000", Err(ServerError::Scheme));
        check("", Err(ServerError::Scheme));
        check("wss://me:secret@box/x", Err(ServerError::User));
        check("wss://", Err(ServerError::Shape));
        check("wss:///x", Err(ServerError::Shape));
        check("wss://:443/x", Err(ServerError::Shape));
        check("wss://box:99999/x", Err(ServerError::Shape));
        check("wss://a b/x", Err(ServerError::Shape));
    }

    #[test]
    fn a_query_is_not_shown() {
        let server: Server = "wss://box:1/x?key=secret".parse().unwrap();
        assert_eq!(server.to_string(), "wss://box:1/x");
    }
}
