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
mod open_ports;
pub mod operate;
pub mod ports;
pub mod signal;
pub mod stats;
pub mod top;
