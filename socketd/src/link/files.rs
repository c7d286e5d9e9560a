//! Calls about what is inside a container: what it uses, its processes and its files.

use std::os::fd::OwnedFd;
use std::time::Duration;
use std::{fmt, io};

use bytes::{Bytes, BytesMut};
use rustix::fs::{FileType, fstat};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;
use wire::files::{Commit, ContainerPath, PathChange, PathStat, Update, WriteArchive};
use wire::image::Image;
use wire::request::ContainerRef;
use wire::stats::ProcessInfo;
use wire::{Flow, Request, Response, Stats};

use super::calls::{container_ref, done, unexpected};
use super::{Link, LinkError, LongCall, Upload, UploadError, refused};
use crate::limits::{ACT_TIME_MAX, ANSWER_BYTES_MAX, ARCHIVE_PART_BYTES_MAX, IMPORT_TIME_MAX};

/// How many frames a long answer of the greatest length may have.
const FRAMES_MAX: usize = ANSWER_BYTES_MAX / wire::limits::CHUNK_BYTES;

impl Link {
    /// The processes of a container, by rising number.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn processes(&self, reference: &str) -> Result<Vec<ProcessInfo>, LinkError> {
        let mut processes = Vec::new();
        let request = Request::ListProcesses(container_ref(reference));
        self.call_each(&request, |frame| match frame {
            Response::Processes(part) => {
                processes.extend(part.processes);
                Ok(())
            }
            other => unexpected(&other),
        })
        .await?;
        Ok(processes)
    }

    /// What a container uses now.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn stats(&self, reference: &str) -> Result<Box<Stats>, LinkError> {
        let request = Request::ReadStats(container_ref(reference));
        match self.call(&request).await? {
            Response::Stats(stats) => Ok(stats),
            other => unexpected(&other),
        }
    }

    /// What differs from the image, sorted by path. The bridge has to walk directories for it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn changes(&self, reference: &str) -> Result<Vec<PathChange>, LinkError> {
        let request = Request::ListChanges(container_ref(reference));
        let mut call = self.call_long(&request).await?;
        let walk = async {
            let mut changes = Vec::new();
            for _ in 0..FRAMES_MAX {
                let (flow, response) = call.connection.receive().await?;
                match refused(response)? {
                    Response::Changes(part) => changes.extend(part.changes),
                    other => return unexpected(&other),
                }
                if flow == Flow::Last {
                    return Ok(changes);
                }
            }
            Err(LinkError::Endless)
        };
        timeout(ACT_TIME_MAX, walk).await.unwrap_or(Err(LinkError::Late))
    }

    /// Freezes a container's processes.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn pause(&self, reference: &str) -> Result<(), LinkError> {
        done(self.call(&Request::Pause(container_ref(reference))).await?)
    }

    /// Thaws them.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn unpause(&self, reference: &str) -> Result<(), LinkError> {
        done(self.call(&Request::Unpause(container_ref(reference))).await?)
    }

    /// Changes what a container may use; answers what the user should know.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn update(&self, update: Update) -> Result<Vec<String>, LinkError> {
        match self.call(&Request::Update(Box::new(update))).await? {
            Response::Updated(updated) => Ok(updated.warnings),
            other => unexpected(&other),
        }
    }

    /// Makes an image of a container; takes as long as copying its files takes.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn commit(&self, commit: Commit) -> Result<Box<Image>, LinkError> {
        let request = Request::Commit(Box::new(commit));
        match self.call_until(&request, Some(IMPORT_TIME_MAX)).await? {
            Response::Imported(image) => Ok(image),
            other => unexpected(&other),
        }
    }

    /// What a path in a container is.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn stat_path(&self, path: ContainerPath) -> Result<PathStat, LinkError> {
        match self.call(&Request::StatPath(path)).await? {
            Response::PathStat(stat) => Ok(stat),
            other => unexpected(&other),
        }
    }

    /// Begins to take what is at a path out of a container.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn read_archive(&self, path: ContainerPath) -> Result<Download, LinkError> {
        self.download(&Request::ReadArchive(path)).await
    }

    /// Begins to take a container's whole root file system out of it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn export(&self, container: ContainerRef) -> Result<Download, LinkError> {
        self.download(&Request::Export(container)).await
    }

    async fn download(&self, request: &Request) -> Result<Download, LinkError> {
        let mut call = self.call_long(request).await?;
        let first = timeout(ACT_TIME_MAX, call.receive_passed())
            .await
            .unwrap_or(Err(LinkError::Late))?;
        match first {
            (Response::Archive(archive), mut passed) => {
                let way = passed.pop().filter(|_| passed.is_empty());
                let way = way.and_then(|way| readable(way).ok()).ok_or(LinkError::Lost)?;
                Ok(Download {
                    stat: archive.stat,
                    call,
                    way,
                })
            }
            (other, _) => unexpected(&other),
        }
    }

    /// Begins to put files into a container: sends the request and the descriptor they will come from.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub async fn write_archive(&self, request: WriteArchive) -> Result<Upload, UploadError> {
        self.upload(&Request::WriteArchive(request)).await
    }
}

impl Upload {
    /// Says that this was all, and waits until it is unpacked.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub async fn unpacked(self) -> Result<(), UploadError> {
        done(self.end().await?).map_err(UploadError::Link)
    }
}

/// Where a tar comes from: a pipe or a socket, as the bridge likes.
type Way = Box<dyn AsyncRead + Send + Sync + Unpin>;

/// A descriptor that can be waited for.
fn readable(way: OwnedFd) -> io::Result<Way> {
    match FileType::from_raw_mode(fstat(&way)?.st_mode) {
        FileType::Socket => {
            let socket = std::os::unix::net::UnixStream::from(way);
            socket.set_nonblocking(true)?;
            Ok(Box::new(UnixStream::from_std(socket)?))
        }
        _ => Ok(Box::new(Receiver::from_owned_fd(way)?)),
    }
}

/// A tar on its way out of a container. Dropped before its end, whoever packs it is told so by the
/// descriptor's end and the call's.
pub struct Download {
    /// What is in it.
    pub stat: PathStat,
    call: LongCall,
    way: Way,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("stat", &self.stat)
            .finish_non_exhaustive()
    }
}

impl Download {
    /// The next bytes; none at the end, once the bridge has said that it was the end of all.
    ///
    /// # Errors
    /// [`LinkError::Late`] for a silence that is too long, the bridge's refusal, its end, or bytes
    /// that cannot be read.
    pub async fn next(&mut self, silence_max: Duration) -> Result<Option<Bytes>, LinkError> {
        let late = |_| LinkError::Late;
        let part = timeout(silence_max, self.read()).await.map_err(late)?;
        let part = part.map_err(|_| LinkError::Lost)?;
        if !part.is_empty() {
            return Ok(Some(part));
        }
        // A tar that was cut short looks whole to a pipe's reader: the bridge says which it was.
        let verdict = timeout(silence_max, self.call.receive()).await.map_err(late)?;
        done(verdict?).map(|()| None)
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        let mut part = BytesMut::zeroed(ARCHIVE_PART_BYTES_MAX);
        let count = self.way.read(&mut part).await?;
        part.truncate(count);
        Ok(part.freeze())
    }
}
