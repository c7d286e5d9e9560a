//! What an operator may want to be other than it is by default: named numbers, in a table of the
//! configuration file or one by one on the command line.
//!
//! Whatever is not here is a constant of [`limits`](crate::limits): it follows from the protocol or from what
//! a phone has room for, and a wrong value would only break something.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use crate::limits;

/// One number: what it is called, what it is by default, and what it may be.
#[derive(Debug)]
pub struct Number {
    /// Its name, with the unit last where it has one.
    pub name: &'static str,
    /// What it is unless somebody says otherwise.
    pub default: u64,
    /// What it may be.
    pub range: RangeInclusive<u64>,
    /// What it bounds.
    pub about: &'static str,
    place: fn(&mut Limits) -> &mut u64,
}

/// The numbers as they are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    connections_max: u64,
    connections_per_address_max: u64,
    connections_per_user_max: u64,
    head_lines_max: u64,
    head_bytes_max: u64,
    head_seconds_max: u64,
    idle_seconds_max: u64,
    write_stall_seconds_max: u64,
    upload_bytes_max: u64,
    streams_max: u64,
    streams_per_caller_max: u64,
    shutdown_seconds_max: u64,
}

/// All of them. Defaults are those of [`limits`](crate::limits), where it stands what each stops.
pub const NUMBERS: [Number; 12] = [
    Number {
        name: "connections_max",
        default: limits::CONNECTIONS_MAX as u64,
        range: 1..=limits::DESCRIPTORS_MAX - 512,
        about: "connections served at once; further ones wait",
        place: |limits| &mut limits.connections_max,
    },
    Number {
        name: "connections_per_address_max",
        default: limits::CONNECTIONS_PER_ADDRESS_MAX as u64,
        range: 1..=limits::DESCRIPTORS_MAX,
        about: "of them, from one IP address (of IPv6: one network of 64 bits); further ones are answered 503",
        place: |limits| &mut limits.connections_per_address_max,
    },
    Number {
        name: "connections_per_user_max",
        default: limits::CONNECTIONS_PER_USER_MAX as u64,
        range: 1..=limits::DESCRIPTORS_MAX,
        about: "of them, from one user over unix sockets; further ones are answered 503",
        place: |limits| &mut limits.connections_per_user_max,
    },
    Number {
        name: "head_lines_max",
        default: limits::HEAD_LINES_MAX as u64,
        range: 16..=1024,
        about: "header lines of a request",
        place: |limits| &mut limits.head_lines_max,
    },
    Number {
        name: "head_bytes_max",
        default: limits::CONNECTION_BUFFER_BYTES_MAX as u64,
        range: 8 * 1024..=1024 * 1024,
        about: "bytes of a request's head",
        place: |limits| &mut limits.head_bytes_max,
    },
    Number {
        name: "head_seconds_max",
        default: limits::HEAD_TIME_MAX.as_secs(),
        range: 1..=600,
        about: "from the first byte of a request's head to its last",
        place: |limits| &mut limits.head_seconds_max,
    },
    Number {
        name: "idle_seconds_max",
        default: limits::IDLE_MAX.as_secs(),
        range: 1..=86_400,
        about: "silence between two requests of a connection",
        place: |limits| &mut limits.idle_seconds_max,
    },
    Number {
        name: "write_stall_seconds_max",
        default: limits::WRITE_STALL_MAX.as_secs(),
        range: 1..=86_400,
        about: "how long a client may take nothing of what is ready for it",
        place: |limits| &mut limits.write_stall_seconds_max,
    },
    Number {
        name: "upload_bytes_max",
        default: limits::UPLOAD_BYTES_MAX,
        range: 1..=u64::MAX >> 1,
        about: "bytes of an uploaded tar",
        place: |limits| &mut limits.upload_bytes_max,
    },
    Number {
        name: "streams_max",
        default: limits::STREAMS_MAX as u64,
        range: 1..=1024,
        about: "attachments and further processes at once; further ones are answered 503",
        place: |limits| &mut limits.streams_max,
    },
    Number {
        name: "streams_per_caller_max",
        default: limits::STREAMS_PER_CALLER_MAX as u64,
        range: 1..=1024,
        about: "of them, from one address or user; further ones are answered 503",
        place: |limits| &mut limits.streams_per_caller_max,
    },
    Number {
        name: "shutdown_seconds_max",
        default: limits::SHUTDOWN_MAX.as_secs(),
        range: 0..=600,
        about: "how long running requests may go on once socketd is asked to end",
        place: |limits| &mut limits.shutdown_seconds_max,
    },
];

