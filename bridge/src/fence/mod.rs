//! What the bridge gives up of itself: what it was started with ([`start`]), the powers that it does not
//! use ([`powers`]), and, in the threads that read what peers send, all system calls but those of their
//! work ([`calls`]).
//!
//! It starts other programs, containers at last, and these must not be touched by any of it: what is
//! inherited by children is left as it was found, or is put on threads that have none. Programs are
//! started by one thread that has no fence, the `launcher`.

pub mod calls;
pub mod powers;
pub mod start;
