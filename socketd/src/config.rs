//! Arguments of the command line.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::link::StockAddress;
use crate::policy::browser::{HostName, Origin};
use crate::sandbox::Identity;

/// Docker's API for containers that are not Docker's: the unprivileged half.
///
/// It speaks HTTP and JSON to Docker clients and a small binary protocol to socketd-bridge, which
/// holds the containers and runs as root. Give up to this process what a network daemon may lose:
/// it keeps no capability, no root and nothing on disk.
#[derive(Debug, Parser)]
#[command(
    name = "socketd",
    version,
    after_help = "Exit codes:\n  0  asked to end (SIGTERM, SIGINT), and ended\n  \
                  1  could not start or go on; the last line of the log says why\n  \
                  2  wrong arguments"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve Docker's API until asked to end.
    ///
    /// The bridge need not run yet: requests are answered 503 until it does.
    #[command(after_help = "Examples:\n  \
        socketd serve --bridge-dir /run/socketd-bridge --listen unix:///run/socketd/docker.sock\n  \
        socketd serve --bridge-dir /run/socketd-bridge --listen tcp://127.0.0.1:2375 --log-format json\n  \
        socketd serve --bridge dsap:@NAME --listen unix:///run/socketd/docker.sock\n\n\
        Then: docker -H unix:///run/socketd/docker.sock ps")]
    Serve(Serve),
    /// Connect to a bridge for `serve`, which starts this by itself.
    #[command(hide = true)]
    Dial(Dial),
}

/// Arguments of `dial`.
#[derive(Debug, Args)]
pub struct Dial {
    /// The only address that is ever connected to.
    #[arg(value_name = "ADDRESS")]
    pub address: StockAddress,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Which bridge to ask.
    #[command(flatten)]
    pub bridge: Bridge,

    /// Where to listen: unix://PATH or tcp://HOST:PORT. May be given several times.
    ///
    /// HOST is an IP address or `localhost`; port 0 takes a free one and the log names it. Whoever
    /// can connect rules the containers, and through them the machine. So an address that others
    /// can reach is refused, unless it ends with `?insecure`: tcp://0.0.0.0:2375?insecure.
    #[arg(long, value_name = "URL", required = true)]
    pub listen: Vec<Listen>,

    /// A further name or IP address of this machine, by which clients over TCP call it: phone.lan. May
    /// be given several times.
    ///
    /// Requests over TCP that name another host are refused, for a web page could make its own name
    /// lead here. `localhost`, loopback addresses and the listener's own address need not be given; a
    /// listener on 0.0.0.0 or [::] is called by any IP address.
    #[arg(long, value_name = "NAME")]
    pub host_name: Vec<HostName>,

    /// A web page that may ask over TCP: http://HOST[:PORT], as browsers write the origin. May be
    /// given several times.
    ///
    /// Requests that a browser sends for any other page are refused.
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<Origin>,

    /// Who to become when started as root. Numbers; the group is the user's number if left out.
    ///
    /// The default lies outside the ranges distributions give to system (below 1000) and login
    /// users (1000 to 60000), so no file on the machine belongs to it. It is a number because some
    /// systems have no user database. Ignored when started as an ordinary user.
    #[arg(long, value_name = "UID[:GID]", default_value_t = Identity::default())]
    pub user: Identity,

    /// Group whose members may use the unix sockets: a number, or a name from /etc/group.
    #[arg(long, value_name = "GID|NAME")]
    pub socket_group: Option<Group>,

    /// For a program that starts socketd: write the addresses to standard output, a line each and an
    /// empty line after the last, and end when standard input closes.
    #[arg(long)]
    pub with_parent: bool,

    /// How the log (on standard error) is written: for people or for programs.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Which bridge to ask: exactly one.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Bridge {
    /// Directory with the bridge's two sockets, watch.sock and control.sock.
    #[arg(long, value_name = "DIR")]
    pub bridge_dir: Option<PathBuf>,

    /// Instead of that, a bridge that speaks version 1 of the protocol: dsap:@NAME for an abstract
    /// socket, dsap:/PATH for one in the file system.
    ///
    /// It can list, inspect, start, stop and restart containers and tell events; the rest is refused.
    /// It admits root, and one group by /etc/passwd and /etc/group. When started as root, socketd keeps
    /// one process of root without any capability, which only connects; when started as an ordinary
    /// user, that user must be in the group.
    #[arg(long = "bridge", value_name = "ADDRESS")]
    pub stock: Option<StockAddress>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A group, as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// By number.
    Number(u32),
    /// By name, to be looked up in `/etc/group`.
    Name(String),
}

impl FromStr for Group {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text
            .parse()
            .map_or_else(|_| Self::Name(text.to_owned()), Self::Number))
    }
}

