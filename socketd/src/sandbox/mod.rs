//! Giving up power, and the walls behind which the process then serves: one file for each.
//!
//! In this order, all of it before a client is accepted:
//!
//! 1. [`network`]: where only unix sockets are listened on, no network at all;
//! 2. [`power`]: user, groups, capabilities, and the way back to any of them;
//! 3. [`resources`]: what of the machine may be used up;
//! 4. [`files`]: no file but what is named here; after the listeners were opened, which need more;
//! 5. [`calls`]: no system call but those that serving takes.
//!
//! Afterwards nothing that a client or the bridge sends meets a process that could do more than talk
//! to the two sockets. A wall that the kernel does not have is named in the log, once; the others
//! stand without it. One that it has and refuses ends the start.

pub(crate) mod calls;
mod descriptors;
mod files;
mod identity;
mod network;
mod power;
mod resources;

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use landlock::RulesetError;
use nix::errno::Errno;
use seccompiler::BackendError;

pub(crate) use self::calls::try_filter;
pub use self::descriptors::close_inherited;
pub use self::files::{Openings, landlock_version};
pub use self::identity::{Identity, IdentityError, find_group, prepare_directory};
pub use self::network::{INET, irrevocably_leave_network, sockets_need_a_group};
pub use self::power::{irrevocably_drop_power, irrevocably_keep_user_alone};
pub use self::resources::{limit, raise_descriptors};

/// At which step power could not be given up.
#[derive(Debug)]
pub enum SandboxError {
    /// The directory for a socket cannot be made.
    Directory(PathBuf, io::Error),
    /// The socket group is not in `/etc/group`.
    NoSuchGroup(String),
    /// `/etc/group` cannot be read.
    Groups(io::Error),
    /// A system call failed.
    Call(&'static str, Errno),
    /// A set of capabilities cannot be changed or read.
    Capabilities(caps::errors::CapsError),
    /// Everything succeeded, and yet this is left.
    StillThere(&'static str),
    /// The kernel can restrict files, and refuses to.
    Files(RulesetError),
    /// The filter of system calls could not be made.
    Program(BackendError),
    /// The kernel knows filters, and did not take it.
    Filter(io::Error),
}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, error) => write!(f, "cannot make {}: {error}", path.display()),
            Self::NoSuchGroup(name) => write!(f, "/etc/group has no group {name}"),
            Self::Groups(error) => write!(f, "cannot read /etc/group: {error}"),
            Self::Call(name, errno) => write!(f, "{name} failed: {errno}"),
            Self::Capabilities(error) => write!(f, "capabilities: {error}"),
            Self::StillThere(what) => write!(f, "{what} could not be given up"),
            Self::Files(error) => write!(f, "files could not be put out of reach: {error}"),
            Self::Program(error) => write!(f, "the filter of system calls: {error}"),
            Self::Filter(error) => write!(f, "the filter of system calls was not taken: {error}"),
        }
    }
}

impl std::error::Error for SandboxError {}

impl From<caps::errors::CapsError> for SandboxError {
    fn from(error: caps::errors::CapsError) -> Self {
        Self::Capabilities(error)
    }
}

/// Whether this process has one thread. Where `/proc` is missing nobody can tell.
fn is_alone() -> bool {
    fs::read_dir("/proc/self/task").map_or(true, |threads| threads.count() <= 1)
}

/// Puts every file but the openings out of reach, and every system call but those of serving: for good,
/// and for every thread to come.
///
/// # Errors
/// The first step that fails. The process must not go on then.
pub fn irrevocably_wall_in(openings: &Openings) -> Result<(), SandboxError> {
    // Looked at first: afterwards `/proc` is out of reach too.
    let alone = is_alone();
    let files = files::irrevocably_restrict(openings)?;
    if !files {
        tracing::warn!(
            "the kernel has no landlock: files are kept from socketd by their owners' rights alone"
        );
    }
    let calls = calls::irrevocably_filter()?;
    if !calls {
        tracing::warn!("the system has no system call filters: socketd does without");
    }
    // Walls stand around this thread and those that it makes. One that was there before is outside of them;
    // where there are none (an emulator of programs has a thread of its own, and neither) it is no further out
    // than we are.
    if (files || calls) && !alone {
        return Err(SandboxError::StillThere("a second thread"));
    }
    Ok(())
}
