//! What the file says: text to a ceiling, or the line and key at which it is wrong.

use std::fmt;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use caps::Capability;
use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::limits::{ENTRIES_MAX, LISTS_BYTES_MAX};
use super::powers::{self, EVERY_CAPABILITY};
use super::{Access, Ceiling};
use crate::config::RuntimeName;

/// Longest part of the file that is said again, in characters.
const SAID_CHARS_MAX: usize = 64;

/// Where the file is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// The key it is about; empty where there is none yet.
    pub key: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong at one place of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is no TOML; a key that stands twice is none.
    Syntax(String),
    /// There is no such key.
    UnknownKey,
    /// The value is of another kind than this.
    Expected(&'static str),
    /// This cannot be an entry.
    Entry(String, &'static str),
    /// More entries than this.
    TooMany(usize),
    /// All entries together are longer than this, in bytes.
    TooLong(usize),
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        match &self.fault {
            Fault::Syntax(message) => f.write_str(message),
            Fault::UnknownKey => f.write_str("there is no such key"),
            Fault::Expected(what) => write!(f, "it must be {what}"),
            Fault::Entry(entry, why) => write!(f, "{entry:?} {why}"),
            Fault::TooMany(max) => write!(f, "more than {max} entries"),
            Fault::TooLong(max) => write!(f, "all lists together are longer than {max} bytes"),
        }
    }
}

impl std::error::Error for TextError {}

/// Reads a ceiling.
pub(super) fn parse(text: &str) -> Result<Ceiling, TextError> {
    let at = |span: Range<usize>, key: &str, fault| TextError {
        line: line(text, span.start),
        key: shortened(key),
        fault,
    };
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(text.len()..text.len());
        at(span, "", Fault::Syntax(shortened(error.message())))
    })?;
    let (mut ceiling, mut bytes) = (Ceiling::default(), 0_usize);
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        match set(&mut ceiling, name, value) {
            Ok(taken) => bytes = bytes.saturating_add(taken),
            Err(Fault::UnknownKey) => return Err(at(key.span(), name, Fault::UnknownKey)),
            Err(fault) => return Err(at(value.span(), name, fault)),
        }
        if bytes > LISTS_BYTES_MAX {
            return Err(at(value.span(), name, Fault::TooLong(LISTS_BYTES_MAX)));
        }
    }
    Ok(ceiling)
}

fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn shortened(text: &str) -> String {
    text.chars().take(SAID_CHARS_MAX).collect()
}

/// Sets one key; says how many bytes its list has.
fn set(ceiling: &mut Ceiling, key: &str, value: &Spanned<DeValue<'_>>) -> Result<usize, Fault> {
    let value = value.get_ref();
    let powers = &mut ceiling.powers;
    let list = match key {
        "access" => {
            ceiling.access = access(value)?;
            return Ok(0);
        }
        "exec" => return flag(value).map(|on| ceiling.exec = on).map(|()| 0),
        "files" => return flag(value).map(|on| ceiling.files = on).map(|()| 0),
        "images" => return flag(value).map(|on| ceiling.images = on).map(|()| 0),
        "privileged" => return flag(value).map(|on| powers.privileged = Some(on)).map(|()| 0),
        "host_namespaces" => {
            return flag(value)
                .map(|on| powers.host_namespaces = Some(on))
                .map(|()| 0);
        }
        "unconfined" => return flag(value).map(|on| powers.unconfined = Some(on)).map(|()| 0),
        "raised_limits" => return flag(value).map(|on| powers.raised_limits = Some(on)).map(|()| 0),
        "runtimes" => ceiling.runtimes.insert(entries(value, runtime)?),
        "capabilities" => powers.capabilities.insert(entries(value, capability)?),
        "devices" => powers.devices.insert(entries(value, path)?),
        "binds" => powers.binds.insert(entries(value, path)?),
        "binds_read_only" => powers.binds_read_only.insert(entries(value, path)?),
        "sysctls" => powers.sysctls.insert(entries(value, sysctl)?),
        _ => return Err(Fault::UnknownKey),
    };
    Ok(list.iter().map(String::len).sum())
}

fn access(value: &DeValue<'_>) -> Result<Access, Fault> {
    let word = value.as_str().unwrap_or_default();
    let found = Access::WORDS.iter().find(|(known, _)| *known == word);
    found
        .map(|(_, access)| *access)
        .ok_or(Fault::Expected("\"read\", \"operate\" or \"full\""))
}

fn flag(value: &DeValue<'_>) -> Result<bool, Fault> {
    value.as_bool().ok_or(Fault::Expected("true or false"))
}

/// A list of texts, each checked and put into the one form in which it is compared.
fn entries(
    value: &DeValue<'_>,
    check: fn(&str) -> Result<String, &'static str>,
) -> Result<Vec<String>, Fault> {
    const EXPECTED: Fault = Fault::Expected("a list of texts");
    let array = value.as_array().ok_or(EXPECTED)?;
    if array.len() > ENTRIES_MAX {
        return Err(Fault::TooMany(ENTRIES_MAX));
    }
    array
        .iter()
        .map(|entry| {
            let entry = entry.get_ref().as_str().ok_or(EXPECTED)?;
            check(entry).map_err(|why| Fault::Entry(shortened(entry), why))
        })
        .collect()
}

fn runtime(entry: &str) -> Result<String, &'static str> {
    RuntimeName::from_str(entry, false)
        .map(|_| entry.to_owned())
        .map_err(|_| "is no runtime")
}

fn capability(entry: &str) -> Result<String, &'static str> {
    let upper = entry.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if bare == EVERY_CAPABILITY {
        return Ok(bare.to_owned());
    }
    format!("CAP_{bare}")
        .parse::<Capability>()
        .map(powers::bare_name)
        .map_err(|_| "is no capability")
}

/// An absolute path, without anything that could make it mean another than it says.
fn path(entry: &str) -> Result<String, &'static str> {
    if !entry.starts_with('/') {
        return Err("is not an absolute path");
    }
    if entry.split('/').any(|name| matches!(name, "." | "..")) {
        return Err("holds . or ..");
    }
    if entry.contains('\0') {
        return Err("holds a NUL");
    }
    // Without slashes that say nothing.
    let names = Path::new(entry)
        .components()
        .filter(|component| matches!(component, Component::Normal(_)));
    let canonical: PathBuf = std::iter::once(Component::RootDir).chain(names).collect();
    canonical
        .into_os_string()
        .into_string()
        .map_err(|_| "is not UTF-8")
}

fn sysctl(entry: &str) -> Result<String, &'static str> {
    let name = entry.replace('/', ".");
    if name.split('.').any(str::is_empty) {
        return Err("is no kernel setting");
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
