//! The real pair for tests: a bridge and a socketd in a state directory of their own, real
//! containers, and a small HTTP client to look at them with.
//!
//! Nothing depends on this crate. It knows the two programs by their command lines and sockets
//! alone, as any user does, and it leaves nothing behind: a [`Pair`] that goes out of scope stops
//! its containers, ends its processes, and complains about whatever is still there.

pub mod agent;
pub mod binaries;
pub mod cli;
pub mod clock;
pub mod daemon;
pub mod dice;
pub mod docker;
pub mod dockerd;
pub mod dockhand;
pub mod droidspaces;
pub mod fleet;
pub mod fuse;
pub mod http;
pub mod leftovers;
pub mod load;
pub mod machine;
pub mod nat;
pub mod pace;
pub mod pair;
pub mod proxy;
pub mod rootfs;
pub mod terminal;
pub mod world;

pub use agent::Agent;
pub use cli::Cli;
pub use docker::Docker;
pub use dockerd::Dockerd;
pub use dockhand::Dockhand;
pub use http::{Address, Answer, Connection};
pub use machine::Machine;
pub use nat::Nat;
pub use pair::Pair;
pub use proxy::Proxy;
pub use terminal::Terminal;
pub use world::World;