/// A place to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A unix socket at this absolute path.
    Unix(PathBuf),
    /// A TCP address.
    Tcp(SocketAddr),
}

/// Why a `--listen` is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenError {
    /// Neither `unix://` nor `tcp://`.
    Scheme,
    /// The path is not absolute.
    RelativePath,
    /// Not an IP address (or `localhost`) and a port.
    Address,
    /// Something other than `insecure` follows the question mark.
    Word,
    /// Others could reach it and would rule the machine.
    Exposed(SocketAddr),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("it must begin with unix:// or tcp://"),
            Self::RelativePath => f.write_str("the path of a unix socket must be absolute: unix:///run/..."),
            Self::Address => {
                f.write_str("it must be tcp://HOST:PORT, HOST an IP address (IPv6 in brackets) or localhost")
            }
            Self::Word => f.write_str("the only word that may follow a question mark is `insecure`"),
            Self::Exposed(address) => write!(
                f,
                "{address} can be reached from other machines without a password, and whoever reaches it is \
                 root here; listen on 127.0.0.1, or append ?insecure if another layer protects it"
            ),
        }
    }
}

impl std::error::Error for ListenError {}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix://") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err(ListenError::RelativePath)
            };
        }
        let rest = text.strip_prefix("tcp://").ok_or(ListenError::Scheme)?;
        let (place, insecure) = match rest.split_once('?') {
            None => (rest, false),
            Some((place, "insecure")) => (place, true),
            Some(_) => return Err(ListenError::Word),
        };
        let address = parse_address(place.trim_end_matches('/')).ok_or(ListenError::Address)?;
        if address.ip().is_loopback() || insecure {
            Ok(Self::Tcp(address))
        } else {
            Err(ListenError::Exposed(address))
        }
    }
}

/// No resolver is asked: what a name leads to could change after it was checked.
fn parse_address(place: &str) -> Option<SocketAddr> {
    if let Some(port) = place.strip_prefix("localhost:") {
        return Some(SocketAddr::new(
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            port.parse().ok()?,
        ));
    }
    place.parse().ok()
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, ListenError>) {
        let got = text.parse::<Listen>().map(|listen| listen.to_string());
        assert_eq!(got, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn listen_urls() {
        check("unix:///run/a.sock", Ok("unix:///run/a.sock"));
        check("unix://run/a.sock", Err(ListenError::RelativePath));
        check("tcp://127.0.0.1:2375", Ok("tcp://127.0.0.1:2375"));
        check("tcp://127.0.0.1:2375/", Ok("tcp://127.0.0.1:2375"));
        check("tcp://localhost:0", Ok("tcp://127.0.0.1:0"));
        check("tcp://[::1]:2375", Ok("tcp://[::1]:2375"));
        let anywhere = "0.0.0.0:2375".parse().unwrap();
        check("tcp://0.0.0.0:2375", Err(ListenError::Exposed(anywhere)));
        check("tcp://0.0.0.0:2375?insecure", Ok("tcp://0.0.0.0:2375"));
        check("tcp://0.0.0.0:2375?please", Err(ListenError::Word));
        let everywhere = "[::]:2375".parse().unwrap();
        check("tcp://[::]:2375", Err(ListenError::Exposed(everywhere)));
        check("tcp://example.org:2375", Err(ListenError::Address));
        check("tcp://127.0.0.1", Err(ListenError::Address));
        check("http://127.0.0.1:2375", Err(ListenError::Scheme));
        check("", Err(ListenError::Scheme));
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    fn check_bridge(arguments: &[&str], sentence: &str) {
        let all = ["socketd", "serve", "--listen", "unix:///x"]
            .iter()
            .chain(arguments);
        let refused = Cli::try_parse_from(all).err().map(|error| error.to_string());
        let fits = refused.as_ref().map_or(sentence.is_empty(), |text| {
            !sentence.is_empty() && text.contains(sentence)
        });
        assert!(fits, "{arguments:?}: {refused:?}");
    }

    #[test]
    fn one_bridge_is_asked() {
        check_bridge(&["--bridge-dir", "/b"], "");
        check_bridge(&["--bridge", "dsap:@b"], "");
        check_bridge(&[], "<--bridge-dir <DIR>|--bridge <ADDRESS>>");
        check_bridge(
            &["--bridge-dir", "/b", "--bridge", "dsap:@b"],
            "cannot be used with",
        );
        check_bridge(&["--bridge", "@b"], "it must begin with dsap:");
        check_bridge(&["--bridge", "dsap:b"], "the name of an abstract socket");
    }

    #[test]
    fn an_exposed_address_is_refused_in_one_clear_sentence() {
        let error = Cli::try_parse_from([
            "socketd",
            "serve",
            "--bridge-dir",
            "/b",
            "--listen",
            "tcp://10.0.0.1:1",
        ])
        .unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("append ?insecure"), "{error}");
    }
}
