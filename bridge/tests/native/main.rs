//! Real containers, from a root file system of busybox and nothing else. Needs root, and busybox as
//! one static file (`apt-get install busybox-static`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "a test fails by panicking"
)]

mod ceiling;
mod confinement;
mod cves;
mod execs;
mod files;
mod lifecycle;
mod limits;
mod logs;
mod old_kernels;
mod process;
mod scene;
mod tune;
mod walls;
