//! The image store with its real unpacker: the binary of this crate, started for each import.
//!
//! Needs root, because owners, device nodes and chroot do. Every test has a directory of its own,
//! gone when the test is over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod confined;
mod formats;
mod hostile;
mod scene;
mod store;
