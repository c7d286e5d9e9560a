//! Between memory's `usize` and the file's `u64`, without ever wrapping.

/// A count of bytes in memory as a count of bytes in a file.
pub(crate) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A count of bytes in a file as a count of bytes in memory; what does not fit becomes the most
/// that does, which every caller then finds to be more than it holds.
pub(crate) fn narrow(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
