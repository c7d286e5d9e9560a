//! Every maximum of the journal, each with the abuse it stops.

/// Largest payload of one event record, in bytes. Stops one event from filling an answer frame
/// (1 MiB) by itself; twice what the largest request can carry.
pub const EVENT_BYTES_MAX: usize = 512 * 1024;

/// Largest payload of one checkpoint record, in bytes. Stops a damaged length from making
/// recovery allocate; [`PAST_CONTAINERS_MAX`] containers at their longest fit well inside.
pub const CHECKPOINT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most events in one append. Stops one caller from holding the writer for long.
pub const APPEND_EVENTS_MAX: usize = 16 * 1024;

/// Most encoded bytes in one append. Stops one caller from making the writer buffer without end.
pub const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most appends waiting for the writer; further callers block until there is room. Stops a slow
/// disk from turning into memory.
pub const QUEUE_APPENDS_MAX: usize = 256;

/// Most encoded bytes waiting for the writer, one append aside; further callers block. Stops large
/// appends from turning into memory, and keeps the wait of the first caller of a round small.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// The writer keeps at most this much of its buffer between rounds, in bytes. One large round
/// must not keep its memory for ever.
pub const BUFFER_KEPT_BYTES: usize = 64 * 1024;

/// Most segments kept. Stops a machine that restarts in a loop from filling the directory with
/// segments too small for the limit in bytes to notice.
pub const SEGMENTS_MAX: usize = 4096;

/// Most containers the fold remembers; beyond, the one that was silent longest is forgotten.
/// Stops containers that are made and never destroyed from growing every checkpoint.
pub const PAST_CONTAINERS_MAX: usize = 4096;

/// Longest actor the fold remembers, in bytes (an id is 64). Keeps a checkpoint inside its limit.
pub const PAST_ACTOR_BYTES_MAX: usize = 128;

/// Longest container name the fold remembers, in bytes. Keeps a checkpoint inside its limit.
pub const PAST_NAME_BYTES_MAX: usize = 256;

/// Most places of damage one report lists; the rest are counted. Stops a disk full of garbage
/// from filling memory with its description.
pub const DAMAGE_PLACES_MAX: usize = 256;

/// One place in memory for every so many bytes of a segment, so that a reader starts near what
/// it wants. 16 MiB of journal cost about 6 KiB of memory.
pub const MARK_EVERY_BYTES: u64 = 64 * 1024;

/// Read at a time while scanning, in bytes. Small enough for a phone, large enough for a disk.
pub const WINDOW_BYTES: usize = 128 * 1024;
