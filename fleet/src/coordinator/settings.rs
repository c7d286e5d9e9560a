//! What a coordinator is asked to be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::CoordinatorError;
use crate::cli::Log;
use crate::docker::Address;
use crate::front::tls::Files;
use crate::hawser::{LogArguments, truth};

/// Where a coordinator keeps what it knows, unless told otherwise.
pub(super) const STATE_DIR: &str = "/var/lib/socketd-fleet-coordinator";

/// Arguments of `socketd-fleet coordinator`. Each has a variable; a flag beats its variable.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to have a coordinator do that runs.
    #[command(subcommand)]
    pub order: Option<Order>,

    /// What the coordinator is.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to have a coordinator do that runs: over its admin socket, which its owner alone may open.
#[derive(Debug, Clone, Subcommand)]
pub enum Order {
    /// Makes a token that lets one node in, once.
    Enrol {
        /// What the node will be called [default: what it calls itself]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,

        /// How long the token is good: seconds, or with `m`, `h` or `d` behind them
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span)]
        ttl: u32,

        /// Where the node will dial, for the line that is printed
        #[arg(long, value_name = "URL", default_value = "https://THIS-HOST:50051")]
        address: String,

        #[command(flatten)]
        place: Place,
    },
    /// Shows the nodes.
    Nodes {
        #[command(flatten)]
        place: Place,
    },
    /// Shuts a node out, and ends its connection.
    Revoke {
        /// Which
        node_id: String,

        #[command(flatten)]
        place: Place,
    },
    /// Keys that users show.
    #[command(subcommand)]
    Key(KeyOrder),
    /// Ports of this machine that are a node's Docker socket.
    #[command(subcommand)]
    Port(PortOrder),
}

/// What can be done with keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyOrder {
    /// Makes one, and shows it this one time.
    Add {
        /// What people call it
        name: String,

        /// What it may ask for
        #[arg(long, value_enum)]
        access: Access,

        /// The one node that it may ask [default: every node]
        #[arg(long, value_name = "ID")]
        node: Option<String>,

        #[command(flatten)]
        place: Place,
    },
    /// Shows what keys there are.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Forgets one.
    Remove {
        /// What people call it
        name: String,

        #[command(flatten)]
        place: Place,
    },
}

/// What can be done with ports.
#[derive(Debug, Clone, Subcommand)]
pub enum PortOrder {
    /// Opens one.
    Open {
        /// Whose Docker it is
        node_id: String,

        /// Where: an address and a port, 0 for any that is free
        #[arg(long, value_name = "IP:PORT")]
        listen: SocketAddr,

        /// For those with a client certificate, by TLS; without, only this machine may come
        #[arg(long)]
        tls: bool,

        #[command(flatten)]
        place: Place,
    },
    /// Shows what ports there are.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Closes one.
    Close {
        /// Where it listens
        address: SocketAddr,

        #[command(flatten)]
        place: Place,
    },
}

/// Where the coordinator is that is to do it, and how it is shown.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Where the coordinator keeps what it knows
    #[arg(long, env = "STATE_DIR", value_name = "PATH", default_value = STATE_DIR)]
    pub state_dir: PathBuf,

    /// As JSON, as REST has it
    #[arg(long)]
    pub json: bool,
}

/// What a key may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Access {
    /// Everything that shows, but for logs and files.
    Read,
    /// And logs, start, stop, restart, kill, pause, unpause, wait.
    Operate,
    /// Everything.
    Full,
}

/// What a coordinator is asked to be.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Address to listen on, for nodes and for users
    #[arg(long, env = "BIND_ADDRESS", value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind_address: IpAddr,

    /// Port that nodes dial (gRPC)
    #[arg(long, env = "GRPC_PORT", value_name = "PORT", default_value_t = 50051)]
    pub grpc_port: u16,

    /// Port for users: REST, WebSockets, Docker endpoints
    #[arg(long, env = "API_PORT", value_name = "PORT", default_value_t = 3000)]
    pub api_port: u16,

    /// Certificate to listen with on both (PEM), and its chain
    #[arg(long, env = "TLS_CERT", value_name = "PATH", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Key of that certificate (PEM)
    #[arg(long, env = "TLS_KEY", value_name = "PATH", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Authorities whose client certificates have full access to REST and to the ports of nodes (PEM)
    #[arg(long, env = "CLIENT_CA", value_name = "PATH", requires = "tls_cert")]
    pub client_ca: Option<PathBuf>,

    /// Listen without TLS where others than this machine can reach it: for who has TLS in front
    #[arg(long, env = "ALLOW_PLAIN", value_parser = truth)]
    pub allow_plain: bool,

    /// Take `node_id` and `password` in the query, as Docklord does: logs and histories have them then, too
    #[arg(long, env = "ALLOW_QUERY_CREDENTIALS", value_parser = truth)]
    pub allow_query_credentials: bool,

    /// Where the coordinator keeps nodes, keys and events, and has its admin socket
    #[arg(long, env = "STATE_DIR", value_name = "PATH", default_value = STATE_DIR)]
    pub state_dir: PathBuf,

    #[command(flatten)]
    log: LogArguments,
}

