//! What Hawser's environment variables say, and flags of the same names.

mod mode;
mod server;
mod token;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, value_parser};
use tracing_subscriber::filter::LevelFilter;

use crate::access::Role;
use crate::cli::Log;
use crate::docker::Address;
use crate::limits::{MESSAGE_MIB_MAX, SECONDS_MAX};

pub use mode::Mode;
pub(crate) use mode::place;
pub use server::{Server, ServerError};
pub use token::{Token, TokenError};

/// What the agent is asked to be. Each has Hawser's variable; a flag beats its variable.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Docker-shaped socket: `unix:///PATH` or `tcp://HOST:PORT` [default: DOCKER_HOST; else the first that exists of
    /// /run/socketd/docker.sock, /var/run/docker.sock, ~/.docker/run/docker.sock, ~/.orbstack/run/docker.sock,
    /// /run/docker.sock]
    #[arg(long, env = "DOCKER_SOCKET", value_name = "ADDRESS")]
    pub(super) docker: Option<Address>,

    /// What the `docker` command takes; for who has set this and no DOCKER_SOCKET
    #[arg(long, hide = true, env = "DOCKER_HOST", value_name = "ADDRESS")]
    docker_host: Option<String>,

    /// Server to dial, with its path: `wss://HOST/api/hawser/connect` (edge mode). Without it, listen (standard mode)
    #[arg(long, env = "DOCKHAND_SERVER_URL", value_name = "URL")]
    server: Option<String>,

    /// Token, as the server made it. Everybody who may look at this process sees it; prefer a file
    #[arg(long, env = "TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<Token>,

    /// File with the token in it; beats the token itself
    #[arg(long, env = "TOKEN_FILE", value_name = "PATH")]
    token_file: Option<PathBuf>,

    /// Certificates of the authorities that the server is held against, instead of the system's (PEM)
    #[arg(long, env = "CA_CERT", value_name = "PATH")]
    pub ca_cert: Option<PathBuf>,

    /// Take any certificate of the server: whoever is in between reads everything, the token too
    #[arg(long, env = "TLS_SKIP_VERIFY", value_parser = truth)]
    pub tls_skip_verify: bool,

    /// SHA-256 of the server's certificate (DER), in hex: no other is taken, whoever signed it
    #[arg(long, env = "TLS_PIN", value_name = "SHA256")]
    pub tls_pin: Option<String>,

    /// Port to listen on; in edge mode for the health check alone
    #[arg(long, env = "PORT", value_name = "PORT", default_value_t = 2376)]
    port: u16,

    /// Address to listen on [default: 0.0.0.0; in edge mode 127.0.0.1]
    #[arg(long, env = "BIND_ADDRESS", value_name = "IP")]
    bind_address: Option<IpAddr>,

    /// Listen without a token where others than this machine can reach it
    #[arg(long, env = "ALLOW_INSECURE_NO_AUTH", value_parser = truth)]
    allow_insecure_no_auth: bool,

    /// Certificate to listen with (PEM), and its chain
    #[arg(long, env = "TLS_CERT", value_name = "PATH", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Key of that certificate (PEM)
    #[arg(long, env = "TLS_KEY", value_name = "PATH", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Who this agent is [default: made once and kept in the state directory]
    #[arg(long, env = "AGENT_ID", value_name = "ID")]
    pub agent_id: Option<String>,

    /// What people call it [default: this machine's name]
    #[arg(long, env = "AGENT_NAME", value_name = "NAME")]
    pub agent_name: Option<String>,

    /// Where the agent keeps its id, which events the server has, and what is too large for memory while it passes
    #[arg(
        long,
        env = "STATE_DIR",
        value_name = "PATH",
        default_value = "/var/lib/socketd-fleet/hawser"
    )]
    pub state_dir: PathBuf,

    /// Seconds between pings
    #[arg(
        long,
        env = "HEARTBEAT_INTERVAL",
        value_name = "SECONDS",
        default_value = "30"
    )]
    pub heartbeat_interval: Seconds,

    /// Seconds that a request may take which does not stream
    #[arg(long, env = "REQUEST_TIMEOUT", value_name = "SECONDS", default_value = "120")]
    pub request_timeout: Seconds,

    /// Seconds that a compose command may take
    #[arg(long, env = "COMPOSE_TIMEOUT", value_name = "SECONDS", default_value = "900")]
    pub compose_timeout: Seconds,

    /// Seconds before the first attempt to connect again
    #[arg(long, env = "RECONNECT_DELAY", value_name = "SECONDS", default_value = "1")]
    pub reconnect_delay: Seconds,

    /// Seconds between attempts at most
    #[arg(
        long,
        env = "MAX_RECONNECT_DELAY",
        value_name = "SECONDS",
        default_value = "60"
    )]
    pub max_reconnect_delay: Seconds,

    /// Seconds that the server may take to welcome
    #[arg(long, env = "WELCOME_TIMEOUT", value_name = "SECONDS", default_value = "30")]
    pub welcome_timeout: Seconds,

    /// Largest message that the server may send, in MiB
    #[arg(long, env = "MAX_MESSAGE_SIZE_MB", value_name = "MIB", default_value_t = 256, value_parser = value_parser!(u32).range(1..=i64::from(MESSAGE_MIB_MAX)))]
    pub max_message_size_mb: u32,

    /// Where files of stacks are written
    #[arg(long, env = "STACKS_DIR", value_name = "PATH", default_value = "/data/stacks")]
    pub stacks_dir: PathBuf,

    /// Tell nothing about disks
    #[arg(long, env = "SKIP_DF_COLLECTION", value_parser = truth)]
    pub skip_df_collection: bool,

    /// What the server may ever ask for: `read` (what shows), `operate` (and logs, start, stop, restart, kill, pause,
    /// unpause, wait) or `full`
    #[arg(long, env = "ACCESS", value_name = "ROLE", default_value = "full")]
    pub access: Role,

    /// What the log shows, and how
    #[command(flatten)]
    log: LogArguments,
}

