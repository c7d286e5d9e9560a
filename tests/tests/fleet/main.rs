//! A coordinator and nodes as programs, before real containers.

mod nat;
mod restarts;
mod scene;
