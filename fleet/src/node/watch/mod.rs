//! Follows an engine and tells every change of it.
