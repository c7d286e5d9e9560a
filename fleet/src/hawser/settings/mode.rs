//! What the settings come to: one of two modes, a Docker, and where to listen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::{Server, Settings, Token};
use crate::docker::Address;
use crate::hawser::HawserError;

/// The socket of ours.
const OURS: &str = "/run/socketd/docker.sock";

/// Sockets that are looked for where none is named, first ours and then those that Hawser looks for. Those that begin
/// with no slash are in the home directory.
const SOCKETS: &[&str] = &[
    OURS,
    "/var/run/docker.sock",
    ".docker/run/docker.sock",
    ".orbstack/run/docker.sock",
    "/run/docker.sock",
];

/// How the agent and its server find each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The agent dials this server, and shows this token.
    Edge(Server, Token),
    /// The agent listens, and lets in who shows this token; without one, everybody.
    Standard(Option<Token>),
}

impl Settings {
    /// The mode.
    ///
    /// # Errors
    /// [`HawserError::Settings`] when the server is none to dial, or there is no token where one is needed, or none that
    /// can be read.
    pub fn mode(&self) -> Result<Mode, HawserError> {
        let token = match &self.token_file {
            Some(path) => Some(Token::read(path).map_err(|error| {
                HawserError::Settings(format!("cannot read a token from {}: {error}", path.display()))
            })?),
            None => self.token.clone(),
        };
        match (&self.server, token) {
            (Some(server), Some(token)) => {
                let server: Server = server
                    .parse()
                    .map_err(|error| HawserError::Settings(format!("DOCKHAND_SERVER_URL: {error}")))?;
                Ok(Mode::Edge(server, token))
            }
            (Some(_), None) => Err(HawserError::Settings(
                "to dial a server a token is needed: set TOKEN_FILE or TOKEN to what the server made for this \
                 environment"
                    .to_owned(),
            )),
            (None, token) => {
                let mode = Mode::Standard(token);
                let address = self.listen(&mode);
                let is_open = mode == Mode::Standard(None) && !self.allow_insecure_no_auth;
                if is_open && !address.ip().to_canonical().is_loopback() {
                    return Err(HawserError::Settings(format!(
                        "whoever reaches {address} would have this machine: set TOKEN_FILE or TOKEN, or listen on \
                         BIND_ADDRESS=127.0.0.1, or set ALLOW_INSECURE_NO_AUTH=true"
                    )));
                }
                Ok(mode)
            }
        }
    }

    /// Where to listen; in edge mode for the health check alone, and so where none is named for this machine alone.
    pub fn listen(&self, mode: &Mode) -> SocketAddr {
        let usual = match mode {
            Mode::Edge(..) => Ipv4Addr::LOCALHOST,
            Mode::Standard(_) => Ipv4Addr::UNSPECIFIED,
        };
        SocketAddr::new(self.bind_address.unwrap_or(IpAddr::V4(usual)), self.port)
    }

    /// Docker's address: `DOCKER_SOCKET`, else `DOCKER_HOST`, else the first socket that is where one may be.
    ///
    /// # Errors
    /// [`HawserError::Settings`] when `DOCKER_HOST` is nothing that can be dialled.
    pub fn docker(&self) -> Result<Address, HawserError> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        self.docker_among(home.as_deref(), Path::exists)
    }

    fn docker_among(
        &self,
        home: Option<&Path>,
        exists: impl Fn(&Path) -> bool,
    ) -> Result<Address, HawserError> {
        place(self.docker.as_ref(), self.docker_host.as_deref(), home, exists).map_err(HawserError::Settings)
    }
}