impl Settings {
    /// What the log shows.
    pub fn log(&self) -> Log {
        self.log.log()
    }
}

/// A span of time in whole seconds, from one second to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub Duration);

/// Why a text is no span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondsError;

impl fmt::Display for SecondsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a span of time is a whole number of seconds from 1 to {SECONDS_MAX}"
        )
    }
}

impl std::error::Error for SecondsError {}

impl FromStr for Seconds {
    type Err = SecondsError;

    fn from_str(text: &str) -> Result<Self, SecondsError> {
        let seconds: u32 = text.trim().parse().map_err(|_| SecondsError)?;
        if !(1..=SECONDS_MAX).contains(&seconds) {
            return Err(SecondsError);
        }
        Ok(Self(Duration::from_secs(seconds.into())))
    }
}

/// Words for yes and no. Any other is an error: a mistyped no must not open a door.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "y" | "t" => Ok(true),
        "false" | "0" | "no" | "off" | "n" | "f" => Ok(false),
        _ => Err("this is either true or false".to_owned()),
    }
}

/// What the log shows, and how.
#[derive(Debug, Clone, Args)]
pub struct LogArguments {
    /// What the log shows: debug, info, warn or error
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL", default_value = "info", value_parser = level)]
    log_level: LevelFilter,

    /// How the log is written: `text` or `json`
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl LogArguments {
    /// As they have it.
    pub fn log(&self) -> Log {
        Log {
            level: self.log_level,
            is_json: self.log_format == LogFormat::Json,
        }
    }
}

/// Hawser knows `warning` besides.
fn level(text: &str) -> Result<LevelFilter, String> {
    let level = text.trim().to_ascii_lowercase();
    let level = if level == "warning" { "warn" } else { &level };
    level
        .parse()
        .map_err(|_| "a level is debug, info, warn or error".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let check = |text: &str, expected: Option<u64>| {
            let span = expected.map(|seconds| Seconds(Duration::from_secs(seconds)));
            assert_eq!(text.parse().ok(), span, "{text}");
        };
        check("30", Some(30));
        check(" 1\n", Some(1));
        check("86400", Some(86_400));
        check("86401", None);
        check("0", None);
        check("-1", None);
        check("30s", None);
        check("1.5", None);
        check("", None);
    }

    #[test]
    fn yes_and_no() {
        let check = |text: &str, expected: Option<bool>| assert_eq!(truth(text).ok(), expected, "{text}");
        check("true", Some(true));
        check("YES", Some(true));
        check("1", Some(true));
        check("off", Some(false));
        check("0", Some(false));
        check("nope", None);
        check("", None);
    }

    #[test]
    fn levels() {
        let check =
            |text: &str, expected: Option<LevelFilter>| assert_eq!(level(text).ok(), expected, "{text}");
        check("info", Some(LevelFilter::INFO));
        check("WARNING", Some(LevelFilter::WARN));
        check(" debug ", Some(LevelFilter::DEBUG));
        check("loud", None);
    }
}
