//! What the journal asks of a file system, and the real one.
//!
//! The trait is narrow so that a test can hold every write back, cut it anywhere and fail any
//! call. It must know nothing of segments or records.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::libc::O_NOFOLLOW;

/// One directory of files. Names are plain file names.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Every name in the directory, in any order.
    ///
    /// # Errors
    /// What the file system says.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file to be written; one of that name is emptied.
    ///
    /// # Errors
    /// What the file system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Opens a file to be read.
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::NotFound`] where there is none.
    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Opens a file to be written further.
    ///
    /// # Errors
    /// What the file system says.
    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Gives a file another name, replacing what had it, at once or not at all.
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns once every name made, changed or removed before is durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync(&self) -> io::Result<()>;
}

/// One open file.
pub trait File: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads some bytes at an offset; zero at the end.
    ///
    /// # Errors
    /// What the file system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some bytes at an offset and says how many.
    ///
    /// # Errors
    /// What the file system says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// What the file system says.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Returns once everything written before is durable, the length included.
    ///
    /// # Errors
    /// What the file system says.
    fn sync(&self) -> io::Result<()>;
}

/// Writes all of `bytes`, however few the file takes at a time.
pub(crate) fn write_all_at(file: &dyn File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset = offset.saturating_add(crate::width::wide(written));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A real directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    handle: fs::File,
    /// Held for as long as this lives; the kernel lets go of it however the process ends.
    _lock: Option<Flock<fs::File>>,
}

/// Name of the file whose lock says who may write.
const LOCK_NAME: &str = "lock";

impl Directory {
    /// Opens a directory for its one writer. Makes it, for its owner alone, where it is missing.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where another writer has it, or what the file system says.
    pub fn lock(path: &Path) -> io::Result<Self> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                // A directory that a power cut takes back takes every event in it along.
                if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    fs::File::open(parent)?.sync_all()?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let mut directory = Self::look(path)?;
        let file = directory
            .options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK_NAME))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)?;
        directory._lock = Some(lock);
        Ok(directory)
    }

    /// Opens a directory only to read it, beside its writer.
    ///
    /// # Errors
    /// What the file system says.
    pub fn look(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            handle: fs::File::open(path)?,
            _lock: None,
        })
    }

    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        // The directory is root's alone; a link in it was not put there by the journal.
        options.mode(0o600).custom_flags(O_NOFOLLOW);
        options
    }
}

impl Storage for Directory {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not text is no name of the journal's.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let file = self
            .options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.path.join(name))?;
        Ok(Box::new(file))
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(self.options().read(true).open(self.path.join(name))?))
    }

    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(self.options().write(true).open(self.path.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }
}

impl File for fs::File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        // fdatasync: it carries the length where that has changed, and spares the access times.
        self.sync_data()
    }
}
