//! Lets nodes in.