/// What was asked for, or what `DOCKER_HOST` says, or the first of the usual places where something is.
///
/// # Errors
/// Why `DOCKER_HOST` is nothing that can be dialled.
pub(crate) fn place(
    docker: Option<&Address>,
    docker_host: Option<&str>,
    home: Option<&Path>,
    exists: impl Fn(&Path) -> bool,
) -> Result<Address, String> {
    if let Some(address) = docker {
        return Ok(address.clone());
    }
    if let Some(host) = docker_host {
        return host
            .parse()
            .map_err(|error| format!("DOCKER_HOST is {host}: {error}"));
    }
    let place = |socket: &&str| match home {
        _ if socket.starts_with('/') => Some(PathBuf::from(socket)),
        home => home.map(|home| home.join(socket)),
    };
    let mut places = SOCKETS.iter().filter_map(place);
    let found = places.find(|place| exists(place));
    // Where there is none yet it is ours that may come.
    Ok(Address::Unix(found.unwrap_or_else(|| PathBuf::from(OURS))))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn settings(arguments: &str) -> Settings {
        let words = ["socketd-fleet", "hawser"]
            .into_iter()
            .chain(arguments.split_whitespace());
        let Command::Hawser(settings) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command")
        };
        *settings
    }

    #[test]
    fn modes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "filed\n").unwrap();
        let check = |arguments: &str, expected: Result<&str, &str>| {
            let arguments = arguments.replace("FILE", &file.to_string_lossy());
            let seen = match settings(&arguments).mode() {
                Ok(Mode::Edge(server, token)) => Ok(format!("edge {server} {}", token.reveal())),
                Ok(Mode::Standard(Some(token))) => Ok(format!("standard {}", token.reveal())),
                Ok(Mode::Standard(None)) => Ok("open".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            match expected {
                Ok(expected) => assert_eq!(seen.as_deref(), Ok(expected), "{arguments}"),
                Err(part) => assert!(seen.as_ref().is_err_and(|error| error.contains(part)), "{seen:?}"),
            }
        };
        check("--server wss://hub/x --token t", Ok("edge wss://hub/x t"));
        check(
            "--server wss://hub/x --token t --token-file FILE",
            Ok("edge wss://hub/x filed"),
        );
        check("--server wss://hub/x", Err("a token is needed"));
        check("--server https://hub/x --token t", Err("begins with wss://"));
        check(
            "--server wss://hub/x --token t --token-file FILE.no",
            Err(".no: "),
        );
        check("--token t", Ok("standard t"));
        check("", Err("ALLOW_INSECURE_NO_AUTH"));
        check("--bind-address ::", Err("[::]:2376"));
        check("--bind-address 192.0.2.1", Err("192.0.2.1:2376"));
        check("--bind-address 127.0.0.1", Ok("open"));
        check("--bind-address ::1", Ok("open"));
        check("--bind-address ::ffff:127.0.0.1", Ok("open"));
        check("--allow-insecure-no-auth", Ok("open"));
    }

    #[test]
    fn addresses_to_listen_on() {
        let check = |arguments: &str, expected: &str| {
            let settings = settings(arguments);
            let mode = settings.mode().unwrap();
            assert_eq!(settings.listen(&mode).to_string(), expected, "{arguments}");
        };
        check("--token t", "0.0.0.0:2376");
        check("--token t --port 1", "0.0.0.0:1");
        check("--token t --server ws://hub", "127.0.0.1:2376");
        check("--token t --server ws://hub --bind-address ::", "[::]:2376");
    }

    #[test]
    fn addresses_of_docker() {
        let check = |arguments: &str, there: &[&str], expected: &str| {
            let home = Some(Path::new("/owner/me"));
            let address =
                settings(arguments).docker_among(home, |path| there.iter().any(|one| path == Path::new(one)));
            let seen = address.map_or_else(|error| error.to_string(), |address| address.to_string());
            assert_eq!(seen, expected, "{arguments}");
        };
        let every = [
            "/run/docker.sock",
            "/owner/me/.docker/run/docker.sock",
            "/var/run/docker.sock",
            "/run/socketd/docker.sock",
        ];
        check("--docker /a --docker-host tcp://b:1", &every, "unix:///a");
        check("--docker-host tcp://b:1", &every, "tcp://b:1");
        check("", &every, "unix:///run/socketd/docker.sock");
        check("", &every[..3], "unix:///var/run/docker.sock");
        check("", &every[..2], "unix:///owner/me/.docker/run/docker.sock");
        check("", &every[..1], "unix:///run/docker.sock");
        check("", &[], "unix:///run/socketd/docker.sock");
        check(
            "--docker-host ssh://b",
            &[],
            "DOCKER_HOST is ssh://b: an address of Docker is `unix:///PATH` or `tcp://HOST:PORT`",
        );
    }
}
