//! Droidspaces workspaces.

#[allow(
    dead_code,
    unused_imports,
    reason = "the runtime that reads it comes with its own folder"
)]
pub(in crate::runtime::droidspaces) mod config;
