//! The configuration file: listeners, and who may do what. TOML.
//!
//! It is read while there is power, and again on SIGHUP with what is left. Whoever can write it decides what
//! everybody may do, so only root, or the one user that this process is, may be able to.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use serde::Deserialize;

use super::asked::Listen;
use super::limits::Limits;
use super::listen::{ListenError, Options};
use super::terms::{TermsError, TermsText};
use crate::limits::CONFIG_BYTES_MAX;
use crate::policy::browser::{HostName, Origin};
use crate::policy::caller::{Known, Sign};
use crate::policy::hex;

/// Why a file cannot be used.
#[derive(Debug)]
pub enum FileError {
    /// The system does not let us read it.
    Read(io::Error),
    /// No regular file, or a larger one than any configuration.
    Odd,
    /// Others could change it: its owner, and its mode.
    Writable(u32, u32),
    /// It is no TOML, or has a key that is not known; the library says where.
    Syntax(String),
    /// A listener that cannot be: its URL, and why.
    Listener(String, ListenError),
    /// A caller that cannot be: its name, and why.
    Caller(String, CallerError),
    /// A name or an origin that is none.
    Browser(String),
}

/// What is wrong with a caller.
#[derive(Debug, PartialEq, Eq)]
pub enum CallerError {
    /// Another has the same name.
    Twice,
    /// There is nothing to recognize it by.
    NoSign,
    /// A fingerprint is not 32 bytes in hexadecimal digits.
    Fingerprint,
    /// A token's hash is none.
    Token,
    /// There is no listener with this id.
    NoListener(String),
    /// What it may do is not said so.
    Terms(TermsError),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Odd => write!(f, "it is not a file of at most {CONFIG_BYTES_MAX} bytes"),
            Self::Writable(owner, mode) => write!(
                f,
                "others could change it (owner {owner}, mode {mode:04o}): chown root and chmod 0644"
            ),
            Self::Syntax(text) => f.write_str(text.trim_end()),
            Self::Listener(url, error) => write!(f, "listener {url}: {error}"),
            Self::Caller(name, error) => write!(f, "caller {name}: {error}"),
            Self::Browser(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for FileError {}

impl fmt::Display for CallerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice => f.write_str("another caller has this name"),
            Self::NoSign => {
                f.write_str("it needs uid, gid, subject, fingerprint or token, to be recognized by")
            }
            Self::Fingerprint => {
                f.write_str("a fingerprint is SHA-256 of the certificate, 64 hexadecimal digits")
            }
            Self::Token => f.write_str("a token is given by its hash; `socketd token` makes both"),
            Self::NoListener(id) => write!(f, "no listener has the id {id}"),
            Self::Terms(error) => error.fmt(f),
        }
    }
}

/// What a file says.
#[derive(Debug, Default, PartialEq)]
pub struct Config {
    /// Where to listen, besides the command line.
    pub listeners: Vec<Listen>,
    /// Who is known, in the order in which they are tried.
    pub callers: Vec<Known>,
    /// Names of this machine, besides the command line.
    pub hosts: Vec<HostName>,
    /// Pages that may ask, besides the command line.
    pub origins: Vec<Origin>,
    /// What clients may have.
    pub limits: Limits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    listener: Vec<ListenerText>,
    #[serde(default)]
    caller: Vec<CallerText>,
    #[serde(default)]
    host_names: Vec<String>,
    #[serde(default)]
    allow_origins: Vec<String>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListenerText {
    url: String,
    id: Option<String>,
    tls: Option<String>,
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    #[serde(default)]
    insecure: bool,
    callers: Option<String>,
    access: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerText {
    name: String,
    uid: Option<u32>,
    gid: Option<u32>,
    subject: Option<String>,
    fingerprint: Option<String>,
    token: Option<String>,
    listeners: Option<Vec<String>>,
    access: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::parse(&contents(path)?)
    }

    /// Reads its text.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let text: Text = toml::from_str(text).map_err(|error| FileError::Syntax(error.to_string()))?;
        let mut config = Self::default();
        for listener in text.listener {
            let url = listener.url.clone();
            let listener = listener
                .listen()
                .map_err(|error| FileError::Listener(url, error))?;
            config.listeners.push(listener);
        }
        for caller in text.caller {
            let name = caller.name.clone();
            let is_taken = config.callers.iter().any(|known| known.name == name);
            let known = if is_taken {
                Err(CallerError::Twice)
            } else {
                caller.known()
            };
            config
                .callers
                .push(known.map_err(|error| FileError::Caller(name, error))?);
        }
        config.hosts = parsed("host_names", &text.host_names)?;
        config.origins = parsed("allow_origins", &text.allow_origins)?;
        config.limits = text.limits;
        Ok(config)
    }
}

