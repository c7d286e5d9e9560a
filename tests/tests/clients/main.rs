//! Clients that people use, unchanged, against the real pair.

mod bollard;
mod docker_cli;