impl Default for Limits {
    fn default() -> Self {
        let mut limits = Self {
            connections_max: 0,
            connections_per_address_max: 0,
            connections_per_user_max: 0,
            head_lines_max: 0,
            head_bytes_max: 0,
            head_seconds_max: 0,
            idle_seconds_max: 0,
            write_stall_seconds_max: 0,
            upload_bytes_max: 0,
            streams_max: 0,
            streams_per_caller_max: 0,
            shutdown_seconds_max: 0,
        };
        for number in &NUMBERS {
            *(number.place)(&mut limits) = number.default;
        }
        limits
    }
}

impl Limits {
    /// With these numbers instead of its own.
    #[must_use]
    pub fn with(mut self, given: &[Limit]) -> Self {
        for Limit { number, value } in given {
            *(number.place)(&mut self) = *value;
        }
        self
    }

    /// Connections served at once.
    #[must_use]
    pub fn connections(&self) -> usize {
        count(self.connections_max)
    }

    /// Connections from one IP address.
    #[must_use]
    pub fn connections_per_address(&self) -> usize {
        count(self.connections_per_address_max)
    }

    /// Connections from one user.
    #[must_use]
    pub fn connections_per_user(&self) -> usize {
        count(self.connections_per_user_max)
    }

    /// Header lines of a request.
    #[must_use]
    pub fn head_lines(&self) -> usize {
        count(self.head_lines_max)
    }

    /// Bytes of a request's head.
    #[must_use]
    pub fn head_bytes(&self) -> usize {
        count(self.head_bytes_max)
    }

    /// How long a request's head may take.
    #[must_use]
    pub fn head_time(&self) -> Duration {
        Duration::from_secs(self.head_seconds_max)
    }

    /// How long a connection may be silent between requests.
    #[must_use]
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds_max)
    }

    /// How long a client may take nothing.
    #[must_use]
    pub fn write_stall(&self) -> Duration {
        Duration::from_secs(self.write_stall_seconds_max)
    }

    /// Bytes of an upload.
    #[must_use]
    pub fn upload_bytes(&self) -> u64 {
        self.upload_bytes_max
    }

    /// Streams at once.
    #[must_use]
    pub fn streams(&self) -> usize {
        count(self.streams_max)
    }

    /// Streams of one caller.
    #[must_use]
    pub fn streams_per_caller(&self) -> usize {
        count(self.streams_per_caller_max)
    }

    /// How long running requests may go on at the end.
    #[must_use]
    pub fn shutdown(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds_max)
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// One number, given as `NAME=N`.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    number: &'static Number,
    value: u64,
}

/// Why a limit is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitError {
    /// Not `NAME=N`.
    Form,
    /// There is no such limit.
    Unknown(String),
    /// It must lie between these two.
    Range(&'static str, u64, u64),
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("it must be NAME=N, N a whole number"),
            Self::Unknown(name) => {
                let known: Vec<_> = NUMBERS.iter().map(|number| number.name).collect();
                write!(f, "there is no limit `{name}`; known are {}", known.join(", "))
            }
            Self::Range(name, least, most) => write!(f, "{name} must lie between {least} and {most}"),
        }
    }
}

impl std::error::Error for LimitError {}

impl Limit {
    fn new(name: &str, value: u64) -> Result<Self, LimitError> {
        let number = NUMBERS.iter().find(|number| number.name == name);
        let number = number.ok_or_else(|| LimitError::Unknown(name.to_owned()))?;
        if number.range.contains(&value) {
            Ok(Self { number, value })
        } else {
            let (least, most) = (*number.range.start(), *number.range.end());
            Err(LimitError::Range(number.name, least, most))
        }
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or(LimitError::Form)?;
        Self::new(name, value.parse().map_err(|_| LimitError::Form)?)
    }
}

/// A table of names and numbers; the rest is as by default.
impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = Limits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of limits")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Limits, A::Error> {
                let mut limits = Limits::default();
                while let Some((name, value)) = map.next_entry::<String, u64>()? {
                    let limit = Limit::new(&name, value).map_err(A::Error::custom)?;
                    limits = limits.with(&[limit]);
                }
                Ok(limits)
            }
        }

        deserializer.deserialize_map(Table)
    }
}

#[cfg(test)]
mod tests;
