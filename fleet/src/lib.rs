//! What reaches containers that nobody can dial: behind a mobile network's NAT, a device has to dial out itself.
//!
//! [`hawser`] is an agent that Dockhand knows how to talk to: it dials out by WebSocket, or serves HTTP with a token.
//! [`node`] dials a [`coordinator`] of this crate's own by gRPC ([`proto`]), and users reach every node's containers
//! there. All end in [`docker`], a client of any Docker-shaped socket: socketd's, or a real engine's.
//!
//! Whoever asks is let in by [`front`] and judged by [`access`]. The crate needs no privilege, and it must not know
//! anything of socketd but Docker's API: neither its protocol nor its files. [`limits`] has every maximum.

pub mod access;
mod backoff;
pub mod cli;
pub mod coordinator;
mod dial;
pub mod docker;
pub mod front;
pub mod hawser;
mod kept;
pub mod limits;
pub mod node;
pub mod proto;
mod stop;
pub mod tunnel;
mod uuid;
