//! What the unpacker tells the bridge: one record on its standard output, then it ends.
//!
//! The bridge reads it as it reads a peer's bytes. The unpacker has just read a stranger's archive,
//! and may by now be the stranger's.

use wire::ImageId;
use wire::{numbers, record};

/// Largest report, in bytes. Stops a subverted unpacker from making root allocate.
pub(crate) const REPORT_BYTES_MAX: u64 = 64 * 1024;

/// Longest sentence in a report, in characters. Stops an archive's names from filling the log.
pub(crate) const SENTENCE_CHARS_MAX: usize = 1024;

numbers! {
    /// How unpacking went.
    pub enum Verdict {
        /// The archive is no archive, or holds what an image may not.
        InvalidArchive = 1,
        /// The machine failed.
        System = 2,
        /// The root file system is complete and on the disk.
        Done = 3,
    }
}

record! {
    /// How unpacking went, and what came of it.
    pub struct Report {
        /// How it went.
        1 => verdict: Verdict,
        /// SHA-256 of the archive after decompression.
        2 => layer: ImageId,
        /// Bytes of the regular files, hard links counted once.
        3 => size_bytes: u64,
        /// How many entries the archive had.
        4 => entries: u64,
        /// How many extended attributes were not kept.
        5 => xattrs_left_out: u64,
        /// Why it failed.
        6 => sentence: String,
        /// The system's error number, where it was the machine.
        7 => errno: i32,
    }
}
