//! Every maximum of the bridge, each with the abuse it stops.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Connections served at once on each socket. Each holds one thread; a front that opens more is
/// told so and closed.
pub(crate) const SESSIONS_MAX: u16 = 192;

/// Fewest and most of them that can be asked for.
pub(crate) const SESSIONS_RANGE: RangeInclusive<i64> = 48..=1024;

/// Requests that one connection may make in a second; further ones wait. Far above what a front asks on the
/// fastest machine; stops one that floods from taking a processor for itself.
pub(crate) const FRAMES_PER_SECOND_MAX: u32 = 50_000;

/// How many of them are root's alone. Stops a front, however many processes it can become, from locking
/// out the administrator who comes to end it.
pub(crate) const SESSIONS_FOR_ROOT: usize = 16;

/// Connections that wait to be accepted, on each socket. Whoever connects without end stands before others
/// in that queue: a short one is soon worked off.
pub(crate) const CONNECTIONS_WAITING_MAX: i32 = 32;

/// Warnings about peers in one minute; what is more is counted. Stops one that does everything wrong,
/// as fast as it can, from filling the disk with our log.
pub(crate) const COMPLAINTS_MAX: u32 = 30;

/// Stack of one session thread, in bytes. Sessions recurse nowhere.
pub(crate) const SESSION_STACK_BYTES: usize = 256 * 1024;

/// Time for the rest of a frame once its first byte is here, and for the peer to take an answer.
/// Stops a stalled peer from holding a thread; a connection without a request may stay idle.
pub(crate) const FRAME_TIMEOUT: Duration = Duration::from_secs(10);

/// Descriptors that may accompany one request. Stops a peer from filling our table of them.
pub(crate) const DESCRIPTORS_MAX: usize = 1;

/// What an idle connection keeps for its next request, in bytes. A larger request has room made
/// for it, within the protocol's own limit, and given back after.
pub(crate) const INBOX_BYTES: usize = 4096;

/// Events queued for one subscriber before it is sent back to the journal. Stops a reader that
/// does not read from taking the bridge's memory.
pub(crate) const SUBSCRIBER_EVENTS_MAX: usize = 1024;

/// Bytes of events queued likewise, unless a single one is longer. An event may carry every label of its
/// container: a thousand of them are more than a frame holds, and than a phone spares.
pub(crate) const SUBSCRIBER_BYTES_MAX: usize = EVENT_PAGE_BYTES;

/// Subscriptions and waits at once: every session may hold one, of as many as can be asked for.
pub(crate) const SUBSCRIBERS_MAX: usize = 2048;

/// Bytes of events in one answer, well below what a frame may hold.
pub(crate) const EVENT_PAGE_BYTES: usize = 256 * 1024;

/// Containers at once. Stops a runaway client from filling the disk with empty containers, and is
/// what the journal's fold remembers.
pub(crate) const CONTAINERS_MAX: usize = journal::limits::PAST_CONTAINERS_MAX;

/// Bytes of what all containers were asked to be, together. A request alone may hold 256 KiB: stops a
/// client that makes many of them, each with all the variables and labels that fit, from taking a
/// gigabyte of memory and of disk, and from making every list as long: whoever lists beside it has its answer
/// in some ten milliseconds still. Holds as many containers as there may be, of 1 KiB each, or a thousand of
/// 4 KiB. Requests that are under way count from their end on.
pub(crate) const SPECS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest container name, in bytes: it is also a host name and part of file names elsewhere.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Time for a container to be gone after SIGKILL. A process in uninterruptible sleep can
/// outlast it; the request then fails instead of hanging.
pub(crate) const KILL_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between signal and SIGKILL where neither request nor container says otherwise.
pub(crate) const STOP_TIMEOUT_S: u32 = 10;

/// Processes of one container that are listed. Stops one that forks without end from filling an answer.
pub(crate) const PROCESSES_MAX: usize = 4096;

/// Further processes that are known at once, those that ended included: the oldest of these go first.
/// Stops a client that prepares them without end from taking the bridge's memory.
pub(crate) const EXECS_MAX: usize = 4096;

/// Bytes of what those were asked to be, together. A request alone may hold 256 KiB.
pub(crate) const EXECS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Time between SIGTERM and SIGKILL for a further process whose client has gone.
pub(crate) const HANG_UP_TIMEOUT: Duration = Duration::from_secs(10);

/// Output of a health check that is kept, in bytes. Stops one that writes without end from filling memory.
pub(crate) const PROBE_OUTPUT_BYTES_MAX: usize = 4096;

/// Runs of a health check that are kept for each container.
pub(crate) const PROBES_MAX: usize = 5;

/// How long a health check waits for a container that is busy, or a journal that cannot be written.
pub(crate) const PROBE_RETRY: Duration = Duration::from_secs(1);

/// First wait of the restart policy.
pub(crate) const RESTART_BACKOFF_MIN: Duration = Duration::from_millis(100);

/// Longest wait of the restart policy. Stops a container that fails at once from wearing out
/// processor, battery and flash.
pub(crate) const RESTART_BACKOFF_MAX: Duration = Duration::from_secs(60);

/// A run of this length counts as a success: the next wait is the first again.
pub(crate) const RESTART_BACKOFF_RESET: Duration = Duration::from_secs(10);

/// How long to wait before events that the journal could not take are offered to it again.
pub(crate) const JOURNAL_RETRY: Duration = Duration::from_secs(2);

/// Stack of a thread that carries out what has happened to a busy container, in bytes.
pub(crate) const LANE_STACK_BYTES: usize = 256 * 1024;

/// Groups of events that wait for a journal to heal. Each container owes few; past this the
/// oldest of them are given up with an error in the log.
pub(crate) const OWED_MAX: usize = 4096;

/// How nice those are who pack and unpack: while others want the processor, they have a tenth of it. Stops
/// imports without end from keeping lists waiting.
pub(crate) const PACKING_NICE: i32 = 10;
