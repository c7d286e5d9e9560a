//! Every maximum of the protocol, each with the abuse it stops.

/// Largest payload of a request, in bytes.
/// Stops an unauthenticated peer from making root allocate; a container may still carry
/// as much environment as most kernels accept.
pub const REQUEST_BYTES_MAX: u32 = 256 * 1024;

/// Largest payload of one answer frame, in bytes. Longer answers are several frames.
/// Stops a confused bridge from making `socketd` allocate without end.
pub const RESPONSE_BYTES_MAX: u32 = 1024 * 1024;

/// A list answer closes its frame and begins the next once it holds this many bytes.
/// Keeps the buffers of both sides small however many containers there are.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Longest string, in bytes: the kernel's own limit for one argument or variable (32 pages).
pub const STRING_BYTES_MAX: u32 = 128 * 1024;

/// Most items in one list. Stops a small frame from decoding into a large allocation.
pub const LIST_ITEMS_MAX: u32 = 16 * 1024;

/// Most events in one answer to `POLL_EVENTS`.
pub const EVENTS_PER_ANSWER_MAX: u32 = 1024;

/// Longest wait a `POLL_EVENTS` may ask for, in milliseconds. Stops a forgotten poll from
/// holding a session thread for ever.
pub const POLL_WAIT_MS_MAX: u32 = 60_000;

/// Longest stop timeout, in seconds, before the kill that follows (one day).
pub const STOP_TIMEOUT_S_MAX: u32 = 86_400;
