//! What tests have in place of Droidspaces: a workspace as it lies on a device, and the command that
//! drives it (`src/bin/droidspaces_stand_in`).
//!
//! Droidspaces itself needs a kernel and a machine of its own, and no test machine has it. So the files
//! here are written as it writes them, and the command does what it was measured to do.

use std::path::{Path, PathBuf};

mod config;
mod draft;
mod events;
mod root;
mod traces;
mod workspace;

pub use config::{Config, replace};
pub use draft::Draft;
pub use events::{EVENT_BYTES, Event};
pub use root::Rootfs;
pub use workspace::{Invocation, Workspace};

/// A path as the container of a process sees it, reached from outside.
pub fn inside(pid: i32, path: &str) -> PathBuf {
    Path::new(&format!("/proc/{pid}/root")).join(path.trim_start_matches('/'))
}

/// The longest name of a container, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// The name of a container's folder and files: each space becomes a dash, so that `a b` and `a-b` meet.
pub fn safe_name(name: &str) -> String {
    name.replace(' ', "-")
}

/// Whether Droidspaces takes a name.
pub fn is_name(name: &str) -> bool {
    let plain = |letter: u8| letter.is_ascii_alphanumeric() || b"._ -".contains(&letter);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(plain)
}
