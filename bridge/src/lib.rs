//! The root side of socketd.
pub mod runtime;
pub mod tree;
pub mod unpack;
