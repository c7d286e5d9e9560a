//! Containers of Droidspaces, with a stand-in for its command: see `harness::droidspaces`.

mod command;
mod console;
mod dsap;
mod fields;
mod hostile;
mod life;
mod lists;
mod load;
mod malformed;
mod many;
mod order;
mod phone;
mod scene;
mod speech;
mod stand_in;
mod stand_in_daemon;
mod within;
