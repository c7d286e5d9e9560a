//! Opening the file, and telling what is wrong with one.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageError};
use rustix::fs::{Mode, OFlags};

use super::tables;
use crate::coordinator::store::StoreError;
use crate::limits;

type Open = dyn Fn(&Builder) -> Result<Database, DatabaseError> + Send + Sync;

/// Where the database is.
#[derive(Clone)]
pub(super) struct Source {
    path: PathBuf,
    open: Arc<Open>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl Source {
    /// In this file.
    pub(super) fn file(path: PathBuf) -> Self {
        let at = path.clone();
        Self::new(path, move |builder| {
            builder.create_with_backend(FileBackend::new(file(&at).map_err(StorageError::Io)?)?)
        })
    }

    /// In whatever this opens; `path` is what messages call it.
    pub(super) fn new(
        path: PathBuf,
        open: impl Fn(&Builder) -> Result<Database, DatabaseError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            path,
            open: Arc::new(open),
        }
    }

    /// Opens it, looks through all of it, and sees to it that its tables are there.
    ///
    /// # Errors
    /// As [`super::Embedded::open`].
    pub(super) fn open(&self) -> Result<Database, StoreError> {
        let mut builder = Builder::new();
        builder
            .set_cache_size(limits::STORE_CACHE_BYTES)
            // Else what is wrong with it shows when it is met, and then as a panic.
            .set_check_integrity_on_open(true);
        let database = (self.open)(&builder).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => {
                StoreError::Open(self.path.clone(), "another process has it open".to_owned())
            }
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() != ErrorKind::InvalidData => {
                StoreError::Open(self.path.clone(), error.to_string())
            }
            other => self.error(other.into()),
        })?;
        let version = tables::prepare(&database).map_err(|error| self.error(error))?;
        if version == tables::VERSION {
            Ok(database)
        } else {
            Err(StoreError::Version(self.path.clone(), version))
        }
    }

    /// What an error of the database means.
    pub(super) fn error(&self, error: redb::Error) -> StoreError {
        match error {
            redb::Error::Io(error) if error.kind() != ErrorKind::InvalidData => {
                StoreError::Disk(error.to_string())
            }
            redb::Error::PreviousIo => StoreError::Disk("it failed before".to_owned()),
            redb::Error::DatabaseClosed => StoreError::Closed,
            error => StoreError::Damaged(self.path.clone(), error.to_string()),
        }
    }
}

/// The file of this path, for this user alone.
fn file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no file"))
    }
}
