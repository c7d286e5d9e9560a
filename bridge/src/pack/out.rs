//! The tar on its way out: headers, data, and the blocks of zeros between and after them.
//!
//! Plain headers as POSIX has them, with an extended header before those that do not fit. Names are
//! bytes; nothing is translated.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use tar::{EntryType, Header};

use super::limits::OUTPUT_BYTES;

const BLOCK: usize = 512;

/// Largest owner, size and time that a plain header holds: seven and eleven octal digits.
const OWNER_MAX: u32 = 0o7_777_777;
const SIZE_MAX: u64 = 0o77_777_777_777;

/// Bytes of a name or link that a plain header holds.
const NAME_BYTES_MAX: usize = 100;

/// What is said about one entry.
#[derive(Debug)]
pub(super) struct Entry {
    /// Name, with a slash at the end for a directory.
    pub(super) name: Vec<u8>,
    /// Kind.
    pub(super) kind: EntryType,
    /// Where a link leads.
    pub(super) link: Vec<u8>,
    /// Permissions.
    pub(super) mode: u32,
    /// Owner.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
    /// Bytes of data that follow.
    pub(super) size: u64,
    /// Time of the last change, in seconds since 1970.
    pub(super) mtime: i64,
    /// Major and minor number of a device.
    pub(super) device: (u32, u32),
    /// Extended attributes.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Where the tar goes.
#[derive(Debug)]
pub(super) struct Out {
    file: File,
    /// As long as it ever gets; what is in it is `filled`.
    buffer: Vec<u8>,
    filled: usize,
}

impl Out {
    pub(super) fn new(file: OwnedFd) -> Self {
        Self {
            file: file.into(),
            buffer: vec![0; OUTPUT_BYTES],
            filled: 0,
        }
    }

    /// Begins an entry; its data follows, if it has any.
    ///
    /// # Errors
    /// What writing said.
    pub(super) fn begin(&mut self, entry: &Entry) -> io::Result<()> {
        let records = extended(entry);
        if !records.is_empty() {
            let mut header = plain(b"PaxHeaders/entry", EntryType::XHeader, length(&records));
            header.set_cksum();
            self.write(header.as_bytes())?;
            self.write(&records)?;
            self.pad(records.len())?;
        }
        let mut header = plain(&entry.name, entry.kind, entry.size.min(SIZE_MAX));
        header.set_mode(entry.mode & 0o7777);
        header.set_uid(entry.uid.min(OWNER_MAX).into());
        header.set_gid(entry.gid.min(OWNER_MAX).into());
        header.set_mtime(u64::try_from(entry.mtime).unwrap_or(0).min(SIZE_MAX));
        fill(&mut header.as_old_mut().linkname, &entry.link);
        if matches!(entry.kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(entry.device.0)?;
            header.set_device_minor(entry.device.1)?;
        }
        header.set_cksum();
        self.write(header.as_bytes())
    }

    /// Copies so many bytes from `from`. What ends before is filled with zeros, for the header has said
    /// how much there is: a log that was cut meanwhile does not spoil what comes after it.
    ///
    /// # Errors
    /// What reading or writing said; `Ok(Some)` where only reading failed, with what it said.
    pub(super) fn copy(&mut self, mut from: impl Read, size: u64) -> io::Result<Option<io::Error>> {
        let mut left = size;
        let mut failed = None;
        while left > 0 {
            if self.filled == self.buffer.len() {
                self.flush()?;
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
            let room = room.get_mut(..most).unwrap_or_default();
            let read = match from.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    failed = Some(error);
                    0
                }
                Ok(read) => read,
            };
            if read == 0 {
                self.zeros(left)?;
                break;
            }
            self.filled += read;
            left = left.saturating_sub(u64::try_from(read).unwrap_or(left));
        }
        let over = usize::try_from(size % 512).unwrap_or(0);
        self.pad(over)?;
        Ok(failed)
    }

