//! socketd against a stand-in for the bridge: real unix sockets, real frames, scripted answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers;
mod archive;
mod attach;
mod browser;
mod client;
mod console;
mod ends;
mod events;
mod exec;
mod import;
mod inside;
mod keys;
mod limits;
mod lists;
mod logs;
mod networks;
mod observe;
mod orders;
mod policy;
mod program;
mod program_tls;
mod stand_in;
mod stats;
mod stock;
mod streams;
mod systemd;
mod tls;
mod trouble;
