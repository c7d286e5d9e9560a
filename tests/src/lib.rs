//! The real pair, started for tests.
