//! What a container wrote, with when and where to, in files of bounded size and number.
//!
//! The bytes are those of [`wire::log`]. `log` is the file being written, `log.1` the one before it,
//! and so on. What was there when the shim read a pipe is written at once, in one write for most
//! reads, so nothing waits in memory for a line to end.
//!
//! A failed write, as on a full disk, loses what was to be written and cuts the file back to its last
//! whole entry. It never stops the container, which does not know that there is a log.
//!
//! A reader may come at any moment: it takes an entry for whole once its length stands behind its text.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use wire::Time;
use wire::log::{
    ENTRY_HEADER_BYTES, ENTRY_TRAILER_BYTES, EntryHeader, FILE_HEADER_BYTES, Stream, TEXT_BYTES_MAX,
    file_header, file_number,
};

use super::plan::log::LogPlan;

/// Entries are gathered up to about so many bytes before they are written. Keeps the shim small
/// when a container writes nothing but line feeds.
const BATCH_BYTES: usize = 64 * 1024;

/// Access rights of a file.
const MODE: u32 = 0o640;

const FILE_HEADER: u64 = 16;
const ENTRY_HEADER: u64 = 16;
const ENTRY_TRAILER: u64 = 4;

const _: () = assert!(FILE_HEADER_BYTES == 16 && ENTRY_HEADER_BYTES == 16 && ENTRY_TRAILER_BYTES == 4);

/// The log, open for appending.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    plan: LogPlan,
    file: Option<File>,
    length: u64,
    /// Number of the file that was begun or found last; zero before the first.
    number: u64,
    batch: Vec<u8>,
}

/// The path of the file that was begun `age` files before the one being written.
#[must_use]
pub fn path_of(log: &Path, age: usize) -> PathBuf {
    if age == 0 {
        log.to_owned()
    } else {
        log.with_extension(age.to_string())
    }
}

/// The number in the header of an open file; none where it has none.
#[must_use]
pub fn number_of(file: &File) -> Option<u64> {
    let mut header = [0; FILE_HEADER_BYTES];
    file.read_exact_at(&mut header, 0).ok()?;
    file_number(&header)
}

/// Begins a log that nobody has begun: whoever follows a container from before its start has the file open then
/// that it will write to, however soon both are gone again. One that is there stays as it is.
///
/// # Errors
/// What the file system says. The shim begins it all the same.
pub fn begin(path: &Path) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    if (0..wire::files::LOG_FILES_MAX).any(|age| path_of(path, age).exists()) {
        return Ok(());
    }
    // Never there without its header, which the shim would write once more.
    let draft = path.with_extension(format!("new{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(MODE)
        .open(&draft)?;
    let made = file
        .write_all(&file_header(1))
        .and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match made {
        // Somebody was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

impl Log {
    /// Opens the log, or begins it. A last entry that was not finished, after a loss of power, ends
    /// the file for ever: it is put aside as it is.
    #[must_use]
    pub fn open(path: PathBuf, plan: LogPlan) -> Self {
        let number = (0..plan.files)
            .filter_map(|age| File::open(path_of(&path, age)).ok())
            .find_map(|file| number_of(&file));
        let mut log = Self {
            path,
            plan,
            file: None,
            length: 0,
            number: number.unwrap_or_default(),
            batch: Vec::new(),
        };
        log.remove_surplus();
        // What cannot be opened now is tried again with the next line.
        let _ = log.reopen();
        log
    }

    /// Appends what was read from a stream, split at line ends.
    pub fn append(&mut self, time: Time, stream: Stream, text: &[u8]) {
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            for part in line.chunks(TEXT_BYTES_MAX) {
                self.push(time, stream, part);
                if self.batch.len() >= BATCH_BYTES {
                    self.flush();
                }
            }
        }
        self.flush();
    }

    fn push(&mut self, time: Time, stream: Stream, part: &[u8]) {
        let header = EntryHeader {
            time,
            stream,
            partial: !part.ends_with(b"\n"),
            length: u32::try_from(part.len()).unwrap_or_default(),
        };
        self.batch.extend_from_slice(&header.encode());
        self.batch.extend_from_slice(part);
        self.batch.extend_from_slice(&header.length.to_le_bytes());
    }

    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.write_batch().is_err()
            && let Some(file) = &self.file
            && file.set_len(self.length).is_err()
        {
            self.file = None;
        }
        self.batch.clear();
    }

    fn write_batch(&mut self) -> io::Result<()> {
        self.check_open()?;
        if self.length >= self.plan.file_bytes.max(FILE_HEADER + 1) {
            self.put_aside()?;
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.write_all(&self.batch)?;
        self.length += u64::try_from(self.batch.len()).unwrap_or_default();
        Ok(())
    }

    /// Somebody may have deleted the file, or emptied it, to have room on the disk: then the log goes
    /// on in a new one.
    fn check_open(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            let found = file.metadata()?;
            if found.nlink() == 0 {
                self.file = None;
            } else if found.len() != self.length {
                self.put_aside()?;
            }
        }
        if self.file.is_none() {
            self.reopen()?;
        }
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let mut file = self.open_current()?;
        let mut length = file.metadata()?.len();
        if length != 0 && !is_whole(&file, length) {
            drop(file);
            self.shift()?;
            file = self.open_current()?;
            length = 0;
        }
        if length == 0 {
            if let Err(error) = file.write_all(&file_header(self.number + 1)) {
                // A part of a header would be in the way of the next attempt.
                let _ = file.set_len(0);
                return Err(error);
            }
            self.number += 1;
            length = FILE_HEADER;
        }
        self.file = Some(file);
        self.length = length;
        Ok(())
    }

    fn open_current(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(MODE)
            .open(&self.path)
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.shift()?;
        self.file = None;
        self.reopen()
    }

    /// Makes every file one older; the oldest goes.
    fn shift(&self) -> io::Result<()> {
        if self.plan.files <= 1 {
            return fs::remove_file(&self.path);
        }
        for age in (0..self.plan.files - 1).rev() {
            match fs::rename(path_of(&self.path, age), path_of(&self.path, age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes files of an earlier version that kept more of them.
    fn remove_surplus(&self) {
        for age in self.plan.files..wire::files::LOG_FILES_MAX {
            if fs::remove_file(path_of(&self.path, age)).is_err() {
                return;
            }
        }
    }
}

/// Whether a file begins as one of a log and ends with a whole entry: its two lengths agree.
fn is_whole(file: &File, length: u64) -> bool {
    let number = |at: u64| {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, at).ok()?;
        Some(u64::from(u32::from_le_bytes(bytes)))
    };
    let agree = || {
        let trailer = number(length.checked_sub(ENTRY_TRAILER)?)?;
        let start = length.checked_sub(ENTRY_TRAILER + trailer + ENTRY_HEADER)?;
        let header = number(start + ENTRY_HEADER - 4)?;
        (start >= FILE_HEADER && header == trailer).then_some(())
    };
    number_of(file).is_some() && (length == FILE_HEADER || agree().is_some())
}

#[cfg(test)]
mod tests;
