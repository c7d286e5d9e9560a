//! A coordinator and nodes as programs, before real containers.

mod crowd;
mod nat;
mod restarts;
mod scene;
