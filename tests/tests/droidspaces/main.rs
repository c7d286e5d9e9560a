//! Containers of Droidspaces, with a stand-in for its command: see `harness::droidspaces`.

mod fields;
mod life;
mod phone;
mod speech;
mod stand_in;
mod stand_in_daemon;