/// Arguments of `socketd-fleet self-hosted`.
#[derive(Debug, Clone, Args)]
pub struct SelfHosted {
    /// What the coordinator is.
    #[command(flatten)]
    pub settings: Settings,

    /// Docker-shaped socket of the node: `unix:///PATH` or `tcp://HOST:PORT` [default: as of `node`]
    #[arg(long, env = "DOCKER_SOCKET", value_name = "ADDRESS")]
    pub docker: Option<Address>,
}

impl Settings {
    /// What the log shows.
    pub fn log(&self) -> Log {
        self.log.log()
    }

    /// What to listen with by TLS, if anything.
    ///
    /// # Errors
    /// [`CoordinatorError::Settings`] where others could come without.
    pub(super) fn tls(&self) -> Result<Option<Files>, CoordinatorError> {
        if let (Some(cert), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) {
            let client_ca = self.client_ca.clone();
            return Ok(Some(Files { cert, key, client_ca }));
        }
        if !self.bind_address.to_canonical().is_loopback() && !self.allow_plain {
            return Err(CoordinatorError::Settings(format!(
                "{} can be reached from elsewhere, and without TLS whoever is in between reads and changes \
                 everything: set --tls-cert and --tls-key, or --allow-plain where TLS is in front",
                self.bind_address
            )));
        }
        Ok(None)
    }
}

/// Seconds, from one to thirty days.
fn span(text: &str) -> Result<u32, String> {
    let error = || "a time is a number of seconds, or of `m`, `h` or `d`, up to 30d".to_owned();
    let (number, unit) = match text.char_indices().last() {
        Some((at, letter)) if letter.is_ascii_alphabetic() => text.split_at(at),
        _ => (text, "s"),
    };
    let unit: u32 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(error()),
    };
    let number: u32 = number.parse().map_err(|_| error())?;
    let seconds = number.checked_mul(unit).ok_or_else(error)?;
    let longest = crate::limits::ENROLMENT_SECONDS_MAX;
    (1..=longest)
        .contains(&seconds)
        .then_some(seconds)
        .ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn times() {
        let check = |text: &str, expected: Option<u32>| assert_eq!(span(text).ok(), expected, "{text}");
        check("90", Some(90));
        check("90s", Some(90));
        check("2m", Some(120));
        check("1h", Some(3600));
        check("30d", Some(2_592_000));
        check("31d", None);
        check("0", None);
        check("-1", None);
        check("99999999999d", None);
        check("99999d", None);
        check("h", None);
        check("1y", None);
        check("1ä", None);
        check("", None);
    }

    #[test]
    fn nobody_listens_in_the_clear_by_mistake() {
        let check = |arguments: &str, expected: bool| {
            let words = ["socketd-fleet", "coordinator"].into_iter();
            let parsed = Cli::try_parse_from(words.chain(arguments.split_whitespace()));
            let is_good = match parsed.map(|cli| cli.command) {
                Ok(Command::Coordinator(arguments)) => arguments.settings.tls().is_ok(),
                _ => false,
            };
            assert_eq!(is_good, expected, "{arguments}");
        };
        check("", true);
        check("--bind-address ::1", true);
        check("--bind-address 0.0.0.0", false);
        check("--bind-address ::", false);
        check("--bind-address 0.0.0.0 --allow-plain", true);
        check("--bind-address 0.0.0.0 --tls-cert a --tls-key b", true);
        check("--tls-cert a", false);
        check("--client-ca a", false);
    }
}
