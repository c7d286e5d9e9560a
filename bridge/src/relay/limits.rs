//! Every maximum of the relay, each with the abuse it stops.

/// Longest frame of the daemon, in bytes. None is ever kept whole, so this stops nothing but a daemon that
/// has lost its way, and whose next bytes would be read as what they are not.
pub(super) const FRAME_BYTES_MAX: u32 = 1024 * 1024;

/// Longest frame to the daemon, in bytes: it drops longer ones.
pub(super) const INPUT_BYTES_MAX: usize = 8192;

/// Read from the daemon at once, in bytes: what a pipe holds. No more is read until it is written, so a
/// client that does not read stops the process that writes and fills no memory.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Longest order of the bridge, in bytes: the longest argument vector that it passes on.
pub(crate) const TASK_BYTES_MAX: usize = crate::shim::record::ASK_BYTES_MAX;

/// Most open descriptors. It holds seven and opens none.
pub(super) const DESCRIPTORS_MAX: u64 = 16;

/// Largest address space, in bytes. Stops what should not be possible from taking the machine's memory.
pub(super) const MEMORY_BYTES_MAX: u64 = 512 * 1024 * 1024;
