//! The files of real containers: taken out, put in, compared, made an image of. Needs root, and busybox
//! as one static file (`apt-get install busybox-static`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "a test fails by panicking"
)]

mod changes;
mod escapes;
mod hostile;
mod images;
mod reading;
mod scene;
mod writing;
