//! Entries of a log's file, as far as they have arrived.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::time::SystemTime;

use wire::Time;
use wire::files::LogFile;
use wire::log::{ENTRY_HEADER_BYTES, EntryHeader};

/// A file of a log, open for reading.
#[derive(Debug)]
pub struct OpenFile {
    pub(super) file: File,
    /// Its place among all files of the log.
    pub(super) number: u64,
    /// Bytes in it when the bridge opened it.
    pub(super) bytes: u64,
}

impl OpenFile {
    /// A descriptor and what the bridge says of it.
    #[must_use]
    pub fn new(descriptor: OwnedFd, told: &LogFile) -> Self {
        Self {
            file: File::from(descriptor),
            number: told.number,
            bytes: told.bytes,
        }
    }

    /// What the kernel calls the file now: it changes when the file is put aside or removed. None
    /// where `/proc` is missing.
    pub(super) fn name(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/self/fd/{}", self.file.as_raw_fd())).ok()
    }

    /// Device and number, by which it is known under any name.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        let metadata = self.file.metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// When it was last written to; never where nobody knows.
    pub(super) fn modified_at(&self) -> Time {
        let modified = self.file.metadata().and_then(|metadata| metadata.modified());
        let elapsed = modified
            .ok()
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        elapsed.map_or(Time::NEVER, Time::since_epoch)
    }
}

/// A length as a place in a file.
pub(super) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// What stands at a place.
#[derive(Debug)]
pub(super) enum Parsed<'a> {
    /// A whole entry: its header, its text, and all the bytes it takes.
    Entry(EntryHeader, &'a [u8], usize),
    /// The beginning of one.
    Short,
    /// Bytes that are none.
    Damaged,
}

pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<ENTRY_HEADER_BYTES>() else {
        return Parsed::Short;
    };
    let Some(header) = EntryHeader::parse(head) else {
        return Parsed::Damaged;
    };
    let length = usize::try_from(header.length).unwrap_or(usize::MAX);
    let Some((text, rest)) = rest.split_at_checked(length) else {
        return Parsed::Short;
    };
    let Some(trailer) = rest.first_chunk() else {
        return Parsed::Short;
    };
    if u32::from_le_bytes(*trailer) != header.length {
        return Parsed::Damaged;
    }
    let whole = head.len().saturating_add(length).saturating_add(trailer.len());
    Parsed::Entry(header, text, whole)
}

/// Reads at a place until the buffer is full or the file ends; how many bytes.
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0_usize;
    while let Some(space) = buffer.get_mut(filled..).filter(|space| !space.is_empty()) {
        let place = at.saturating_add(wide(filled));
        match file.read_at(space, place) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
