//! The journal on a simulated disk: cut anywhere, failing anywhere, flipped anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "a test fails by panicking, and counts small things"
)]

mod crash;
mod damage;
mod disk;
mod faults;
mod golden;
mod model;
mod past;
mod scene;
mod times;
