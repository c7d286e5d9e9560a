//! Arguments of the command line.

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::hawser::Settings;
use crate::{coordinator, node};

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

    /// A node: dials a coordinator, and lets it reach this machine's containers.
    ///
    /// Who it is is made once and kept in the state directory. The first time it needs a token of `coordinator enrol`;
    /// from then on its key lets it in.
    #[command(after_help = "Examples:\n  \
        ENROLMENT_TOKEN=sfe_... socketd-fleet node --coordinator https://hub.example:50051\n  \
        socketd-fleet node identity")]
    Node(Box<node::Arguments>),

    /// Where nodes dial in, and where users reach their containers.
    ///
    /// Nodes come by gRPC; users by REST, WebSockets, and as if each node were a Docker engine. Without TLS it listens
    /// for this machine alone.
    #[command(after_help = "Examples:\n  \
        socketd-fleet coordinator --bind-address 0.0.0.0 --tls-cert hub.pem --tls-key hub.key\n  \
        socketd-fleet coordinator enrol --name phone\n  \
        socketd-fleet coordinator key add grafana --access read")]
    Coordinator(Box<coordinator::Arguments>),

    /// A coordinator and a node of it in one process, for trying out.
    #[command(after_help = "Example:\n  socketd-fleet self-hosted --state-dir /tmp/fleet")]
    SelfHosted(Box<coordinator::SelfHosted>),
}

impl Cli {
    /// Of this process. A variable that is empty counts as one that is not there: files of compose write `TOKEN=`.
    ///
    /// Ends the process with what is wrong with its arguments, or with what it was asked to print.
    pub fn of_process() -> Self {
        let matches = without_empty(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The command without those variables that are empty.
fn without_empty(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| {
        let is_empty = |name| std::env::var_os(name).is_some_and(|value| value.is_empty());
        if argument.get_env().is_some_and(is_empty) {
            argument.env(None)
        } else {
            argument
        }
    });
    command.mut_subcommands(without_empty)
}

/// What the log shows, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The least that is shown.
    pub level: LevelFilter,
    /// One JSON object a line.
    pub is_json: bool,
}
