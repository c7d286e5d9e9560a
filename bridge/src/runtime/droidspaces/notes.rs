//! What this runtime keeps for itself, outside the workspace: which run began when, so that the same
//! run has the same beginning after a restart of the bridge; and that history was taken over.

use std::fs;
use std::path::{Path, PathBuf};

use wire::reader::Unknown;
use wire::{ContainerId, Time, record};

use super::living::Run;
use crate::shim::record::{Durability, boot_id, read, sync_directory, write};

/// File of the runs.
const RUNS: &str = "runs";

/// File that is there once history was taken over.
const TAKEN_OVER: &str = "history-taken-over";

record! {
    /// One run.
    pub struct RunNote {
        /// The container.
        1 => id: ContainerId,
        /// Its first process.
        2 => pid: u32,
        /// When that started, in clock ticks since the machine did.
        3 => ticks: u64,
        /// When that was.
        4 => started_at: Time,
    }
}

record! {
    /// All runs.
    pub struct Runs {
        /// The boot of the machine that they belong to.
        1 => boot_id: String,
        /// The runs.
        2 => runs: Vec<RunNote>,
    }
}

/// The notes.
#[derive(Debug)]
pub(super) struct Notes {
    folder: PathBuf,
}

impl Notes {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Runs of this boot of the machine. Notes that cannot be read are none.
    pub(super) fn runs(&self) -> Vec<RunNote> {
        match read::<Runs>(&self.folder, RUNS, Unknown::Skip) {
            Ok(Some(noted)) if noted.boot_id == boot_id() => noted.runs,
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "the notes about runs cannot be read");
                Vec::new()
            }
        }
    }

    /// Replaces the notes. What is lost with the machine is worth nothing afterwards.
    pub(super) fn keep<'a>(&self, runs: impl Iterator<Item = (ContainerId, &'a Run)>) {
        let runs = runs.map(|(id, run)| RunNote {
            id,
            pid: run.pid,
            ticks: run.ticks,
            started_at: run.started_at,
        });
        let noted = Runs {
            boot_id: boot_id(),
            runs: runs.collect(),
        };
        if let Err(error) = write(&self.folder, RUNS, &noted, Durability::Volatile) {
            tracing::warn!(%error, "runs cannot be noted: after a restart they will seem to be others");
        }
    }

    /// Whether history was taken over.
    pub(super) fn is_history_taken_over(&self) -> bool {
        self.folder.join(TAKEN_OVER).exists()
    }

    /// Notes that it was.
    pub(super) fn take_over_history(&self) {
        let made = fs::File::create(self.folder.join(TAKEN_OVER)).and_then(|file| file.sync_all());
        if let Err(error) = made.and_then(|()| sync_directory(&self.folder)) {
            tracing::warn!(%error, "it cannot be noted that history was taken over");
        }
    }
}
