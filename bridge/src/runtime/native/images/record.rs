//! The file that says what an image is: `image`, beside its `rootfs`.
//!
//! Eight bytes `SDIMAGE1`, the SHA-256 of the rest, and the rest: the wire record `Image`, without
//! `rootfs_dir`, which depends on where the state directory is. The file is written whole under
//! another name and moved into place, so it is always either the old one or the new one.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};
use sha2::{Digest, Sha256};
use wire::reader::Unknown;
use wire::record::Value;
use wire::{Image, ImageId, Invalid, Time};

const MAGIC: &[u8; 8] = b"SDIMAGE1";
const HASH_BYTES: usize = 32;
const FILE: &str = "image";
const NEW_FILE: &str = "image.new";

/// Largest record file, in bytes. A request that makes an image has at most 256 KiB, and names
/// are bounded; this stops a damaged file from being read into memory whole.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why a record could not be read.
#[derive(Debug)]
pub(super) enum RecordError {
    /// It could not be read at all.
    Io(io::Error),
    /// The file is larger than any record.
    TooLarge,
    /// It does not begin as a record does.
    Magic,
    /// Its bytes are not those that were written.
    Checksum,
    /// Its bytes are no image.
    Invalid(Invalid),
    /// It is the record of another image.
    WrongId(ImageId),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::TooLarge => f.write_str("larger than any image record"),
            Self::Magic => f.write_str("not an image record"),
            Self::Checksum => f.write_str("checksum does not match"),
            Self::Invalid(invalid) => write!(f, "{invalid}"),
            Self::WrongId(id) => write!(f, "record of another image, {id}"),
        }
    }
}

impl std::error::Error for RecordError {}

/// The id of an image: the SHA-256 of what never changes about it.
pub(super) fn image_id(image: &Image) -> ImageId {
    let constant = Image {
        id: ImageId::default(),
        tags: Vec::new(),
        tagged_at: Time::NEVER,
        rootfs_dir: String::new(),
        ..image.clone()
    };
    ImageId(Sha256::digest(constant.encode()).into())
}

/// Writes the record of an image into its directory, durably.
///
/// # Errors
/// What the system said. The record is then the one there was before.
pub(super) fn write(dir: BorrowedFd<'_>, image: &Image) -> io::Result<()> {
    let payload = Image {
        rootfs_dir: String::new(),
        ..image.clone()
    }
    .encode();
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file: File = openat(dir, NEW_FILE, flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into();
    let written = file
        .write_all(MAGIC)
        .and_then(|()| file.write_all(&Sha256::digest(&payload)))
        .and_then(|()| file.write_all(&payload))
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(renameat(dir, NEW_FILE, dir, FILE)?));
    if let Err(error) = written {
        remove_unfinished(dir);
        return Err(error);
    }
    Ok(fsync(dir)?)
}

/// Removes what a write that was cut short left behind.
pub(super) fn remove_unfinished(dir: BorrowedFd<'_>) {
    match unlinkat(dir, NEW_FILE, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(error) => tracing::warn!(%error, "cannot remove an unfinished image record"),
    }
}

/// Reads the record of the image whose directory is called `name`.
///
/// # Errors
/// Why it is none.
pub(super) fn read(dir: impl AsFd, name: &OsStr) -> Result<Image, RecordError> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file: File = openat(dir, FILE, flags, Mode::empty())
        .map_err(|errno| RecordError::Io(errno.into()))?
        .into();
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(RecordError::Io)?;
    let image = decode(&bytes)?;
    if image_id(&image) != image.id || name != OsStr::new(image.id.hex().as_str()) {
        return Err(RecordError::WrongId(image.id));
    }
    Ok(image)
}

fn decode(bytes: &[u8]) -> Result<Image, RecordError> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
        return Err(RecordError::TooLarge);
    }
    let rest = bytes.strip_prefix(MAGIC).ok_or(RecordError::Magic)?;
    let (hash, payload) = rest
        .split_first_chunk::<HASH_BYTES>()
        .ok_or(RecordError::Checksum)?;
    if <[u8; HASH_BYTES]>::from(Sha256::digest(payload)) != *hash {
        return Err(RecordError::Checksum);
    }
    Image::decode(payload, Unknown::Refuse).map_err(RecordError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Image {
        let mut image = Image {
            created_at: Time(5),
            size_bytes: 7,
            comment: "from a test".to_owned(),
            ..Image::default()
        };
        image.id = image_id(&image);
        image
    }

    #[test]
    fn the_id_covers_what_stays_and_nothing_else() {
        let image = sample();
        let named = Image {
            tags: vec!["a:b".to_owned()],
            tagged_at: Time(9),
            rootfs_dir: "/x".to_owned(),
            ..image.clone()
        };
        assert_eq!(image_id(&named), image.id);
        let other = Image {
            size_bytes: 8,
            ..image.clone()
        };
        assert_ne!(image_id(&other), image.id);
    }

    #[test]
    fn every_damaged_byte_and_every_prefix_is_noticed() {
        let payload = sample().encode();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&Sha256::digest(&payload));
        bytes.extend_from_slice(&payload);
        assert_eq!(decode(&bytes).unwrap(), sample());
        for at in 0..bytes.len() {
            assert!(decode(&bytes[..at]).is_err());
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_err());
        }
    }
}
