//! Who has which power, looked up where the kernel tells it.

mod bridge;
mod containers;
mod front;
mod process;
