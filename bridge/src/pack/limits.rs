//! Every maximum of the packer, each with the abuse it stops.

/// Deepest directory, counted from the top of what is walked. Each level holds up to three
/// descriptors. Stops a tree without end from using them up.
pub(super) const DEPTH_MAX: usize = 2048;

/// Most open descriptors: three for each level, and a few.
pub(super) const DESCRIPTORS_MAX: u64 = 6200;

/// Most bytes of names that wait to be visited. Stops directories of many millions of files from
/// filling the memory.
pub(super) const PENDING_BYTES_MAX: usize = 256 << 20;

/// Most bytes of names kept to recognise further names of a file. Past it such names become files of
/// their own. Stops a tree of hard links from filling the memory.
pub(super) const LINKED_BYTES_MAX: usize = 64 << 20;

/// Most links followed to say where a link leads, as the kernel's own limit. Stops links in a circle.
pub(super) const LINKS_MAX: usize = 40;

/// Largest extended attributes of one file, in bytes: the kernel's own limit for their names, and for
/// one value.
pub(super) const XATTR_BYTES_MAX: usize = 64 * 1024;

/// Bytes gathered before they are written. Large files are read straight into this.
pub(super) const OUTPUT_BYTES: usize = 256 * 1024;

/// Longest path asked for or told of, in bytes: what the kernel takes, less the final NUL.
pub(crate) const PATH_BYTES_MAX: usize = 4095;

/// Bytes of differences told in one message. One path more, and that in the longest form of bytes that
/// are no text, still fits a message.
pub(super) const CHANGES_BYTES: usize = 32 * 1024;

/// Longest silence of a sender of a tar into a container that does not run. Stops one that stalls from
/// keeping the container from being started.
pub(super) const SILENCE_S_MAX: i64 = 60;

/// Longest sentence told, in characters.
pub(super) const SENTENCE_CHARS_MAX: usize = 1024;
