//! A coordinator and nodes as programs, before real containers.

mod crowd;
mod dockerd;
mod endpoint;
mod nat;
mod portainer;
mod restarts;
mod scene;
mod standing;
mod ways;
