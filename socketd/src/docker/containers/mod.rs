//! Containers.

mod attachment;
mod command;
pub mod create;
mod filter;
pub mod inspect;
pub mod list;
mod mounts;
pub mod operate;
pub mod ports;
pub mod signal;
