//! What extended headers say about the header after them.

use super::fault::Fault;
use super::limits::{XATTR_BYTES_MAX, XATTRS_MAX};
use super::records;

/// What headers say about the header after them.
#[derive(Debug, Default)]
pub(super) struct Description {
    /// The name.
    pub(super) name: Option<Vec<u8>>,
    /// Where a link leads.
    pub(super) link: Option<Vec<u8>>,
    /// Bytes of data that follow.
    pub(super) size: Option<u64>,
    /// Owner.
    pub(super) uid: Option<u64>,
    /// Group.
    pub(super) gid: Option<u64>,
    /// Time of the last change, in seconds since 1970 and nanoseconds.
    pub(super) mtime: Option<(i64, u32)>,
    /// Extended attributes.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Size of a sparse file, holes included, in bytes.
    pub(super) sparse_size: Option<u64>,
    /// Whether it is a sparse file in a PAX form.
    pub(super) sparse: bool,
    /// Whether that form is 1.0: its major number, its minor number.
    pub(super) sparse_1_0: (bool, bool),
    /// The name of a sparse file, whose other name is a made-up one.
    pub(super) sparse_name: Option<Vec<u8>>,
}

impl Description {
    /// Takes what a PAX header says; later headers overrule earlier ones.
    ///
    /// # Errors
    /// [`Fault::Records`], [`Fault::Limit`].
    pub(super) fn take_records(&mut self, data: &[u8]) -> Result<(), Fault> {
        for (key, value) in records::parse(data)? {
            // An empty value takes back what an earlier header said.
            let text = (!value.is_empty()).then(|| value.to_vec());
            match key {
                b"path" => self.name = text,
                b"linkpath" => self.link = text,
                b"size" => self.size = number(value)?,
                b"uid" => self.uid = number(value)?,
                b"gid" => self.gid = number(value)?,
                b"mtime" if value.is_empty() => self.mtime = None,
                b"mtime" => self.mtime = Some(records::time(value).ok_or(Fault::Records)?),
                b"GNU.sparse.major" => self.sparse_1_0.0 = value == b"1",
                b"GNU.sparse.minor" => self.sparse_1_0.1 = value == b"0",
                b"GNU.sparse.realsize" => self.sparse_size = number(value)?,
                b"GNU.sparse.name" => self.sparse_name = text,
                _ => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        self.take_xattr(name, value)?;
                    }
                }
            }
            self.sparse |= key.starts_with(b"GNU.sparse.");
        }
        Ok(())
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if value.len() > XATTR_BYTES_MAX {
            return Err(Fault::Limit {
                what: "bytes of an extended attribute",
                max: u64::try_from(XATTR_BYTES_MAX).unwrap_or(u64::MAX),
            });
        }
        if self.xattrs.len() >= XATTRS_MAX {
            return Err(Fault::Limit {
                what: "extended attributes of an entry",
                max: u64::try_from(XATTRS_MAX).unwrap_or(u64::MAX),
            });
        }
        self.xattrs.push((name.to_vec(), value.to_vec()));
        Ok(())
    }
}

fn number(value: &[u8]) -> Result<Option<u64>, Fault> {
    if value.is_empty() {
        return Ok(None);
    }
    records::decimal(value).map(Some).ok_or(Fault::Records)
}
