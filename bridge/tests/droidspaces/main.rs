//! Further processes by way of a daemon, which here is a stand-in: a thread that speaks its frames. The
//! relays are real ones. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    clippy::big_endian_bytes,
    reason = "a test fails by panicking, and a daemon speaks as it does"
)]

mod breaking;
mod direct;
mod relayed;
mod scene;
mod stand_in;
