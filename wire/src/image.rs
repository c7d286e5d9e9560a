//! What an image is.

use crate::id::ImageId;
use crate::record;
use crate::spec::{HealthCheck, Pair, Port};
use crate::time::Time;

record! {
    /// What a container gets from its image where it does not say otherwise.
    pub struct ImageConfig {
        /// First part of the argument vector.
        1 => entrypoint: Vec<String>,
        /// Second part of the argument vector.
        2 => command: Vec<String>,
        /// Environment, as `NAME=value`.
        3 => env: Vec<String>,
        /// Working directory.
        4 => working_dir: String,
        /// User.
        5 => user: String,
        /// Labels, sorted by key.
        6 => labels: Vec<Pair>,
        /// Ports it names.
        7 => exposed: Vec<Port>,
        /// Directories it wants kept.
        8 => volumes: Vec<String>,
        /// Signal that asks it to end.
        9 => stop_signal: String,
        /// How health is found out.
        10 => health_check: Option<HealthCheck>,
    }
}

record! {
    /// An image: a root file system and what goes with it.
    pub struct Image {
        /// SHA-256 over the encoding of what follows up to `config`.
        1 => id: ImageId,
        /// When it was made.
        2 => created_at: Time,
        /// SHA-256 of the root file system's tar, unpacked; zero where there never was one.
        3 => layer: ImageId,
        /// Bytes of the files in the root file system.
        4 => size_bytes: u64,
        /// Processor, as Go names it: `amd64`, `arm64`.
        5 => architecture: String,
        /// Where it came from, in words.
        6 => comment: String,
        /// What a container gets from it.
        7 => config: ImageConfig,
        /// Names that lead to it, as `repository:tag`, sorted.
        8 => tags: Vec<String>,
        /// When it last got a name.
        9 => tagged_at: Time,
        /// Directory of its root file system, on the host.
        10 => rootfs_dir: String,
        /// Who made it, in words.
        11 => author: String,
    }
}
