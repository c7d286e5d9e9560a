//! The module for rooted phones: the zip as it is flashed, its scripts run for real, on a phone that is
//! emulated as far as a module sees one (`phone.sh`). Stand-ins: `installer.sh` and `boot.sh` for Magisk, and
//! there `getprop` for Android's. SELinux is absent: labels are set in vain, as on a phone whose policy refuses.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod install;
mod life;
mod log;
mod looks;
mod module;
mod place;
mod policy;
mod scripts;
mod update;
