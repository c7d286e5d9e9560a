//! The entries of a tar, one after another.
//!
//! Headers are read with the `tar` crate's types; what one entry is, is put together here, so that
//! every length is bounded before it is believed and the end of the archive is checked.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;

use tar::{EntryType, GnuExtSparseHeader, Header};

use super::description::Description;
use super::fault::Fault;
use super::fields::{checksum_holds, device, header_seconds, owner, permissions, stated_size};
use super::limits::{DESCRIPTION_BYTES_MAX, Limits, NAME_BYTES_MAX};
use super::name::{Name, NameFault};
use super::sparse::{Layout, MapReader};
use super::stream::Stream;

const BLOCK_BYTES: usize = 512;
const BLOCK: u64 = 512;

/// What an entry is, with what only this kind has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file; its data follows.
    File(Layout),
    /// One more name of a file that came before.
    HardLink(Name),
    /// A symbolic link, with its text.
    Symlink(OsString),
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A character device, with its major and minor number.
    Character(u32, u32),
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Where it goes.
    pub(super) name: Name,
    /// What it is.
    pub(super) kind: Kind,
    /// Permission bits, setuid, setgid and sticky included.
    pub(super) mode: u32,
    /// Owner.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
    /// Time of the last change, in seconds since 1970 and nanoseconds.
    pub(super) mtime: (i64, u32),
    /// Extended attributes.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A tar being read.
pub(super) struct Archive<R: Read> {
    stream: Stream<R>,
    headers_left: u64,
    headers_max: u64,
    /// Bytes of the current entry's data not yet read.
    data_left: u64,
    /// Bytes that fill its last block, not yet read.
    padding: u64,
}

impl<R: Read> Archive<R> {
    /// Begins to read.
    pub(super) fn new(stream: Stream<R>, limits: Limits) -> Self {
        Self {
            stream,
            headers_left: limits.headers,
            headers_max: limits.headers,
            data_left: 0,
            padding: 0,
        }
    }

    /// The next entry; none after the last, when the end of the archive has been seen and
    /// nothing but zeros after it.
    ///
    /// # Errors
    /// What is wrong with the archive.
    pub(super) fn next_member(&mut self) -> Result<Option<Member>, Fault> {
        let mut description = Description::default();
        let mut described = false;
        loop {
            self.skip_data()?;
            let Some(header) = self.header()? else {
                // A header that describes another one cannot be the last.
                return if described {
                    Err(Fault::Truncated)
                } else {
                    Ok(None)
                };
            };
            self.expect_data(stated_size(&header)?)?;
            match header.entry_type() {
                EntryType::GNULongName => description.name = Some(self.long_name()?),
                EntryType::GNULongLink => description.link = Some(self.long_name()?),
                EntryType::XHeader => {
                    let data = self.description_data()?;
                    description.take_records(&data)?;
                }
                // What `git archive` and others say about the whole archive: nothing we use.
                EntryType::XGlobalHeader => continue,
                _ => return self.member(&header, description).map(Some),
            }
            described = true;
        }
    }

