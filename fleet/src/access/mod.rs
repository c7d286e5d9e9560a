//! What of Docker's API somebody may ask for: a role, and for each the requests it may make. What no role names takes
//! all of it.
//!
//! The roles are socketd's own. A request is refused unless every way to read its path may be asked: engines take `%2F`
//! for a slash, and others do not.

pub mod audit;

use std::borrow::Cow;
use std::fmt;

use hyper::Method;

use crate::limits::PATH_BYTES_MAX;

/// What shows: asked with GET or HEAD. `*` is one part of a path, `**` one or more.
const SHOWING: &[&str] = &[
    "_hawser/health",
    "_hawser/info",
    "_ping",
    "configs",
    "configs/*",
    "containers/*/changes",
    "containers/*/json",
    "containers/*/stats",
    "containers/*/top",
    "containers/json",
    "distribution/**/json",
    "events",
    "exec/*/json",
    "images/**/history",
    "images/**/json",
    "images/json",
    "images/search",
    "info",
    "networks",
    "networks/*",
    "nodes",
    "nodes/*",
    "plugins",
    "plugins/**/json",
    "secrets",
    "secrets/*",
    "services",
    "services/*",
    "system/df",
    "tasks",
    "tasks/*",
    "version",
    "volumes",
    "volumes/*",
];

/// What containers write: asked with GET.
const READING: &[&str] = &["containers/*/logs", "services/*/logs", "tasks/*/logs"];

/// What starts and stops: asked with POST.
const OPERATING: &[&str] = &[
    "containers/*/kill",
    "containers/*/pause",
    "containers/*/restart",
    "containers/*/start",
    "containers/*/stop",
    "containers/*/unpause",
    "containers/*/wait",
];

/// Before this version of the API, who starts a container may say anew what it may do.
const START_HARMLESS_SINCE: (u32, u32) = (1, 24);

/// What somebody may ever ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Role {
    /// Everything that shows, but for logs and files.
    Read,
    /// And logs, start, stop, restart, kill, pause, unpause, wait.
    Operate,
    /// Everything.
    Full,
}

impl Role {
    /// Its word, as it is written in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Full => "full",
        }
    }
}

/// A request that a role does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    role: Role,
    what: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "authorization denied: the access here is `{}`, and {} takes more",
            self.role.word(),
            self.what
        )
    }
}

impl std::error::Error for Denied {}

/// Lets a request through, or not. `target` is a path, with a query or without.
///
/// # Errors
/// The role does not have it.
pub fn judge(role: Role, method: &Method, target: &str) -> Result<(), Denied> {
    if role == Role::Full || needed(method, target) <= role {
        return Ok(());
    }
    let path = target.split('?').next().unwrap_or_default();
    let shown: String = path.chars().take(PATH_SHOWN).collect();
    Err(Denied {
        role,
        what: format!("{method} {}", shown.escape_debug()),
    })
}

/// How much of a path an answer repeats, in characters.
const PATH_SHOWN: usize = 80;

/// Whether a request may change something, or enter a container.
pub fn is_change(method: &Method, target: &str) -> bool {
    let shows = |path: &str| is_one_of(READING, path) || is_one_of(FETCHING, path);
    let path = target.split('?').next().unwrap_or_default();
    let is_harmless = matches!(*method, Method::GET | Method::HEAD) && shows(path);
    !is_harmless && needed(method, target) > Role::Read && !is_wait(method, path)
}

/// What takes the whole role, for whole file systems come out of it, and yet changes nothing: asked with GET or HEAD.
const FETCHING: &[&str] = &[
    "containers/*/archive",
    "containers/*/export",
    "images/**/get",
    "images/get",
];

fn is_wait(method: &Method, path: &str) -> bool {
    *method == Method::POST && path.ends_with("/wait") && needed(method, path) == Role::Operate
}

/// Whether a path, with a version or without, is one of these. `*` is one part of it, `**` one or more.
pub fn is_one_of(patterns: &[&str], path: &str) -> bool {
    is_among(patterns, unversioned(path).map_or(path, |(_, rest)| rest))
}

/// The least role that has a request.
fn needed(method: &Method, target: &str) -> Role {
    let path = target.split('?').next().unwrap_or_default();
    if path.len() > PATH_BYTES_MAX {
        return Role::Full;
    }
    let Some(decoded) = decoded(path) else {
        return Role::Full;
    };
    needed_literally(method, path).max(needed_literally(method, &decoded))
}

fn needed_literally(method: &Method, path: &str) -> Role {
    let (version, rest) = unversioned(path).map_or((None, path), |(version, rest)| (Some(version), rest));
    let role = match *method {
        Method::GET | Method::HEAD if is_among(SHOWING, rest) => Role::Read,
        Method::GET if is_among(READING, rest) => Role::Operate,
        Method::POST if is_among(OPERATING, rest) => Role::Operate,
        _ => Role::Full,
    };
    let is_old = version.is_some_and(|version| version < START_HARMLESS_SINCE);
    if is_old && role == Role::Operate {
        Role::Full
    } else {
        role
    }
}

/// A path's version and the rest, where it begins with `/v1.NN/`.
fn unversioned(path: &str) -> Option<((u32, u32), &str)> {
    let rest = path.strip_prefix("/v")?;
    let (version, _) = rest.split_once('/')?;
    let (major, minor) = version.split_once('.')?;
    let number = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse().ok()).flatten()
    };
    let rest = rest.get(version.len()..)?;
    Some(((number(major)?, number(minor)?), rest))
}

/// Whether a path is one of these. Parts that are empty, or dots, or of characters that nobody names anything with, are
/// none: what is behind them is for each engine to decide.
fn is_among(patterns: &[&str], path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else {
        return false;
    };
    let parts: Vec<&str> = path.split('/').collect();
    let is_plain = |part: &&str| {
        let is_dots = *part == "." || *part == "..";
        !part.is_empty()
            && !is_dots
            && !part.contains(|c: char| c.is_control() || c == '\\' || c == '?' || c == '#')
    };
    parts.iter().all(is_plain) && patterns.iter().any(|pattern| is_like(pattern, &parts))
}

fn is_like(pattern: &str, parts: &[&str]) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let is_one = |(pattern, part): (&&str, &&str)| *pattern == "*" || pattern == part;
    match pattern.iter().position(|part| *part == "**") {
        None => pattern.len() == parts.len() && pattern.iter().zip(parts).all(is_one),
        Some(at) => {
            let behind = pattern.len() - at - 1;
            parts.len() > at + behind
                && pattern.iter().take(at).zip(parts).all(is_one)
                && pattern
                    .iter()
                    .rev()
                    .take(behind)
                    .zip(parts.iter().rev())
                    .all(is_one)
        }
    }
}

/// A path without percent signs. None where they hide what is no text, or where there would be more to decode.
fn decoded(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let text = unescaped(path)?;
    (!text.contains('%')).then_some(Cow::Owned(text))
}

/// A text of a path or a query with its percent signs read, once; none where they hide what is no UTF-8.
pub(crate) fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
