//! What is too large for memory waits in a file without a name, which goes with whoever has it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, SeekFrom};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;

/// Where spools can be, and how many more.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    dir: Arc<PathBuf>,
    free: Arc<Semaphore>,
}

/// A file without a name: written once, then read once.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    _place: OwnedSemaphorePermit,
}

impl Room {
    /// In `dir`, which must be there.
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: Arc::new(dir.to_owned()),
            free: Arc::new(Semaphore::new(limits::SPOOLS_AT_ONCE)),
        }
    }

    /// A new file, once there is room for one.
    ///
    /// # Errors
    /// The directory takes none.
    pub(crate) async fn spool(&self) -> io::Result<Spool> {
        let place = self
            .free
            .clone()
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        self.take(place)
    }

    /// A new file, unless there is no room for one now.
    ///
    /// # Errors
    /// The directory takes none; [`io::ErrorKind::ResourceBusy`].
    pub(crate) fn spool_now(&self) -> io::Result<Spool> {
        let place = self.free.clone().try_acquire_owned();
        self.take(place.map_err(|_| io::Error::from(io::ErrorKind::ResourceBusy))?)
    }

    fn take(&self, place: OwnedSemaphorePermit) -> io::Result<Spool> {
        let mut file = File::from_std(tempfile::tempfile_in(self.dir.as_path())?);
        file.set_max_buf_size(limits::FRAGMENT);
        Ok(Spool { file, _place: place })
    }
}

impl Spool {
    /// Adds `bytes`.
    ///
    /// # Errors
    /// The disk is full, or worse.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// Turns to its beginning, to be read.
    ///
    /// # Errors
    /// What was written has not arrived.
    pub(crate) async fn rewind(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.seek(SeekFrom::Start(0)).await.map(drop)
    }

    /// Fills `bytes` as far as there is something; gives how much.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut full = 0;
        while let Some(rest) = bytes.get_mut(full..).filter(|rest| !rest.is_empty()) {
            match self.file.read(rest).await? {
                0 => break,
                count => full += count,
            }
        }
        Ok(full)
    }
}
