//! Clients that people use, unchanged, against the real pair.

mod access;
mod beside_dockerd;
mod bollard;
mod browser;
mod docker_cli;
mod ends;
mod inside;
mod reboot;
mod tls;
