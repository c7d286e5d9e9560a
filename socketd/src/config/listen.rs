//! Where to listen and who may ask there, as a URL with options.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::terms::{TermsError, TermsText, once};
use crate::policy::caller::Terms;

/// A place to listen, and what whoever comes there may do: what came of a URL.
#[derive(Debug, Clone, PartialEq)]
pub struct Allotted {
    /// Where.
    pub place: Place,
    /// Who may do what.
    pub terms: Terms,
    /// Which of the sockets that this process was started with is listened on; none where it opens its own.
    pub inherited: Option<usize>,
}

/// Without options: what a client is given.
impl fmt::Display for Allotted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

/// A place to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A unix socket at this absolute path.
    Unix(PathBuf),
    /// A TCP address, in the clear.
    Tcp(SocketAddr),
    /// A TCP address, with TLS.
    Tls(SocketAddr, TlsFiles),
}

/// The files, in PEM, that a listener with TLS needs. Every path is absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who signs the certificates that clients must show; none where everybody may connect.
    pub ca: Option<PathBuf>,
    /// Our certificate, and those between it and whoever clients trust.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why a `--listen` is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenError {
    /// Neither `unix://` nor `tcp://` nor `fd://`.
    Scheme,
    /// The path is not absolute.
    RelativePath,
    /// Not an IP address (or `localhost`) and a port.
    Address,
    /// There is no such option.
    Unknown(String),
    /// An option stands twice.
    Twice(&'static str),
    /// `tls` is neither `verify` nor `server`.
    Mode,
    /// An option has no value, or one that is no absolute path.
    Path(&'static str),
    /// `tls` needs this option.
    Missing(&'static str),
    /// This option means nothing without `tls`.
    WithoutTls(&'static str),
    /// No TLS is spoken over a unix socket, and none of them is exposed.
    UnixTls,
    /// `ca` names whose certificates clients must show, and `tls=server` asks for none.
    CaUnasked,
    /// `insecure` beside `tls=verify`.
    InsecureTls,
    /// Who may do what is not said so.
    Terms(TermsError),
    /// An option is no text.
    Text(String),
    /// Others could reach it and would rule the machine.
    Exposed(SocketAddr),
    /// Others could reach it, and nothing is asked of them.
    Unasked(SocketAddr),
}

impl From<TermsError> for ListenError {
    fn from(error: TermsError) -> Self {
        Self::Terms(error)
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("it must begin with unix://, tcp:// or fd://"),
            Self::RelativePath => f.write_str("the path of a unix socket must be absolute: unix:///run/..."),
            Self::Address => {
                f.write_str("it must be tcp://HOST:PORT, HOST an IP address (IPv6 in brackets) or localhost")
            }
            Self::Unknown(option) => write!(
                f,
                "there is no option `{option}`; known are insecure, and tls, ca, cert, key, access, allow, deny, \
                 label, name, callers and id with a value"
            ),
            Self::Twice(option) => write!(f, "the option `{option}` may stand once"),
            Self::Mode => f.write_str("tls must be `verify` (clients show a certificate) or `server`"),
            Self::Path(option) => write!(f, "the option `{option}` needs an absolute path: {option}=/..."),
            Self::Missing(option) => write!(f, "tls needs `{option}` as well: {option}=/..."),
            Self::WithoutTls(option) => {
                write!(f, "the option `{option}` means nothing without tls=verify or tls=server")
            }
            Self::UnixTls => f.write_str("tls and insecure mean nothing with a unix socket"),
            Self::CaUnasked => f.write_str(
                "tls=server asks clients for no certificate, so `ca` means nothing; perhaps tls=verify is meant",
            ),
            Self::InsecureTls => f.write_str("`insecure` and tls=verify contradict each other"),
            Self::Terms(error) => error.fmt(f),
            Self::Text(option) => write!(f, "the value of `{option}` is no text"),
            Self::Unasked(address) => write!(
                f,
                "{address} can be reached from other machines, and tls=server asks nothing of them: whoever \
                 reaches it is root here; use tls=verify, or callers=known with callers in a configuration \
                 file, or append &insecure if another layer protects it"
            ),
            Self::Exposed(address) => write!(
                f,
                "{address} can be reached from other machines without a password, and whoever reaches it is \
                 root here; listen on 127.0.0.1, add ?tls=verify with certificates (socketd certs init makes \
                 them), or append ?insecure if another layer protects it"
            ),
        }
    }
}

impl std::error::Error for ListenError {}

/// A URL taken apart.
#[derive(Debug)]
pub(super) struct Url<'a> {
    /// What stands before the question mark.
    pub(super) place: &'a str,
    /// What stands behind it, and what was given beside it.
    pub(super) options: Options,
}

impl<'a> Url<'a> {
    /// Takes it apart; `options` are those that were given beside it.
    pub(super) fn parse(text: &'a str, mut options: Options) -> Result<Self, ListenError> {
        let (place, more) = match text.split_once('?') {
            None => (text, None),
            Some((place, more)) => (place, Some(more)),
        };
        for option in more.into_iter().flat_map(|more| more.split('&')) {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            let value = value.map(|value| decoded(name, value)).transpose()?;
            options.take(name, value.as_deref())?;
        }
        Ok(Self { place, options })
    }

    /// A place of our own.
    pub(super) fn listen(self) -> Result<Allotted, ListenError> {
        if let Some(path) = self.place.strip_prefix("unix://") {
            let path = PathBuf::from(decoded("unix://", path)?);
            if !path.is_absolute() {
                return Err(ListenError::RelativePath);
            }
            return self.options.at_path(path);
        }
        let place = self.place.strip_prefix("tcp://").ok_or(ListenError::Scheme)?;
        let address = parse_address(place.trim_end_matches('/')).ok_or(ListenError::Address)?;
        self.options.at(address)
    }
}

/// A text may hold what would end it (`&`, `?`, `%`) as `%26` and the like.
pub(super) fn decoded(name: &str, text: &str) -> Result<String, ListenError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ListenError::Text(name.to_owned()))
}

