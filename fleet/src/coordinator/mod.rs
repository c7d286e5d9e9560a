//! Where nodes dial in, and where users reach their containers.
//!
//! `door` lets nodes in, [`tunnels`] are the streams of bytes to them, [`store`] is what a disk keeps, [`state`] what
//! is known of nodes and containers, [`api`] what users see of all that, [`ports`] what they dial as an engine, and
//! [`metrics`] what Prometheus sees.

pub mod api;
mod door;
pub mod metrics;
pub mod ports;
pub mod state;
pub mod store;
pub mod tunnels;

pub use tunnels::{Line, Lines, Route, Routing, TunnelError, TunnelStream};
