//! The root side of socketd.
pub mod runtime;
pub mod shim;
pub mod sys;
pub mod tree;
pub mod unpack;
