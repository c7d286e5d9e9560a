//! Version 1 as its other implementations see it: bytes in, bytes out.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod golden;
mod hostile;
mod round_trip;
mod samples;
mod scan;
