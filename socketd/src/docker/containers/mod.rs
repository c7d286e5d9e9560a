//! Containers.

pub mod create;
pub mod inspect;
pub mod list;
pub mod operate;
pub mod ports;
pub mod signal;
