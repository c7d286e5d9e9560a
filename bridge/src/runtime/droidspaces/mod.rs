//! Droidspaces workspaces.

mod command;
#[allow(
    dead_code,
    unused_imports,
    reason = "the runtime that reads it comes with its own folder"
)]
pub(in crate::runtime::droidspaces) mod config;
mod daemon;
pub mod execs;
mod served;
mod streams;
#[allow(dead_code, reason = "the runtime that asks comes with its own folder")]
pub(in crate::runtime::droidspaces) mod usage;
