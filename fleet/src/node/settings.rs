//! What a node is asked to be.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::identity::Wishes;
use super::{NodeError, Server};
use crate::cli::Log;
use crate::dial::Trust;
use crate::docker::Address;
use crate::hawser::{self, LogArguments, Token, truth};

/// Arguments of `socketd-fleet node`. Each has a variable; a flag beats its variable.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do instead of being a node.
    #[command(subcommand)]
    pub order: Option<Order>,

    /// What the node is.
    #[command(flatten)]
    pub settings: Settings,
}

/// What can be done instead of being a node.
#[derive(Debug, Clone, Subcommand)]
pub enum Order {
    /// Shows who this node is, and the password that opens its containers; makes both where there is none yet.
    Identity {
        /// Where the node keeps who it is
        #[arg(long, env = "STATE_DIR", value_name = "PATH", default_value = STATE_DIR)]
        state_dir: PathBuf,

        /// How it is shown.
        #[command(flatten)]
        form: Form,
    },
}

/// How an identity is shown.
#[derive(Debug, Clone, Args)]
pub struct Form {
    /// As one JSON object
    #[arg(long)]
    pub json: bool,

    /// As `ID:PASSWORD`, for `curl -u`
    #[arg(long, conflicts_with = "json")]
    pub credentials: bool,
}

/// Where a node keeps who it is, unless told otherwise.
const STATE_DIR: &str = "/var/lib/socketd-fleet-node";

/// What a node is asked to be.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Coordinator to dial: `https://HOST:50051`; `http://` where it is this machine
    #[arg(
        long,
        env = "COORDINATOR_ADDR",
        visible_alias = "coordinator-addr",
        value_name = "URL",
        default_value = "http://localhost:50051"
    )]
    pub coordinator: Server,

    /// One-time token of `coordinator enrol`; needed once. Everybody who may look at this process sees it
    #[arg(long, env = "ENROLMENT_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<Token>,

    /// File with that token in it; beats the token itself
    #[arg(long, env = "ENROLMENT_TOKEN_FILE", value_name = "PATH")]
    pub token_file: Option<PathBuf>,

    /// Docker-shaped socket: `unix:///PATH` or `tcp://HOST:PORT` [default: DOCKER_HOST; else the first that exists of
    /// /run/socketd/docker.sock, /var/run/docker.sock, ~/.docker/run/docker.sock, ~/.orbstack/run/docker.sock,
    /// /run/docker.sock]
    #[arg(long, env = "DOCKER_SOCKET", value_name = "ADDRESS")]
    docker: Option<Address>,

    /// What the `docker` command takes; for who has set this and no DOCKER_SOCKET
    #[arg(long, hide = true, env = "DOCKER_HOST", value_name = "ADDRESS")]
    docker_host: Option<String>,

    /// Where the node keeps who it is
    #[arg(long, env = "STATE_DIR", value_name = "PATH", default_value = STATE_DIR)]
    pub state_dir: PathBuf,

    /// Another id than the one that was made
    #[arg(long, env = "NODE_ID", value_name = "ID")]
    node_id: Option<String>,

    /// Another password than the one that was made: 16 characters or more
    #[arg(long, env = "NODE_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    password: Option<String>,

    /// What people call it [default: this machine's name]
    #[arg(long, env = "NODE_NAME", value_name = "NAME")]
    pub name: Option<String>,

    /// Certificates of the authorities that the coordinator is held against, instead of the system's (PEM)
    #[arg(long, env = "CA_CERT", value_name = "PATH")]
    ca_cert: Option<PathBuf>,

    /// SHA-256 of the coordinator's certificate (DER), in hex: no other is taken, whoever signed it
    #[arg(long, env = "TLS_PIN", value_name = "SHA256")]
    tls_pin: Option<String>,

    /// Dial `http://` beyond this machine: whoever is in between reads and changes everything
    #[arg(long, env = "ALLOW_PLAIN", value_parser = truth)]
    pub allow_plain: bool,

    #[command(flatten)]
    log: LogArguments,
}

impl Arguments {
    /// What the log shows.
    pub fn log(&self) -> Log {
        self.settings.log.log()
    }
}

impl Settings {
    /// The socket of Docker's.
    ///
    /// # Errors
    /// [`NodeError::Settings`] when `DOCKER_HOST` is nothing that can be dialled.
    pub fn docker(&self) -> Result<Address, NodeError> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let (docker, host) = (self.docker.as_ref(), self.docker_host.as_deref());
        hawser::place(docker, host, home.as_deref(), Path::exists).map_err(NodeError::Settings)
    }

    /// The token, if there is one. A file that is no longer there is none: it was needed once.
    ///
    /// # Errors
    /// [`NodeError::Settings`] where the file is there and has none in it.
    pub fn token(&self) -> Result<Option<Token>, NodeError> {
        let Some(path) = &self.token_file else {
            return Ok(self.token.clone());
        };
        match Token::read(path) {
            Ok(token) => Ok(Some(token)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(self.token.clone()),
            Err(error) => Err(NodeError::Settings(format!("{}: {error}", path.display()))),
        }
    }

    /// What its identity is to be.
    pub fn wishes(&self) -> Wishes {
        Wishes {
            node_id: self.node_id.clone(),
            password: self.password.clone(),
        }
    }

    /// Whom to take for the coordinator.
    pub(super) fn trust(&self) -> Result<Trust, NodeError> {
        if !self.coordinator.is_secure() && !self.coordinator.is_local() && !self.allow_plain {
            return Err(NodeError::Settings(format!(
                "{} is not encrypted: whoever is in between reads and changes everything; use https://, or \
                 --allow-plain where the way is safe otherwise",
                self.coordinator
            )));
        }
        Trust::of(self.tls_pin.as_deref(), false, self.ca_cert.clone())
            .map_err(|error| NodeError::Settings(error.to_string()))
    }
}
