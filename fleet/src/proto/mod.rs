//! What a node and its coordinator say to each other, as Rust has it: made from `proto/fleet.proto` by a test of
//! `socketd-tests`, and checked in. `PROTOCOL.md` has the meaning.

pub mod bounds;

#[allow(
    clippy::all,
    unreachable_pub,
    missing_debug_implementations,
    clippy::too_many_lines,
    clippy::wildcard_imports
)]
#[rustfmt::skip]
mod generated;

pub use generated::*;
