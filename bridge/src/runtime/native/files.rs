//! A container's files, by packers.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;
use wire::files::{Commit, PathChange, PathStat, WriteArchive};
use wire::{ContainerId, Image};

use super::super::{RuntimeError, Tar};
use super::NativeRuntime;
use super::packer::Packer;
use crate::pack::limits::PATH_BYTES_MAX;
use crate::pack::task::{Task, Verdict, Work};

/// Room in the pipe a tar comes out of, in bytes: what a process may have without privileges. With the
/// usual sixteenth of it the two ends wake each other for every few files.
const PIPE_BYTES: i32 = 1 << 20;

/// Most differences of one container. Stops a container with many millions of files from filling the
/// bridge's memory.
const CHANGES_MAX: usize = 1 << 20;

impl NativeRuntime {
    /// See [`Runtime::changes`](super::Runtime::changes).
    pub(super) fn list_changes(&self, id: &ContainerId) -> Result<Vec<PathChange>, RuntimeError> {
        self.whether_it_runs_or_not(|stopped| {
            let task = self.task(id, Work::Compare, "/", stopped)?;
            let mut packer = self.pack(id, &task, Stdio::null())?;
            let mut changes = Vec::new();
            loop {
                let word = packer.word("/")?;
                changes.extend(word.changes);
                if changes.len() > CHANGES_MAX {
                    return Err(RuntimeError::Unsupported(format!(
                        "more than {CHANGES_MAX} files have changed"
                    )));
                }
                if word.verdict == Verdict::Done {
                    changes.sort_by(|one, other| one.path.cmp(&other.path));
                    return Ok(changes);
                }
            }
        })
    }

    /// See [`Runtime::stat_path`](super::Runtime::stat_path).
    pub(super) fn look_at(&self, id: &ContainerId, path: &str) -> Result<PathStat, RuntimeError> {
        self.whether_it_runs_or_not(|stopped| {
            let task = self.task(id, Work::Stat, path, stopped)?;
            let mut packer = self.pack(id, &task, Stdio::null())?;
            let stat = packer.first_word(path)?.stat;
            packer.finish(path)?;
            Ok(stat)
        })
    }

    /// A tar as it is made. `Work::Read` packs the path, others the root.
    pub(super) fn tar(&self, id: &ContainerId, work: Work, path: &str) -> Result<Tar, RuntimeError> {
        self.whether_it_runs_or_not(|stopped| {
            let task = self.task(id, work, path, stopped)?;
            let (stream, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(RuntimeError::system("make a pipe"))?;
            // A machine that allows less gives less.
            let _ = fcntl(&stream, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
            let mut packer = self.pack(id, &task, Stdio::from(theirs))?;
            let stat = packer.first_word(path)?.stat;
            let path = path.to_owned();
            Ok(Tar {
                stat,
                stream,
                ears: packer.ears()?,
                end: Box::new(move || packer.finish(&path)),
            })
        })
    }

    /// See [`Runtime::write_archive`](super::Runtime::write_archive).
    pub(super) fn put(&self, id: &ContainerId, ask: &WriteArchive, tar: OwnedFd) -> Result<(), RuntimeError> {
        let task = Task {
            keep_kinds: ask.keep_kinds,
            keep_owners: ask.keep_owners,
            ..self.task(id, Work::Write, &ask.path, false)?
        };
        let sender = tar
            .try_clone()
            .map_err(RuntimeError::system("open the archive"))?;
        self.pack(id, &task, Stdio::from(File::from(tar)))?
            .finish_reading(&sender, &ask.path)
    }

    /// See [`Runtime::commit`](super::Runtime::commit).
    pub(super) fn make_image(&self, id: &ContainerId, ask: &Commit) -> Result<Image, RuntimeError> {
        let Tar { stream, end, .. } = self.tar(id, Work::Commit, "/")?;
        // A packer that fails leaves a tar without an end, of which no image is made; then it knows why.
        match (self.store.commit(ask, stream), end()) {
            (Ok(image), _) => Ok(image),
            (Err(RuntimeError::InvalidArchive(_)), Err(error)) | (Err(error), _) => Err(error),
        }
    }

    fn pack(&self, id: &ContainerId, task: &Task, tar: Stdio) -> Result<Packer, RuntimeError> {
        self.packers.start(&self.program, id, task, tar)
    }

    /// Reading does not care: a container that ended just now is asked for once more, as one that does
    /// not run.
    fn whether_it_runs_or_not<T>(
        &self,
        ask: impl Fn(bool) -> Result<T, RuntimeError>,
    ) -> Result<T, RuntimeError> {
        match ask(false) {
            Err(RuntimeError::NotRunning) => ask(true),
            other => other,
        }
    }

    fn task(&self, id: &ContainerId, work: Work, path: &str, stopped: bool) -> Result<Task, RuntimeError> {
        if path.len() > PATH_BYTES_MAX || path.contains('\0') {
            return Err(RuntimeError::NoSuchPath(path.to_owned()));
        }
        let order = self.order(&self.config(id)?)?;
        let directory = self.directory(id);
        let directory = directory.to_str().ok_or_else(|| {
            RuntimeError::Unsupported(format!("the path {} is not UTF-8", directory.display()))
        })?;
        let run = self.with_watcher(|watcher| watcher.run(id)).flatten();
        let run = run.filter(|_| !stopped).unwrap_or_default();
        Ok(Task {
            work,
            path: path.to_owned(),
            pid: run.pid,
            started_ticks: run.started_ticks,
            order,
            directory: directory.to_owned(),
            ..Task::default()
        })
    }
}
