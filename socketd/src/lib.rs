//! The unprivileged half of socketd: Docker's HTTP API over what the bridge knows.
//!
//! It must not know how containers are made or kept; it asks the bridge over two sockets.

pub mod docker;
