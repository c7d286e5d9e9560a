//! Dials a coordinator, tells it what is there and every change, and pipes bytes between it and Docker's socket.

pub mod stats;
pub mod watch;
