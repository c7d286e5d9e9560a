//! Every maximum of the fleet, each with the abuse it stops.

use std::time::Duration;

/// How long a Docker socket may take to accept. Stops an engine that hangs from holding requests for ever.
pub const DOCKER_CONNECT: Duration = Duration::from_secs(10);

/// What an answer of Docker's that this program reads itself may have, in bytes: `/version`, `/info`, an exec's id.
/// Stops an engine gone mad from filling memory.
pub const DOCKER_ANSWER_MAX: usize = 1 << 20;

/// Length of a token, in bytes. Stops a file that is none, such as a disk, from being read as one.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// Length of an agent's id and of its name, in bytes. Stops a file that is none from being told to the server.
pub const AGENT_NAME_BYTES_MAX: usize = 256;

/// A span of time in the settings, in seconds: a day. Stops a mistyped number from meaning never.
pub const SECONDS_MAX: u32 = 24 * 60 * 60;

/// Largest message that can be allowed, in MiB. It is spooled to a disk while it passes; stops a mistyped number from
/// filling that.
pub const MESSAGE_MIB_MAX: u32 = 4096;

/// Length of a path that anything less than full access may ask for, in bytes. Stops long ones from costing anything
/// to look through.
pub const PATH_BYTES_MAX: usize = 4096;

/// How long the system may take to tell how full a disk is. Stops a network's disk whose server is gone from holding up
/// whatever else there is to tell.
pub const DISK_ANSWER: Duration = Duration::from_secs(2);
