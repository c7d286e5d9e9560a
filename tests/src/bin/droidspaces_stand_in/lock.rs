//! `Pids/<name>.lock`: a stop or a restart is under way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use harness::droidspaces::replace;

use crate::place::Place;
use crate::{Failure, state};

/// The lock of a container, held by this process until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
}

impl Lock {
    /// Takes it. As there, in several steps: two that come at once both get it.
    pub(crate) fn take(place: &Place, name: &str) -> Result<Self, Failure> {
        let path = place.sidecar(name, "lock");
        if is_held(&path) {
            let text = format!("Another operation on container '{name}' is in progress");
            return Err(Failure::failed(text));
        }
        let text = format!("{} {}", process::id(), boot_id()?);
        replace(&path, text.as_bytes())?;
        Ok(Self { path })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the process that is named in the file lives, and the machine has not been started again since.
pub(crate) fn is_held(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let Some((pid, boot)) = text.trim().split_once(' ') else {
        return false;
    };
    let alive = pid.parse().is_ok_and(state::is_alive);
    alive && boot_id().is_ok_and(|own| own == boot)
}

fn boot_id() -> io::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}
