//! Why a container could not be started, in a form that crosses processes.
//!
//! The first process of a container finds out most of it, inside the container, and can only send
//! bytes to the shim; the shim sends them on to the bridge. Both use this record.

use std::fmt::Display;
use std::io;

use wire::{numbers, record};

use crate::runtime::RuntimeError;

/// Longest text in a failure, in bytes. Stops a command name of 128 KiB from passing the size of
/// one message.
const TEXT_BYTES_MAX: usize = 4096;

numbers! {
    /// What kind of failure.
    pub enum Trouble {
        /// The operating system said no.
        System = 1,
        /// The specification contradicts itself or the machine.
        InvalidSpec = 2,
        /// Not possible here.
        Unsupported = 3,
        /// The command is not there.
        CommandNotFound = 4,
        /// The command cannot be executed.
        CommandNotExecutable = 5,
        /// No such user or group.
        NoSuchUser = 6,
        /// No container may have it.
        NotPermitted = 7,
    }
}

macro_rules! stages {
    ($( $name:ident = $number:literal $text:literal, )*) => {
        numbers! {
            /// What was being done.
            pub enum Stage {
                /// Nothing in particular.
                Somewhere = 1,
                $( #[doc = $text] $name = $number, )*
            }
        }

        impl Stage {
            /// What was being done, in words.
            #[must_use]
            pub const fn attempt(self) -> &'static str {
                match self {
                    $( Self::$name => $text, )*
                    Self::Somewhere | Self::Unknown(_) => "start the container",
                }
            }
        }
    };
}

stages! {
    Shim = 2 "start the shim",
    Order = 3 "read the shim's orders",
    Config = 4 "read the container's configuration",
    Files = 5 "write the container's files",
    Groups = 6 "set up control groups",
    Clone = 7 "make namespaces",
    Channel = 8 "talk to the container's first process",
    Private = 9 "make mounts private",
    Overlay = 10 "mount the root file system",
    Proc = 11 "mount /proc",
    Dev = 12 "fill /dev",
    Sys = 13 "mount /sys",
    Mounts = 14 "make a mount",
    Mask = 15 "mask kernel files",
    Pivot = 16 "change the root",
    Hostname = 17 "set the host name",
    Loopback = 18 "bring up the loopback interface",
    Limits = 19 "set a process limit",
    WorkingDir = 20 "enter the working directory",
    Users = 21 "read the container's users",
    Terminal = 22 "open a terminal",
    Identity = 23 "change user and group",
    Capabilities = 24 "set capabilities",
    Filter = 25 "filter system calls",
    Execute = 26 "execute the command",
    Log = 27 "open the log",
    Pipes = 28 "make pipes",
    Record = 29 "record the start",
    Reaper = 30 "start the small init",
    Join = 31 "enter the container",
}

record! {
    /// Why a container could not be started.
    pub struct Failure {
        /// What kind.
        1 => trouble: Trouble,
        /// What was being done.
        2 => stage: Stage,
        /// What it is about: a command, a path; or the whole sentence.
        3 => subject: String,
        /// The rest of the sentence, for commands.
        4 => reason: String,
        /// The error number, for the operating system's.
        5 => errno: i32,
    }
}

impl Failure {
    /// The operating system said no.
    #[must_use]
    pub fn system(stage: Stage, subject: &str, error: &io::Error) -> Self {
        Self {
            trouble: Trouble::System,
            stage,
            subject: shortened(subject),
            // An error without a number has words instead.
            reason: if error.raw_os_error().is_some() {
                String::new()
            } else {
                shortened(&error.to_string())
            },
            errno: error.raw_os_error().unwrap_or_default(),
        }
    }

    /// The specification contradicts itself or the machine.
    pub fn invalid(sentence: impl Display) -> Self {
        Self::sentence(Trouble::InvalidSpec, sentence)
    }

    /// Not possible here.
    pub fn unsupported(sentence: impl Display) -> Self {
        Self::sentence(Trouble::Unsupported, sentence)
    }

    /// No container may have it.
    pub fn not_permitted(sentence: impl Display) -> Self {
        Self::sentence(Trouble::NotPermitted, sentence)
    }

    /// No such user or group.
    pub fn no_such_user(sentence: impl Display) -> Self {
        Self::sentence(Trouble::NoSuchUser, sentence)
    }

    /// The command cannot be found or executed.
    #[must_use]
    pub fn command(trouble: Trouble, command: &str, reason: impl Display) -> Self {
        Self {
            trouble,
            subject: shortened(command),
            reason: shortened(&reason.to_string()),
            ..Self::default()
        }
    }

    fn sentence(trouble: Trouble, sentence: impl Display) -> Self {
        Self {
            trouble,
            subject: shortened(&sentence.to_string()),
            ..Self::default()
        }
    }

    /// The exit code people know for it: 127 for a command that is not there, 126 for one that
    /// cannot be executed, 128 for the rest.
    #[must_use]
    pub fn exit_code(&self) -> u32 {
        match self.trouble {
            Trouble::CommandNotFound => 127,
            Trouble::CommandNotExecutable => 126,
            _ => 128,
        }
    }
}

/// For `map_err`: the stage, and what it was about.
pub fn at<E: Into<io::Error>>(stage: Stage, subject: &str) -> impl FnOnce(E) -> Failure {
    move |error| Failure::system(stage, subject, &error.into())
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

impl From<Failure> for RuntimeError {
    fn from(failure: Failure) -> Self {
        let Failure {
            trouble,
            stage,
            subject,
            reason,
            errno,
        } = failure;
        match trouble {
            Trouble::InvalidSpec => Self::InvalidSpec(subject),
            Trouble::Unsupported => Self::Unsupported(subject),
            Trouble::NoSuchUser => Self::NoSuchUser(subject),
            Trouble::NotPermitted => Self::NotPermitted(subject),
            Trouble::CommandNotFound => Self::CommandNotFound {
                command: subject,
                reason,
            },
            Trouble::CommandNotExecutable => Self::CommandNotExecutable {
                command: subject,
                reason,
            },
            Trouble::System | Trouble::Unknown(_) => {
                let error = io::Error::from_raw_os_error(errno);
                Self::System {
                    attempt: stage.attempt(),
                    error: match (subject.is_empty(), reason.is_empty()) {
                        (true, true) => error,
                        (false, true) => io::Error::new(error.kind(), format!("{subject}: {error}")),
                        (true, false) => io::Error::other(reason),
                        (false, false) => io::Error::other(format!("{subject}: {reason}")),
                    },
                }
            }
        }
    }
}
