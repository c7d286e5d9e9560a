//! The embedded runtime.

pub mod images;
