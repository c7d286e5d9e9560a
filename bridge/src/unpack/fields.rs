//! Single fields of a header: what they must hold, and what is made of odd ones.

use std::io;

use tar::Header;

use super::fault::Fault;

/// The sum of all bytes of the header, its own field taken as spaces. Some old programs summed
/// signed bytes; both sums are accepted, as everywhere.
pub(super) fn checksum_holds(header: &Header) -> bool {
    let Ok(stated) = header.cksum() else { return false };
    let mut unsigned: u32 = 0;
    let mut signed: i32 = 0;
    for (at, byte) in header.as_bytes().iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned += u32::from(byte);
        signed += i32::from(byte.cast_signed());
    }
    stated == unsigned || i32::try_from(stated) == Ok(signed)
}

/// An owner; the largest number is left out, because chown(2) takes it for "as it is".
///
/// # Errors
/// [`Fault::Header`].
pub(super) fn owner(described: Option<u64>, field: &[u8], stated: io::Result<u64>) -> Result<u32, Fault> {
    let id = match described {
        Some(id) => id,
        None => blank_is_zero(field, stated)?,
    };
    u32::try_from(id)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or(Fault::Header)
}

/// Header times beyond what any clock shows (or before 1970, which plain headers cannot say)
/// become 1970: they are decoration, and no reason to refuse an image.
pub(super) fn header_seconds(header: &Header) -> i64 {
    header
        .mtime()
        .ok()
        .and_then(|seconds| i64::try_from(seconds).ok())
        .filter(|seconds| *seconds < 1 << 40)
        .unwrap_or(0)
}

/// A device number; headers without room for one are wrong.
///
/// # Errors
/// [`Fault::Header`].
pub(super) fn device(number: io::Result<Option<u32>>) -> Result<u32, Fault> {
    number.ok().flatten().ok_or(Fault::Header)
}

/// The bytes of data a header announces.
///
/// # Errors
/// [`Fault::Header`].
pub(super) fn stated_size(header: &Header) -> Result<u64, Fault> {
    blank_is_zero(&header.as_old().size, header.entry_size())
}

/// The permission bits, setuid, setgid and sticky included.
///
/// # Errors
/// [`Fault::Header`].
pub(super) fn permissions(header: &Header) -> Result<u32, Fault> {
    Ok(blank_is_zero(&header.as_old().mode, header.mode())? & 0o7777)
}

/// A number that was left out is zero, as every tar program reads it.
fn blank_is_zero<T: Default>(field: &[u8], read: io::Result<T>) -> Result<T, Fault> {
    let blank = field.iter().all(|byte| matches!(byte, 0 | b' '));
    read.or_else(|_| {
        if blank {
            Ok(T::default())
        } else {
            Err(Fault::Header)
        }
    })
}
