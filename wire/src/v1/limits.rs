//! Every maximum of version 1, each with what it bounds. They are the protocol's, not ours.

/// Largest payload in either direction, in bytes. Stops a length that is a lie from being allocated.
pub const PAYLOAD_BYTES_MAX: u32 = 1_048_576;

/// Seconds that a container has to end by itself where a request says -1.
pub const STOP_TIMEOUT_S: u32 = 15;

/// Slot of a name, a reference or a hostname, in bytes; its text is one byte shorter.
pub const NAME_BYTES: usize = 256;

/// Slot of a path, a value or a list of servers, in bytes; its text is one byte shorter.
pub const PATH_BYTES: usize = 1024;

/// Slot of a UUID of 32 hexadecimal digits, in bytes.
pub const UUID_BYTES: usize = 33;

/// Slot of an IPv4 address, in bytes.
pub const ADDRESS_BYTES: usize = 16;

/// Slot of the kind of an event, and of its action, in bytes.
pub const WORD_BYTES: usize = 32;

/// Most published ports in a record.
pub const PORTS_MAX: usize = 16;

/// Most environment variables in an answer to INSPECT.
pub const VARIABLES_MAX: usize = 32;

/// Most bind mounts in an answer to INSPECT.
pub const BINDS_MAX: usize = 32;

/// Records of a container that one payload holds. What is beyond makes the whole answer an
/// INTERNAL_ERROR: the protocol has no pages.
pub const CONTAINERS_MAX: usize = 372;

/// Records of an image that one payload holds.
pub const IMAGES_MAX: usize = 788;

/// Records of an event that one payload holds.
pub const EVENTS_MAX: usize = 2841;
