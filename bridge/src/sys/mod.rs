//! The only unsafe code of this crate: system calls that neither the standard library nor `nix`
//! offers in a safe form. Each file is one mechanism, a few lines with a proof.
//!
//! Nothing here decides anything: no policy, no paths of ours, no containers.

#![allow(unsafe_code, reason = "this folder is where it is allowed, and nowhere else")]

pub mod descriptors;
pub(crate) mod environment;
pub mod filter;
pub mod interface;
pub mod memory;
pub mod pidfd;
pub mod process;
pub mod terminal;
