//! The routes over a real connection, in front of a node whose Docker follows a script.

mod admin;
mod containers;
mod docker;
mod document;
mod entrance;
mod happenings;
mod leave;
mod scene;
mod since;
mod sockets;
