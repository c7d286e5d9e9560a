//! Packages and services, each on a machine of its own: installed, started, killed, upgraded, removed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod debian;
mod openrc;
mod package;
mod runit;
mod story;
mod systemd;
