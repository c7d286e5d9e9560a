//! Every maximum of a container's configuration, each with the abuse it stops. Numbers that are the
//! runtime's own say so: passing them means what it means there.

/// Bytes of a configuration that are looked at. The runtime has no such limit; one that is longer was
/// not written by it. Stops whoever can write the file from filling the bridge's memory.
pub(in crate::runtime::droidspaces) const FILE_BYTES_MAX: usize = 256 * 1024;

/// Longest line, without its end; the runtime's own. What follows is a line of its own.
pub(super) const LINE_BYTES_MAX: usize = 2047;

/// Port forwards; the runtime's own.
pub(super) const FORWARDS_MAX: usize = 32;

/// Longest value of a line of port forwards; the runtime's own.
pub(super) const FORWARDS_BYTES_MAX: usize = 1023;

/// Upstream interfaces; the runtime's own.
pub(super) const UPSTREAMS_MAX: usize = 32;

/// Longest value of a line of bind mounts; the runtime's own.
pub(super) const BINDS_BYTES_MAX: usize = 4095;

/// Longest name of a container; the runtime's own.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// Longest host name; the runtime's own.
pub(super) const HOSTNAME_BYTES_MAX: usize = 255;

/// Longest id; the runtime's own.
pub(super) const UUID_BYTES_MAX: usize = 32;

/// Longest name of a network interface: the kernel's own.
pub(super) const INTERFACE_BYTES_MAX: usize = 15;

/// Longest name of a gateway's network; the runtime's own.
pub(super) const GATEWAY_NET_BYTES_MAX: usize = 63;

/// Longest list of name servers; the runtime's own.
pub(super) const DNS_BYTES_MAX: usize = 1023;

/// Variables of an environment file. Stops a file of short lines from filling an answer.
pub(super) const VARIABLES_MAX: usize = 1024;

/// Bytes of an environment file that are looked at. Stops a large file from filling the bridge's memory.
pub(in crate::runtime::droidspaces) const ENV_BYTES_MAX: usize = 128 * 1024;