/// How much of itself a listener with TLS hides from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Verify,
    Server,
}

/// What stands behind the question mark, or beside the URL in a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    insecure: Option<()>,
    tls: Option<Mode>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    terms: TermsText,
}

impl Options {
    /// Takes one option.
    ///
    /// # Errors
    /// There is none of this name, it stands there already, or its value cannot be one.
    pub fn take(&mut self, name: &str, value: Option<&str>) -> Result<(), ListenError> {
        match (name, value) {
            ("insecure", None) => once(&mut self.insecure, (), ListenError::Twice("insecure")),
            ("tls", value) => {
                let mode = match value {
                    Some("verify") => Mode::Verify,
                    Some("server") => Mode::Server,
                    _ => return Err(ListenError::Mode),
                };
                once(&mut self.tls, mode, ListenError::Twice("tls"))
            }
            ("ca", value) => once(&mut self.ca, path("ca", value)?, ListenError::Twice("ca")),
            ("cert", value) => once(&mut self.cert, path("cert", value)?, ListenError::Twice("cert")),
            ("key", value) => once(&mut self.key, path("key", value)?, ListenError::Twice("key")),
            (name, Some(value)) if self.terms.take(name, value)? => Ok(()),
            (name, None) => Err(ListenError::Unknown(name.to_owned())),
            (name, Some(value)) => Err(ListenError::Unknown(format!("{name}={value}"))),
        }
    }

    pub(super) fn at_path(self, path: PathBuf) -> Result<Allotted, ListenError> {
        if self.tls.is_some() || self.insecure.is_some() {
            return Err(ListenError::UnixTls);
        }
        self.no_files()?;
        Ok(Allotted {
            place: Place::Unix(path),
            terms: self.terms.terms()?,
            inherited: None,
        })
    }

    /// Who may do what.
    pub(super) fn terms(self) -> Result<Terms, ListenError> {
        Ok(self.terms.terms()?)
    }

    /// Files of certificates mean nothing where no TLS is spoken.
    fn no_files(&self) -> Result<(), ListenError> {
        let useless = [("ca", &self.ca), ("cert", &self.cert), ("key", &self.key)];
        match useless.into_iter().find(|(_, path)| path.is_some()) {
            Some((name, _)) => Err(ListenError::WithoutTls(name)),
            None => Ok(()),
        }
    }

    pub(super) fn at(self, address: SocketAddr) -> Result<Allotted, ListenError> {
        let insecure = self.insecure.is_some();
        let exposed = !address.ip().is_loopback() && !insecure;
        if self.tls.is_none() {
            self.no_files()?;
        }
        let terms = self.terms.terms()?;
        let Some(mode) = self.tls else {
            if exposed {
                return Err(ListenError::Exposed(address));
            }
            return Ok(Allotted {
                place: Place::Tcp(address),
                terms,
                inherited: None,
            });
        };
        let ca = match (mode, self.ca) {
            (Mode::Verify, _) if insecure => return Err(ListenError::InsecureTls),
            (Mode::Verify, None) => return Err(ListenError::Missing("ca")),
            (Mode::Server, Some(_)) => return Err(ListenError::CaUnasked),
            (Mode::Server, None) if exposed && !terms.known_only => {
                return Err(ListenError::Unasked(address));
            }
            (_, ca) => ca,
        };
        let files = TlsFiles {
            ca,
            cert: self.cert.ok_or(ListenError::Missing("cert"))?,
            key: self.key.ok_or(ListenError::Missing("key"))?,
        };
        Ok(Allotted {
            place: Place::Tls(address, files),
            terms,
            inherited: None,
        })
    }
}

fn path(name: &'static str, value: Option<&str>) -> Result<PathBuf, ListenError> {
    match value.map(PathBuf::from) {
        Some(path) if path.is_absolute() => Ok(path),
        _ => Err(ListenError::Path(name)),
    }
}

