//! A container's files: what changed, taking out, putting in, making an image of them.

use std::os::fd::OwnedFd;

use wire::files::{Commit, ContainerPath, PathChange, PathStat, WriteArchive};
use wire::{Image, Refusal, RefusalCode};

use super::Supervisor;
use crate::runtime::Tar;

impl Supervisor {
    /// What differs from the image.
    pub(crate) fn changes(&self, reference: &str) -> Result<Vec<PathChange>, Refusal> {
        let id = self.inventory.resolve(reference)?;
        self.of_runtime(&id, |runtime| runtime.changes(&id))
    }

    /// What is at a path.
    pub(crate) fn stat_path(&self, ask: &ContainerPath) -> Result<PathStat, Refusal> {
        let id = self.inventory.resolve(&ask.reference)?;
        self.of_runtime(&id, |runtime| runtime.stat_path(&id, &ask.path))
    }

    /// Packs what is at a path.
    pub(crate) fn read_archive(&self, ask: &ContainerPath) -> Result<Tar, Refusal> {
        let id = self.inventory.resolve(&ask.reference)?;
        self.of_runtime(&id, |runtime| runtime.read_archive(&id, &ask.path))
    }

    /// Unpacks a tar in a container.
    pub(crate) fn write_archive(&self, ask: &WriteArchive, tar: OwnedFd) -> Result<(), Refusal> {
        let id = self.inventory.resolve(&ask.reference)?;
        self.of_runtime(&id, |runtime| runtime.write_archive(&id, ask, tar))
    }

    /// Packs the whole root file system.
    pub(crate) fn export(&self, reference: &str) -> Result<Tar, Refusal> {
        let id = self.inventory.resolve(reference)?;
        self.of_runtime(&id, |runtime| runtime.export(&id))
    }

    /// Makes an image of a container.
    pub(crate) fn commit(&self, _commit: &Commit) -> Result<Image, Refusal> {
        Err(Refusal::about(RefusalCode::Unsupported, ""))
    }
}
