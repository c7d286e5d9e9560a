//! Arguments of the command line.

pub mod asked;
pub mod file;
pub mod limits;
mod listen;
mod look;
mod setup;
mod terms;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::link::StockAddress;
use crate::policy::browser::{HostName, Origin};
use crate::sandbox::Identity;

pub use asked::{Inherited, InheritedError, Listen};
pub use limits::{Limit, LimitError, Limits};
pub use listen::{Allotted, ListenError, Options, Place, TlsFiles};
pub use look::{Format, Home, Look};
pub use setup::{Setup, SetupError};
pub use terms::TermsError;

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
    /// Say whether bridge and socketd run, since when, and what they hold.
    ///
    /// Looks where packages put everything, unless told otherwise. As root it asks as socketd's user.
    #[command(after_help = "Exit codes:\n  \
        0  both run, and nothing is amiss\n  \
        1  something is amiss\n  \
        3  neither runs")]
    Status(Look),
    /// Say what works on this machine, what does not, and how to mend it. Changes nothing.
    ///
    /// Looks at the kernel, at the files and ports that `serve` is given, and at bridge and socketd where they
    /// run: a line for each check, with `ok`, `fallback` (the kernel lacks something, and there is a way
    /// around it), `wrong`, or `unknown` (nobody but root could tell). As root it sees most.
    #[command(after_help = "Examples:\n  \
        socketd doctor\n  \
        socketd doctor --bridge-dir /run/socketd-bridge --listen tcp://127.0.0.1:2375 --format json\n\n\
        Exit codes:\n  \
        0  nothing is wrong\n  \
        1  something is")]
    Doctor(Look),
    /// Certificates for listeners with TLS.
    #[command(subcommand)]
    Certs(CertsCommand),
    /// Make a token for a caller of the configuration file, and its hash.
    #[command(after_help = "Example:\n  \
        socketd token\n\n\
        The client sends `Authorization: Bearer TOKEN`; only the hash goes into the file. For the docker command, in\n\
        ~/.docker/config.json: {\"HttpHeaders\": {\"Authorization\": \"Bearer TOKEN\"}}")]
    Token,
}

/// What can be done with certificates.
#[derive(Debug, Subcommand)]
pub enum CertsCommand {
    /// Make an authority, a certificate for socketd and one for its clients.
    ///
    /// Writes ca.pem, ca-key.pem, server-cert.pem, server-key.pem, cert.pem and key.pem, and prints what
    /// to give to socketd, to the docker command and to Portainer. Overwrites nothing.
    #[command(after_help = "Example:\n  \
        socketd certs init /etc/socketd/certs --host phone.lan --host 192.0.2.7")]
    Init(CertsInit),
}

/// Arguments of `certs init`.
#[derive(Debug, Args)]
pub struct CertsInit {
    /// Where the files go. Made where it is missing; socketd's user must be able to enter it.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// A name or IP address by which clients reach this machine, besides localhost, 127.0.0.1 and ::1.
    /// May be given several times.
    #[arg(long, value_name = "NAME")]
    pub host: Vec<HostName>,

    /// Days until all of them expire.
    #[arg(long, value_name = "N", default_value_t = 825, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,

    /// Who `socketd serve` becomes: this group may read server-key.pem.
    #[arg(long, value_name = "UID[:GID]", default_value_t = Identity::default())]
    pub user: Identity,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Which bridge to ask.
    #[command(flatten)]
    pub bridge: Bridge,

    /// Where to listen: unix://PATH, tcp://HOST:PORT or fd://NAME, then perhaps ?OPTIONS. May be given several times.
    ///
    /// HOST is an IP address or `localhost`; port 0 takes a free one and the log names it. Whoever
    /// can connect rules the containers, and through them the machine, unless options say less. So an address
    /// that others can reach needs TLS with certificates of clients:
    /// tcp://0.0.0.0:2376?tls=verify&ca=PATH&cert=PATH&key=PATH (`socketd certs init` makes the files
    /// and prints the URL). With tls=server&cert=PATH&key=PATH nobody can listen in, and everybody can
    /// connect. Without TLS, or with tls=server, such an address is refused, unless `insecure` is among the
    /// options. Files are read again on SIGHUP.
    ///
    /// fd://NAME is every socket of that name that systemd (or whoever starts this program) has opened for it, fd:// all that
    /// nobody else asks for. A socket that is asked for by its very address is taken as well. Options are the same.
    ///
    /// Who may do what: access=read|operate|full|none, allow=GROUP,... and deny=GROUP,... (CONTAINERS, EXEC,
    /// POST, ALLOW_START, ...); label=KEY[=VALUE] and name=PATTERN show only such containers; callers=known
    /// admits only the callers of the configuration file.
    #[arg(long, value_name = "URL", required_unless_present = "config")]
    pub listen: Vec<Listen>,

    /// Further listeners, and who may do what, as a file of TOML. SIGHUP reads it again.
    ///
    /// Only root may be able to write it. README.md has one to begin with.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where /metrics and /_socketd/health are served and nothing else, as a URL like those of --listen.
    /// May be given several times. Both are on every --listen as well.
    #[arg(long, value_name = "URL")]
    pub metrics_listen: Vec<Listen>,

    /// Another limit than by default: NAME=N. May be given several times, and stands above the file's [limits].
    ///
    /// Connections: connections_max, connections_per_address_max, connections_per_user_max. Requests:
    /// head_lines_max, head_bytes_max, head_seconds_max, idle_seconds_max, write_stall_seconds_max,
    /// upload_bytes_max. Attachments and further processes: streams_max, streams_per_caller_max. At the
    /// end: shutdown_seconds_max. The README says what each is by default.
    #[arg(long, value_name = "NAME=N")]
    pub limit: Vec<Limit>,

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

#[cfg(test)]
mod tests {
    use super::*;

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
