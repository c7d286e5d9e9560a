//! A coordinator and nodes as programs, before real containers.

mod crowd;
mod dockerd;
mod endpoint;
mod faces;
mod faults;
mod nat;
mod portainer;
mod restarts;
mod scene;
mod socket;
mod standing;
mod ways;
