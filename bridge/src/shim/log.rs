//! What a container wrote, with when and where to, in a file of bounded size.
//!
//! # Format
//!
//! A file begins with [`MAGIC`]. Then come entries, each:
//!
//! ```text
//! offset  bytes  what
//! 0       8      nanoseconds since 1970, little-endian as every number here
//! 8       1      1 standard output (or the terminal), 2 standard error
//! 9       1      flags: bit 0 set when the entry does not end a line
//! 10      2      zero
//! 12      4      length of the text, n, at most 16384
//! 16      n      the text, exactly as written, line feed included
//! 16+n    4      n again, so that a file can be read from its end
//! ```
//!
//! An entry is a line, or a part of one: what was there when the shim read the pipe is written at
//! once, so nothing waits in memory for a line to end. `log.1` is the file before this one.
//!
//! A failed write, as on a full disk, loses what was to be written and cuts the file back to its last
//! whole entry. It never stops the container, which does not know that there is a log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use wire::Time;

/// First bytes of a file.
pub const MAGIC: &[u8; 8] = b"SKTDLOG1";

/// Most bytes of text in an entry, and read from a pipe at once.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// A file that has reached this many bytes is put aside, and the one put aside before it removed.
/// Stops a talkative container from filling the disk.
pub const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Entries are gathered up to about so many bytes before they are written. Keeps the shim small
/// when a container writes nothing but line feeds.
const BATCH_BYTES: usize = 32 * 1024;

const HEADER_BYTES: u64 = 16;
const TRAILER_BYTES: u64 = 4;
const PARTIAL: u8 = 1;

/// Where a container wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or its terminal.
    Output,
    /// Standard error.
    Error,
}

/// The log, open for appending.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    length: u64,
    batch: Vec<u8>,
}

impl Log {
    /// Opens the log, or begins it. A last entry that was not finished, after a loss of power, ends
    /// the file for ever: it is put aside as it is.
    #[must_use]
    pub fn open(path: PathBuf) -> Self {
        let mut log = Self {
            path,
            file: None,
            length: 0,
            batch: Vec::new(),
        };
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
        let length = u32::try_from(part.len()).unwrap_or_default().to_le_bytes();
        let number = match stream {
            Stream::Output => 1,
            Stream::Error => 2,
        };
        let flags = if part.ends_with(b"\n") { 0 } else { PARTIAL };
        self.batch.extend_from_slice(&time.0.to_le_bytes());
        self.batch.extend_from_slice(&[number, flags, 0, 0]);
        self.batch.extend_from_slice(&length);
        self.batch.extend_from_slice(part);
        self.batch.extend_from_slice(&length);
    }

    fn flush(&mut self) {
        if self.write_batch().is_err()
            && let Some(file) = &self.file
            && file.set_len(self.length).is_err()
        {
            self.file = None;
        }
        self.batch.clear();
    }

    fn write_batch(&mut self) -> io::Result<()> {
        if self.length >= FILE_BYTES_MAX {
            self.put_aside()?;
        }
        if self.file.is_none() {
            self.reopen()?;
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.write_all(&self.batch)?;
        self.length += u64::try_from(self.batch.len()).unwrap_or_default();
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let open = |path: &PathBuf| {
            OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o640)
                .open(path)
        };
        let mut file = open(&self.path)?;
        let mut length = file.metadata()?.len();
        if length != 0 && !is_whole(&file, length) {
            drop(file);
            fs::rename(&self.path, self.aside())?;
            file = open(&self.path)?;
            length = 0;
        }
        if length == 0 {
            file.write_all(MAGIC)?;
            length = 8;
        }
        self.file = Some(file);
        self.length = length;
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<()> {
        fs::rename(&self.path, self.aside())?;
        self.file = None;
        self.reopen()
    }

    fn aside(&self) -> PathBuf {
        self.path.with_extension("1")
    }
}

/// Whether a file ends with a whole entry: its two lengths agree.
fn is_whole(file: &File, length: u64) -> bool {
    let number = |at: u64| {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, at).ok()?;
        Some(u64::from(u32::from_le_bytes(bytes)))
    };
    let agree = || {
        let trailer = number(length.checked_sub(TRAILER_BYTES)?)?;
        let start = length.checked_sub(TRAILER_BYTES + trailer + HEADER_BYTES)?;
        let header = number(start + HEADER_BYTES - 4)?;
        (start >= 8 && header == trailer).then_some(())
    };
    length == 8 || agree().is_some()
}

#[cfg(test)]
mod tests;
