//! The rules of the house that a compiler does not know. Each is a test; each failure says what
//! to do. Nothing here needs root or a network.

mod documents;
mod edges;
mod goldens;
mod places;
mod proto;
mod rust;
mod sizes;
mod tree;
mod words;
