//! Version 1 of the protocol, for whoever knows no other: a third door, open only where it is asked for.
//!
//! An abstract unix socket, one request and one answer a connection, then the end. What is there to see
//! and to do is the same as through the other doors: this room asks `inventory`, `supervise` and the
//! journal, and puts what they say into records of fixed width. What does not fit is left out by a rule
//! that stands where it is applied, never by refusing the rest.
//!
//! An abstract socket has no owner and no mode, so everybody in this network namespace can connect:
//! [`rights`] says who is answered. Everything here bounds what one peer can hold, for every process of
//! the machine may be that peer.

mod accounts;
mod answer;
mod history;
mod limits;
mod listen;
mod patience;
mod ports;
mod render;
mod rights;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use listen::open;
