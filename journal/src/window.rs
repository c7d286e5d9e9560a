//! A view of a file that moves forward, holding a part of it in memory.

use std::io;

use nix::errno::Errno;

use crate::limits::WINDOW_BYTES;
use crate::storage::File;
use crate::width::{narrow, wide};

/// What a disk reads as one piece; the least that an unreadable place takes.
const BLOCK_BYTES: usize = 4096;

/// The view.
#[derive(Debug)]
pub(crate) struct Window<'f> {
    file: &'f dyn File,
    /// Where in the file `held` begins.
    start: u64,
    held: Vec<u8>,
    /// Nothing at or after this is looked at.
    end: u64,
    /// Up to here, counted from the start of the file, some block could not be read.
    unreadable_until: u64,
}

impl<'f> Window<'f> {
    pub(crate) fn new(file: &'f dyn File, end: u64) -> Self {
        Self {
            file,
            start: 0,
            held: Vec::new(),
            end,
            unreadable_until: 0,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Whether a block at or after `offset`, among those looked at, could not be read.
    pub(crate) fn unreadable_after(&self, offset: u64) -> bool {
        self.unreadable_until > offset
    }

    /// The `count` bytes at `offset`, or as many as there are.
    pub(crate) fn bytes(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let count = count.min(narrow(self.end.saturating_sub(offset)));
        if self.part(offset, count).is_none() {
            self.fill(offset, count)?;
        }
        // After a fill the window may hold less than asked for: the file is shorter than it was.
        let from = narrow(offset.saturating_sub(self.start)).min(self.held.len());
        let to = from.saturating_add(count).min(self.held.len());
        Ok(self.held.get(from..to).unwrap_or_default())
    }

    /// What is in memory from `offset` on; empty where `offset` itself is not.
    pub(crate) fn held_from(&self, offset: u64) -> &[u8] {
        offset
            .checked_sub(self.start)
            .and_then(|from| self.held.get(narrow(from)..))
            .unwrap_or_default()
    }

    fn part(&self, offset: u64, count: usize) -> Option<&[u8]> {
        let from = narrow(offset.checked_sub(self.start)?);
        self.held.get(from..from.checked_add(count)?)
    }

    fn fill(&mut self, offset: u64, count: usize) -> io::Result<()> {
        let wanted = count
            .max(WINDOW_BYTES)
            .min(narrow(self.end.saturating_sub(offset)));
        self.start = offset;
        self.held.resize(wanted, 0);
        match read_full(self.file, &mut self.held, offset) {
            Ok(read) => self.held.truncate(read),
            Err(error) if is_bad_sector(&error) => self.fill_by_blocks(offset)?,
            Err(error) => {
                self.held.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reads what can be read of a stretch with a bad sector. The rest is zeros, which no
    /// checksum takes for a record, so that it is found damaged like any other.
    fn fill_by_blocks(&mut self, offset: u64) -> io::Result<()> {
        let mut at = offset;
        for block in self.held.chunks_mut(BLOCK_BYTES) {
            block.fill(0);
            match read_full(self.file, block, at) {
                Ok(_) => {}
                Err(error) if is_bad_sector(&error) => {
                    block.fill(0);
                    self.unreadable_until = self.unreadable_until.max(at.saturating_add(wide(block.len())));
                }
                Err(error) => return Err(error),
            }
            at = at.saturating_add(wide(block.len()));
        }
        Ok(())
    }
}

fn is_bad_sector(error: &io::Error) -> bool {
    error.raw_os_error().map(Errno::from_raw) == Some(Errno::EIO)
}

fn read_full(file: &dyn File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => break,
            Ok(count) => {
                read += count;
                offset = offset.saturating_add(wide(count));
                buffer = buffer.get_mut(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
