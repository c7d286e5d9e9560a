//! socketd against a stand-in for the bridge: real unix sockets, real frames, scripted answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers;
mod attach;
mod client;
mod events;
mod exec;
mod import;
mod lists;
mod logs;
mod orders;
mod program;
mod stand_in;
mod streams;
mod trouble;