    /// Reads data of the current entry; none means there is no more.
    ///
    /// # Errors
    /// What is wrong with the archive.
    pub(super) fn read_data(&mut self, into: &mut [u8]) -> Result<usize, Fault> {
        let most = usize::try_from(self.data_left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        let slot = into.get_mut(..most).unwrap_or_default();
        if slot.is_empty() {
            return Ok(0);
        }
        let read = self.stream.read(slot)?;
        if read == 0 {
            return Err(Fault::Truncated);
        }
        self.data_left = self
            .data_left
            .saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }

    /// The SHA-256 of the whole archive, once it has been read to its end.
    pub(super) fn digest(self) -> [u8; 32] {
        self.stream.digest()
    }

    fn expect_data(&mut self, size: u64) -> Result<(), Fault> {
        self.padding = size.checked_next_multiple_of(BLOCK).ok_or(Fault::Header)? - size;
        self.data_left = size;
        Ok(())
    }

    fn skip_data(&mut self) -> Result<(), Fault> {
        self.data_left = self.data_left.checked_add(self.padding).ok_or(Fault::Header)?;
        self.padding = 0;
        let mut buffer = [0; 16 * 1024];
        while self.read_data(&mut buffer)? > 0 {}
        Ok(())
    }

    /// Fills a block; false when the stream ends before it begins.
    fn block(&mut self, block: &mut [u8; BLOCK_BYTES]) -> Result<bool, Fault> {
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.stream.read(rest)? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(Fault::Truncated),
                read => filled += read,
            }
        }
        Ok(true)
    }

    /// The next header; none at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, Fault> {
        let mut header = Header::new_old();
        // Without the block of zeros that ends an archive, nobody can tell whether it was cut.
        if !self.block(header.as_mut_bytes())? {
            return Err(Fault::Truncated);
        }
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            self.expect_zeros()?;
            return Ok(None);
        }
        if !checksum_holds(&header) {
            return Err(Fault::Header);
        }
        self.headers_left = self.headers_left.checked_sub(1).ok_or(Fault::Limit {
            what: "entries",
            max: self.headers_max,
        })?;
        Ok(Some(header))
    }

    /// Tar programs fill the last record with zeros; anything else is not part of the archive.
    fn expect_zeros(&mut self) -> Result<(), Fault> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = self.stream.read(&mut buffer)?;
            match buffer.get(..read) {
                None | Some([]) => return Ok(()),
                Some(rest) if rest.iter().all(|byte| *byte == 0) => {}
                Some(_) => return Err(Fault::TrailingData),
            }
        }
    }

    fn description_data(&mut self) -> Result<Vec<u8>, Fault> {
        if self.data_left > DESCRIPTION_BYTES_MAX {
            return Err(Fault::Limit {
                what: "bytes of an extended header",
                max: DESCRIPTION_BYTES_MAX,
            });
        }
        let mut data = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = self.read_data(&mut buffer)?;
            if read == 0 {
                return Ok(data);
            }
            data.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
    }

    /// A long name ends with a NUL that is not part of it.
    fn long_name(&mut self) -> Result<Vec<u8>, Fault> {
        let mut name = self.description_data()?;
        while name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn member(&mut self, header: &Header, description: Description) -> Result<Member, Fault> {
        let raw = description
            .sparse_name
            .clone()
            .or_else(|| description.name.clone())
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let name = parse_name(&raw)?;
        let kind = self.kind(header, &description, &raw)?;
        Ok(Member {
            name,
            kind,
            mode: permissions(header)?,
            uid: owner(description.uid, &header.as_old().uid, header.uid())?,
            gid: owner(description.gid, &header.as_old().gid, header.gid())?,
            mtime: description.mtime.unwrap_or_else(|| (header_seconds(header), 0)),
            xattrs: description.xattrs,
        })
    }

    fn kind(&mut self, header: &Header, description: &Description, raw: &[u8]) -> Result<Kind, Fault> {
        let link = || {
            description
                .link
                .clone()
                .or_else(|| header.link_name_bytes().map(|link| link.into_owned()))
                .unwrap_or_default()
        };
        let flag = header.as_old().linkflag.first().copied().unwrap_or_default();
        let kind = match flag {
            // Before there was a flag for directories, a slash at the end of the name made one.
            0 if raw.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' => return self.file(header, description),
            b'S' => return self.gnu_sparse_file(header, description),
            b'1' => Kind::HardLink(parse_link(link())?),
            b'2' => Kind::Symlink(symlink_text(link())?),
            b'3' => Kind::Character(device(header.device_major())?, device(header.device_minor())?),
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'4' => {
                return Err(Fault::Device {
                    name: raw.to_vec(),
                    number: (device(header.device_major())?, device(header.device_minor())?),
                });
            }
            flag => {
                return Err(Fault::Kind {
                    name: raw.to_vec(),
                    flag,
                });
            }
        };
        // Some programs state the size of what a link leads to; no data follows, all readers agree.
        self.expect_data(0)?;
        Ok(kind)
    }

    fn file(&mut self, header: &Header, description: &Description) -> Result<Kind, Fault> {
        let size = match description.size {
            Some(size) => size,
            None => stated_size(header)?,
        };
        self.expect_data(size)?;
        if !description.sparse {
            return Ok(Kind::File(Layout::solid(size)));
        }
        let real = match (description.sparse_1_0, description.sparse_size) {
            ((true, true), Some(real)) => real,
            _ => return Err(Fault::Sparse),
        };
        let mut map = MapReader::default();
        loop {
            let mut block = [0; BLOCK_BYTES];
            if self.data_left < BLOCK || !self.block(&mut block)? {
                return Err(Fault::Sparse);
            }
            self.data_left = self.data_left.saturating_sub(BLOCK);
            if let Some(layout) = map.block(&block, real)? {
                layout.check(self.data_left)?;
                return Ok(Kind::File(layout));
            }
        }
    }

    fn gnu_sparse_file(&mut self, header: &Header, description: &Description) -> Result<Kind, Fault> {
        let gnu = header.as_gnu().ok_or(Fault::Sparse)?;
        let mut layout = Layout {
            segments: Vec::new(),
            size: gnu.real_size().map_err(|_| Fault::Sparse)?,
        };
        layout.extend(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut extension = GnuExtSparseHeader::new();
            if !self.block(extension.as_mut_bytes())? {
                return Err(Fault::Truncated);
            }
            layout.extend(extension.sparse())?;
            more = extension.is_extended();
        }
        if let Some(size) = description.size {
            self.expect_data(size)?;
        }
        layout.check(self.data_left)?;
        Ok(Kind::File(layout))
    }
}

fn parse_name(raw: &[u8]) -> Result<Name, Fault> {
    Name::parse(raw).map_err(|why| Fault::Name {
        name: raw.to_vec(),
        why,
    })
}

fn parse_link(raw: Vec<u8>) -> Result<Name, Fault> {
    let name = parse_name(&raw)?;
    if name.is_root() {
        return Err(Fault::Name {
            name: raw,
            why: NameFault::Root,
        });
    }
    Ok(name)
}

/// The text of a symbolic link leads where the reader of the link is: within a container it
/// cannot leave the container, and nothing else follows it. So any text will do.
fn symlink_text(raw: Vec<u8>) -> Result<OsString, Fault> {
    let why = match raw.len() {
        0 => Some(NameFault::Root),
        _ if raw.contains(&0) => Some(NameFault::Nul),
        length if length > NAME_BYTES_MAX => Some(NameFault::TooLong),
        _ => None,
    };
    match why {
        Some(why) => Err(Fault::Name { name: raw, why }),
        None => Ok(OsString::from_vec(raw)),
    }
}

#[cfg(test)]
mod tests;