/// No resolver is asked: what a name leads to could change after it was checked.
fn parse_address(place: &str) -> Option<SocketAddr> {
    if let Some(port) = place.strip_prefix("localhost:") {
        return Some(SocketAddr::new(
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            port.parse().ok()?,
        ));
    }
    place.parse().ok()
}

/// What a client is given.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) | Self::Tls(address, _) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<Allotted, ListenError> {
        Url::parse(text, Options::default())?.listen()
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, ListenError>) {
        let got = listen(text).map(|listen| listen.to_string());
        assert_eq!(got, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn listen_urls() {
        check("unix:///run/a.sock", Ok("unix:///run/a.sock"));
        check("unix:///run/a%3Fb.sock?access=read", Ok("unix:///run/a?b.sock"));
        check("unix:///run/a.sock?tls=verify", Err(ListenError::UnixTls));
        check("unix:///run/a.sock?ca=/a", Err(ListenError::WithoutTls("ca")));
        check("unix:///run/a.sock?x", Err(ListenError::Unknown("x".to_owned())));
        check("unix://run/a.sock", Err(ListenError::RelativePath));
        check("tcp://127.0.0.1:2375", Ok("tcp://127.0.0.1:2375"));
        check("tcp://127.0.0.1:2375/", Ok("tcp://127.0.0.1:2375"));
        check("tcp://localhost:0", Ok("tcp://127.0.0.1:0"));
        check("tcp://[::1]:2375", Ok("tcp://[::1]:2375"));
        let anywhere = "0.0.0.0:2375".parse().unwrap();
        check("tcp://0.0.0.0:2375", Err(ListenError::Exposed(anywhere)));
        check("tcp://0.0.0.0:2375?insecure", Ok("tcp://0.0.0.0:2375"));
        let everywhere = "[::]:2375".parse().unwrap();
        check("tcp://[::]:2375", Err(ListenError::Exposed(everywhere)));
        check("tcp://example.org:2375", Err(ListenError::Address));
        check("tcp://127.0.0.1", Err(ListenError::Address));
        check("http://127.0.0.1:2375", Err(ListenError::Scheme));
        check("", Err(ListenError::Scheme));
    }

    #[track_caller]
    fn check_options(options: &str, expected: Result<Option<&str>, ListenError>) {
        let got = listen(&format!("tcp://0.0.0.0:2376?{options}"));
        let expected = expected.map(|ca| {
            let files = TlsFiles {
                ca: ca.map(PathBuf::from),
                cert: "/c".into(),
                key: "/k".into(),
            };
            Allotted {
                place: Place::Tls(([0, 0, 0, 0], 2376).into(), files),
                terms: Terms::default(),
                inherited: None,
            }
        });
        assert_eq!(got, expected, "{options}");
    }

    #[test]
    fn options_of_tls() {
        use ListenError as Error;
        check_options("tls=verify&ca=/a&cert=/c&key=/k", Ok(Some("/a")));
        check_options("key=/k&cert=/c&ca=/a%26b%25&tls=verify", Ok(Some("/a&b%")));
        check_options("tls=server&cert=/c&key=/k&insecure", Ok(None));
        let anywhere = ([0, 0, 0, 0], 2376).into();
        check_options("tls=server&cert=/c&key=/k", Err(Error::Unasked(anywhere)));
        check_options("tls=verify&cert=/c&key=/k", Err(Error::Missing("ca")));
        check_options("tls=verify&ca=/a&key=/k", Err(Error::Missing("cert")));
        check_options("tls=server&cert=/c&insecure", Err(Error::Missing("key")));
        check_options("tls=server&ca=/a&cert=/c&key=/k", Err(Error::CaUnasked));
        check_options(
            "tls=verify&ca=/a&cert=/c&key=/k&insecure",
            Err(Error::InsecureTls),
        );
        check_options("tls=yes&cert=/c&key=/k", Err(Error::Mode));
        check_options("tls&cert=/c&key=/k", Err(Error::Mode));
        check_options("tls=server&cert=c&key=/k", Err(Error::Path("cert")));
        check_options("tls=server&cert=/c&key", Err(Error::Path("key")));
        check_options("tls=server&cert=/c&key=", Err(Error::Path("key")));
        check_options("tls=server&cert=/c&key=/%ff", Err(Error::Text("key".to_owned())));
        check_options("tls=server&cert=/c&cert=/c&key=/k", Err(Error::Twice("cert")));
        check_options("tls=server&tls=server", Err(Error::Twice("tls")));
        check_options("insecure&insecure", Err(Error::Twice("insecure")));
        check_options("insecure&key=/k", Err(Error::WithoutTls("key")));
        check_options("cert=/c", Err(Error::WithoutTls("cert")));
        check_options("insecure=1", Err(Error::Unknown("insecure=1".to_owned())));
        check_options("please", Err(Error::Unknown("please".to_owned())));
        check_options("TLS=verify", Err(Error::Unknown("TLS=verify".to_owned())));
        check_options("", Err(Error::Unknown(String::new())));
        check_options("insecure&", Err(Error::Unknown(String::new())));
    }
}
