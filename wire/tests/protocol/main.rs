//! The protocol as a peer sees it: bytes in, bytes out.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod canonical;
mod generate;
mod golden;
mod hostile;
mod message;
mod versions;
