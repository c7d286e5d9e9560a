//! Every maximum of the unpacker, each with the abuse it stops.

/// Most bytes a tar may have after decompression, and most bytes its files may claim together,
/// holes included. Stops one import from filling the disk.
pub(super) const UNPACKED_BYTES_MAX: u64 = 16 << 30;

/// Most headers in one tar, those that only describe the next included. Stops a tar of empty
/// files from using up the file system's inodes.
pub(super) const HEADERS_MAX: u64 = 1 << 20;

/// Most bytes of one header that describes the next one: a long name, or PAX records.
/// Stops a header from claiming the machine's memory. Go's archive/tar has the same limit.
pub(super) const DESCRIPTION_BYTES_MAX: u64 = 1 << 20;

/// Longest name or link target, in bytes: what the kernel takes in one call, less the final NUL.
pub(super) const NAME_BYTES_MAX: usize = 4095;

/// Longest part of a name between two slashes, in bytes. No file system of Linux takes more.
pub(super) const COMPONENT_BYTES_MAX: usize = 255;

/// Largest value of one extended attribute, in bytes: the kernel's own limit.
pub(super) const XATTR_BYTES_MAX: usize = 64 * 1024;

/// Most extended attributes of one entry. Stops many headers before one entry from adding up.
pub(super) const XATTRS_MAX: usize = 64;

/// Most pieces of data in one sparse file. Stops a map from growing with its header only.
pub(super) const SEGMENTS_MAX: usize = 64 * 1024;

/// Most bytes of directory names kept until the end, when directories get their times.
/// Stops a tar of directories alone from filling the memory.
pub(super) const DIRECTORY_NAMES_BYTES_MAX: usize = 64 << 20;

/// Most bytes that may come out of a decompressor for each byte that went in, once
/// [`EXPANSION_FREE_BYTES`] came out. Stops a bomb early: gzip alone reaches 1032, a root file
/// system about 4.
pub(super) const EXPANSION_MAX: u64 = 250;

/// Bytes that may come out of a decompressor before [`EXPANSION_MAX`] counts, so that a small
/// image with one large empty file still passes.
pub(super) const EXPANSION_FREE_BYTES: u64 = 64 << 20;

/// Largest window of xz and zstd, in bytes. Stops a stream from claiming memory by its header;
/// `xz -9` needs 64 MiB, `zstd --ultra -22` needs 128 MiB.
pub(super) const WINDOW_BYTES_MAX: u32 = 128 << 20;

/// Most address space of the unpacker, in bytes. Stops whatever the limits above did not foresee.
pub(super) const MEMORY_BYTES_MAX: u64 = 1 << 30;

/// Most processor time of the unpacker, in seconds. Stops input that is cheap to send and
/// expensive to read.
pub(super) const PROCESSOR_S_MAX: u64 = 3600;

/// Most open descriptors of the unpacker; it needs about eight.
pub(super) const DESCRIPTORS_MAX: u64 = 32;

/// The two limits that bound a whole tar, gathered so that tests can reach them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// See [`UNPACKED_BYTES_MAX`].
    pub(super) bytes: u64,
    /// See [`HEADERS_MAX`].
    pub(super) headers: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: UNPACKED_BYTES_MAX,
            headers: HEADERS_MAX,
        }
    }
}
