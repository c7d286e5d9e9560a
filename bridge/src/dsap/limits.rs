//! Every maximum of this door, each with the abuse it stops. What a record holds is version 1's own limit.

use std::time::Duration;

/// Connections served at once. Each holds one thread for as long as its request takes.
pub(super) const SESSIONS_MAX: usize = 32;

/// Connections of those who may not ask, at once. They are told so in threads of their own, so that they
/// cannot take the places of those who may.
pub(super) const STRANGERS_MAX: usize = 4;

/// Stack of one thread, in bytes. Nothing here recurses, and records are built in the answer itself.
pub(super) const STACK_BYTES: usize = 256 * 1024;

/// Time for a whole request to be here, however it is cut. Stops a peer that sends a byte at a time.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a whole answer to be taken. Stops a peer that does not read.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for the request of somebody who is refused anyway.
pub(super) const STRANGER_TIMEOUT: Duration = Duration::from_secs(1);

/// Time in which what was not read of a request is thrown away, so that its sender gets the answer
/// instead of a broken connection.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of that. Stops a peer that sends without end.
pub(super) const DRAIN_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes read at once of what is thrown away.
pub(super) const CHUNK_BYTES: usize = 4096;

/// Bytes of a file of users or groups that are looked at. Stops one without end.
pub(super) const ACCOUNT_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Events of the journal that are looked at in one go, newest first.
pub(super) const EVENT_BLOCK: u64 = 4096;
