//! The root side of socketd.
pub mod runtime;
