//! What a ceiling may be at most.

/// Longest file, in bytes. Stops a strange file from filling memory.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Most entries of one list. Each is compared with each path that a container asks for.
pub(super) const ENTRIES_MAX: usize = 256;

/// Longest entries of all lists together, in bytes. They go to each shim in one message of 64 KiB, and
/// share it with a few paths.
pub(super) const LISTS_BYTES_MAX: usize = 32 * 1024;
