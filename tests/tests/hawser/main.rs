//! The agent between a server that does as Dockhand does and the real pair with real containers.
//!
//! [`server`] holds the server itself against the table of what the real one does, with an agent of a few lines. The
//! rest holds the agent against the server.

mod crowd;
mod dockerd;
mod engine;
mod entry;
mod events;
mod health;
mod hostile;
mod metrics;
mod pages;
mod scene;
mod server;
mod stacks;
mod streams;
mod terminals;
