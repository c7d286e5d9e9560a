//! Arguments of the command line.

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::hawser::Settings;

/// Reaches containers behind NAT, through any Docker-shaped socket.
#[derive(Debug, Parser)]
#[command(
    name = "socketd-fleet",
    version,
    after_help = "Exit codes:\n  0  asked to end (SIGTERM, SIGINT), and ended\n  \
                  1  could not start or go on; the last line of the log says why\n  \
                  2  wrong arguments"
)]
pub struct Cli {
    /// What to be.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can be.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// An agent that Dockhand talks to as it does to Hawser.
    ///
    /// With a server's URL and a token it dials out and stays connected (edge); without a URL it listens, and lets in
    /// who knows the token (standard). It takes Hawser's environment variables, so that it replaces Hawser in place.
    #[command(after_help = "Examples:\n  \
        DOCKHAND_SERVER_URL=wss://dockhand.example/api/hawser/connect TOKEN_FILE=/etc/socketd/hawser.token socketd-fleet hawser\n  \
        TOKEN_FILE=/etc/socketd/hawser.token socketd-fleet hawser --docker unix:///run/socketd/docker.sock --bind-address 127.0.0.1\n\n\
        Then: add an environment of the kind \"Hawser agent\" in Dockhand.")]
    Hawser(Box<Settings>),
}

/// What the log shows, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The least that is shown.
    pub level: LevelFilter,
    /// One JSON object a line.
    pub is_json: bool,
}
