//! The most that may ever be asked of this bridge, as root has written it down in a file.
//!
//! The gate says through which door an opcode may come; the ceiling says what nobody may ask, whichever
//! door and whoever asks. It is read once, before anybody is answered, and never changes while the bridge
//! runs. A key that is absent restricts nothing.
//!
//! - `file`, `text`: from a path to a ceiling, or why not;
//! - `acts`: which opcodes; [`powers`]: what a container may be given; [`sources`]: which paths of the host;
//! - `gaps`: restrictions that another key leaves open, said at the start.
//!
//! It must not know: sockets, the journal, or how anything is done. It judges, and others refuse.

use std::fmt;
use std::path::Path;

use wire::spec::Spec;
use wire::{Container, ExecSpec, Refusal, RefusalCode};

mod acts;
mod file;
mod gaps;
mod limits;
pub mod powers;
pub mod sources;
mod text;

pub use acts::Access;
pub use file::CeilingError;
pub use powers::Powers;

/// Root of the machine, as what is below a root file system that is the machine's own.
const MACHINE_ROOT: &str = "/";

/// The most that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    /// How far requests may go.
    pub access: Access,
    /// Whether containers may be entered.
    pub exec: bool,
    /// Whether containers' files may be read and written.
    pub files: bool,
    /// Whether images may be brought, made, named and removed.
    pub images: bool,
    /// The runtimes whose containers may be acted on; none means all.
    pub runtimes: Option<Vec<String>>,
    /// What a container may be given.
    pub powers: Powers,
}

impl Default for Ceiling {
    /// None: everything may be asked.
    fn default() -> Self {
        Self {
            access: Access::Full,
            exec: true,
            files: true,
            images: true,
            runtimes: None,
            powers: Powers::default(),
        }
    }
}

/// What the ceiling does not allow, as a sentence that names the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied(String);

impl Denied {
    fn new(what: impl fmt::Display, key: &str) -> Self {
        Self(format!("the bridge's ceiling does not allow {what} ({key})"))
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Denied {}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::because(RefusalCode::NotPermitted, denied.0)
    }
}

impl Ceiling {
    /// Reads the ceiling at `asked`, or the one at the usual place if there is one.
    ///
    /// # Errors
    /// What is wrong with the file. One that was asked for must be there.
    pub fn load(asked: Option<&Path>) -> Result<Self, CeilingError> {
        let Some(ceiling) = file::load(asked)? else {
            return Ok(Self::default());
        };
        for gap in ceiling.gaps() {
            tracing::warn!("the ceiling has a gap: {gap}");
        }
        Ok(ceiling)
    }

    /// The same for root's own acts, which are not asked by anybody: containers may be of any runtime,
    /// but what they are given is as restricted as ever.
    #[must_use]
    pub fn for_root(self) -> Self {
        Self {
            powers: self.powers,
            ..Self::default()
        }
    }

    /// Judges a runtime, by name.
    ///
    /// # Errors
    /// Its containers and images are only to be looked at.
    pub fn judge_runtime(&self, name: &str) -> Result<(), Denied> {
        match &self.runtimes {
            Some(allowed) if !allowed.iter().any(|runtime| runtime == name) => {
                Err(Denied::new(format_args!("the runtime {name}"), "runtimes"))
            }
            _ => Ok(()),
        }
    }

    /// Judges what a container is asked to be. Paths are judged as they lead now; what is mounted is judged
    /// once more when it is, on the open descriptor.
    ///
    /// # Errors
    /// What it would have that none may have.
    pub fn judge_asked(&self, asked: &Spec) -> Result<(), Denied> {
        self.powers.judge(asked)?;
        self.powers.sources_of(asked).judge_as_written(asked)
    }

    /// Judges a container that is to be started or entered. `asked`: everything that it has, which may be
    /// more than its specification shows.
    ///
    /// # Errors
    /// What it has that none may have.
    pub fn judge(&self, container: &Container, asked: &Spec) -> Result<(), Denied> {
        self.judge_runtime(&container.runtime)?;
        if container.lower_dirs.iter().any(|lower| lower == MACHINE_ROOT) {
            let sources = self.powers.sources_of(asked);
            sources.judge_bind(Path::new(MACHINE_ROOT), true)?;
        }
        self.judge_asked(asked)
    }

    /// Judges a further process of a container. One with every power is judged as a container with
    /// every power: it can do no less to the machine.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn judge_exec(&self, container: &Container, asked: &Spec, exec: &ExecSpec) -> Result<(), Denied> {
        if !powers::is_privileged(exec) {
            return self.judge(container, asked);
        }
        let mut all = asked.clone();
        all.security.privileged = true;
        self.judge(container, &all)
    }
}

/// For the fuzzer: any text is a ceiling or none, and one that says no means it.
#[cfg(fuzzing)]
pub fn fuzz(text: &str) {
    let Ok(ceiling) = text::parse(text) else { return };
    let _ = ceiling.gaps();
    let mut everything = Spec::default();
    everything.security.privileged = true;
    if ceiling.powers.privileged == Some(false) {
        assert!(ceiling.judge_asked(&everything).is_err(), "{ceiling:?}");
    }
}

#[cfg(test)]
mod tests;
