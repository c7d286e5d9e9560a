//! The lifecycle event journal.