    /// Ends the tar. Without this nobody takes it for whole.
    ///
    /// # Errors
    /// What writing said.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.write(&[0; 2 * BLOCK])?;
        self.flush()
    }

    /// Fills the block in which `length` bytes end.
    fn pad(&mut self, length: usize) -> io::Result<()> {
        let missing = length.next_multiple_of(BLOCK) - length;
        self.write([0; BLOCK].get(..missing).unwrap_or_default())
    }

    fn zeros(&mut self, mut count: u64) -> io::Result<()> {
        let zeros = [0; 16 * BLOCK];
        while count > 0 {
            let some = usize::try_from(count).unwrap_or(usize::MAX).min(zeros.len());
            self.write(zeros.get(..some).unwrap_or_default())?;
            count = count.saturating_sub(u64::try_from(some).unwrap_or(count));
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.filled == self.buffer.len() {
                self.flush()?;
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let some = room.len().min(bytes.len());
            let (now, later) = bytes.split_at_checked(some).unwrap_or((bytes, &[]));
            room.iter_mut().zip(now).for_each(|(slot, byte)| *slot = *byte);
            self.filled += some;
            bytes = later;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file
            .write_all(self.buffer.get(..self.filled).unwrap_or_default())?;
        self.filled = 0;
        Ok(())
    }
}

fn plain(name: &[u8], kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    fill(&mut header.as_old_mut().name, name);
    header.set_entry_type(kind);
    header.set_size(size);
    header
}

fn fill(field: &mut [u8], bytes: &[u8]) {
    field.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// What does not fit a plain header, as the data of an extended one; empty where all does.
fn extended(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    if entry.name.len() > NAME_BYTES_MAX {
        add(&mut out, b"path", &entry.name);
    }
    if entry.link.len() > NAME_BYTES_MAX {
        add(&mut out, b"linkpath", &entry.link);
    }
    for (key, owner) in [(b"uid", entry.uid), (b"gid", entry.gid)] {
        if owner > OWNER_MAX {
            add(&mut out, key, owner.to_string().as_bytes());
        }
    }
    if entry.size > SIZE_MAX {
        add(&mut out, b"size", entry.size.to_string().as_bytes());
    }
    if u64::try_from(entry.mtime).map_or(true, |mtime| mtime > SIZE_MAX) {
        add(&mut out, b"mtime", entry.mtime.to_string().as_bytes());
    }
    for (name, value) in &entry.xattrs {
        add(&mut out, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    out
}

/// Adds one record: its own length in decimal, itself included, a space, `KEY=VALUE`, a newline.
fn add(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn entry(name: &[u8]) -> Entry {
        Entry {
            name: name.to_vec(),
            kind: EntryType::Regular,
            link: Vec::new(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: 0,
            device: (0, 0),
            xattrs: Vec::new(),
        }
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for length in 0..1200 {
            let mut out = Vec::new();
            add(&mut out, b"k", &vec![b'v'; length]);
            let text = String::from_utf8(out).unwrap();
            let (stated, _) = text.split_once(' ').unwrap();
            assert_eq!(stated.parse::<usize>().unwrap(), text.len());
        }
    }

    #[test]
    fn only_what_does_not_fit_is_extended() {
        assert_eq!(extended(&entry(&[b'a'; 100])), b"");
        assert!(extended(&entry(&[b'a'; 101])).starts_with(b"111 path=a"));
        let odd = Entry {
            uid: u32::MAX - 1,
            size: 1 << 40,
            mtime: -5,
            xattrs: vec![(b"user.a".to_vec(), b"\n\0".to_vec())],
            ..entry(b"a")
        };
        let expected =
            b"18 uid=4294967294\n22 size=1099511627776\n12 mtime=-5\n26 SCHILY.xattr.user.a=\n\0\n";
        assert_eq!(
            extended(&odd).escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }

    #[test]
    fn a_short_file_is_filled_with_zeros_and_a_block_is_whole() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut out = Out::new(writer.into());
        assert!(out.copy(Cursor::new(b"abc"), 600).unwrap().is_none());
        out.flush().unwrap();
        drop(out);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 1024);
        assert_eq!(&bytes[..4], b"abc\0");
    }
}
