//! What a disk keeps.
