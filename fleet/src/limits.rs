//! Every maximum of the fleet, each with the abuse it stops.

use std::time::Duration;

/// How long a Docker socket may take to accept. Stops an engine that hangs from holding requests for ever.
pub const DOCKER_CONNECT: Duration = Duration::from_secs(10);

/// What an answer of Docker's that this program reads itself may have, in bytes: `/version`, `/info`, an exec's id.
/// Stops an engine gone mad from filling memory.
pub const DOCKER_ANSWER_MAX: usize = 1 << 20;
