//! Every maximum of a shim's own life, each with the abuse it stops.

/// Bells kept at once. Stops a client that follows a log again and again from filling the shim's
/// table of descriptors.
pub(super) const BELLS_MAX: usize = 256;

/// Connections that have not yet asked anything; further ones wait in the kernel. Stops a bridge that
/// has lost its way from filling that table too.
pub(super) const ASKING_MAX: usize = 32;

/// Connections that wait in the kernel.
pub(super) const BACKLOG: i32 = 64;

/// Further processes at once. Stops clients from taking the shim's descriptors and the machine's
/// processes; what those start in turn is bounded by the container's own limit.
pub(super) const EXECS_MAX: usize = 256;

/// Longest message of a process that is about to become a command, in bytes: a failure's two texts fit.
pub(super) const CHANNEL_BYTES_MAX: usize = 16 * 1024;

/// Read from a stream at once, in bytes: what a pipe holds.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Most reads of one stream after the first process has ended: 64 MiB, many times what a pipe can
/// hold. Stops a process outside, that was handed the stream, from keeping the end of the container
/// from ever being told.
pub(super) const LAST_READS_MAX: u32 = 1024;
