//! Who follows a console: the writing end of a pipe for each, which gets a byte after every write.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use nix::errno::Errno;
use nix::unistd::write;

use super::limits::BELLS_MAX;
use crate::lock::hold;
use crate::runtime::bell::is_deserted;

/// The bells, by the safe name of the container.
#[derive(Debug, Default)]
pub(super) struct Bells(Mutex<HashMap<String, Vec<OwnedFd>>>);

impl Bells {
    /// Keeps one.
    pub(super) fn keep(&self, safe_name: &str, bell: OwnedFd) -> io::Result<()> {
        let mut bells = hold(&self.0);
        for of_one in bells.values_mut() {
            of_one.retain(|bell| !is_deserted(bell));
        }
        if bells.values().map(Vec::len).sum::<usize>() >= BELLS_MAX {
            return Err(Errno::EMFILE.into());
        }
        bells.entry(safe_name.to_owned()).or_default().push(bell);
        Ok(())
    }

    /// Whether anybody follows.
    pub(super) fn follows(&self, safe_name: &str) -> bool {
        hold(&self.0)
            .get(safe_name)
            .is_some_and(|bells| !bells.is_empty())
    }

    /// Rings; those whose reader has gone are let go.
    pub(super) fn ring(&self, safe_name: &str) {
        let mut bells = hold(&self.0);
        if let Some(of_it) = bells.get_mut(safe_name) {
            of_it.retain(|bell| match write(bell, b"\n") {
                // Full: it has rung, and was not heard yet.
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => true,
                Err(_) => false,
            });
            if of_it.is_empty() {
                bells.remove(safe_name);
            }
        }
    }

    /// Rings for the last time.
    pub(super) fn end(&self, safe_name: &str) {
        drop(hold(&self.0).remove(safe_name));
    }
}
