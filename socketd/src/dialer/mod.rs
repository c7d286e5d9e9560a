//! The dialer: a process that stays root to be admitted by a bridge, and is nothing but that.
//!
//! A bridge of version 1 admits by what the kernel says of who connected, and on most machines that
//! means root. What serves HTTP is not root any more by the time it connects. So, before power is given
//! up, this same program is started once more ([`dial`]). That process keeps its user number and no
//! other power; it is asked for a connection with one byte, connects to the one address it was started
//! with, and passes the connection on, unread. What is said on it is never seen by a process of root.
//!
//! Between the two lies a socket of whole messages (`SOCK_SEQPACKET`). First the dialer says that it
//! is confined ([`answer::READY`]), or in a sentence why it ends. Then each request is one byte, a
//! ticket, and each answer bears the ticket of its request.
//!
//! It ends when the other side of that socket closes, which the kernel does however socketd ends. (The
//! signal that a parent's death can send does not reach it: the parent is not root by then, and may
//! not send it.) It is never started again, for the power to do so is gone.

mod answer;
mod confine;
mod line;
mod process;
mod start;

pub use line::{Dialer, DialerError};
pub use process::{DialError, dial};
pub use start::{StartError, Started};

#[cfg(test)]
mod tests;