fn parsed<T: std::str::FromStr<Err: fmt::Display>>(key: &str, texts: &[String]) -> Result<Vec<T>, FileError> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|error| FileError::Browser(format!("{key}: {text:?}: {error}")))
    };
    texts.iter().map(parse).collect()
}

impl ListenerText {
    fn listen(self) -> Result<Listen, ListenError> {
        let mut options = Options::default();
        if self.insecure {
            options.take("insecure", None)?;
        }
        let single = [
            ("id", self.id),
            ("tls", self.tls),
            ("ca", self.ca),
            ("cert", self.cert),
            ("key", self.key),
            ("callers", self.callers),
            ("access", self.access),
        ];
        for (name, value) in single {
            if let Some(value) = value {
                options.take(name, Some(&value))?;
            }
        }
        for (name, values) in lists(&self.allow, &self.deny, &self.labels, &self.names) {
            for value in values {
                options.take(name, Some(value))?;
            }
        }
        Listen::parse(&self.url, options)
    }
}

impl CallerText {
    fn known(self) -> Result<Known, CallerError> {
        let mut text = TermsText::default();
        if let Some(access) = &self.access {
            text.take("access", access).map_err(CallerError::Terms)?;
        }
        for (name, values) in lists(&self.allow, &self.deny, &self.labels, &self.names) {
            for value in values {
                text.take(name, value).map_err(CallerError::Terms)?;
            }
        }
        let fingerprint = self.fingerprint.as_deref();
        let fingerprint = fingerprint.map(|text| hex::bytes(text).ok_or(CallerError::Fingerprint));
        let token = self.token.as_deref();
        let token = token.map(|text| text.parse().map_err(|_| CallerError::Token));
        let signs: Vec<Sign> = [
            self.uid.map(Sign::User),
            self.gid.map(Sign::Group),
            self.subject.map(Sign::Subject),
            fingerprint.transpose()?.map(Sign::Fingerprint),
            token.transpose()?.map(Sign::Token),
        ]
        .into_iter()
        .flatten()
        .collect();
        if signs.is_empty() {
            return Err(CallerError::NoSign);
        }
        Ok(Known {
            name: self.name,
            signs,
            listeners: self.listeners,
            access: text.access(),
        })
    }
}

/// Lists of a table, by the names that they have in a URL.
fn lists<'a>(
    allow: &'a [String],
    deny: &'a [String],
    labels: &'a [String],
    names: &'a [String],
) -> [(&'static str, &'a [String]); 4] {
    [
        ("allow", allow),
        ("deny", deny),
        ("label", labels),
        ("name", names),
    ]
}

/// A caller must not be left out because a listener's id is spelled otherwise.
///
/// # Errors
/// A caller names a listener that is none of these.
pub fn check_listeners(callers: &[Known], listeners: &[Listen]) -> Result<(), FileError> {
    let is_id = |id: &String| listeners.iter().any(|listen| listen.id() == Some(id));
    for caller in callers {
        if let Some(id) = caller.listeners.iter().flatten().find(|id| !is_id(id)) {
            let error = CallerError::NoListener(id.clone());
            return Err(FileError::Caller(caller.name.clone(), error));
        }
    }
    Ok(())
}

/// Without waiting: whoever wrote the path may have meant a pipe.
fn contents(path: &Path) -> Result<String, FileError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(FileError::Read)?;
    let found = file.metadata().map_err(FileError::Read)?;
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    // Once power is given up this is our own user, who must not be able to write what binds it.
    let is_ours = owner == 0 || (!geteuid().is_root() && owner == geteuid().as_raw());
    if !is_ours || mode & 0o022 != 0 {
        return Err(FileError::Writable(owner, mode));
    }
    if !found.is_file() || found.len() > CONFIG_BYTES_MAX {
        return Err(FileError::Odd);
    }
    let mut text = String::new();
    read_most(file, &mut text).map_err(FileError::Read)?;
    Ok(text)
}

fn read_most(file: File, text: &mut String) -> io::Result<usize> {
    file.take(CONFIG_BYTES_MAX).read_to_string(text)
}

/// Where a file is, with why it cannot be used.
#[derive(Debug)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub error: FileError,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests;
