//! Containers.

pub mod archive;
mod attachment;
mod command;
pub mod create;
mod filter;
pub(in crate::docker) mod health;
pub mod inspect;
pub mod list;
mod mounts;
pub mod operate;
pub mod ports;
pub mod signal;
pub mod stats;
pub mod top;
