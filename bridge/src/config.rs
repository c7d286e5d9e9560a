//! The command line, and where everything lives below the state directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::limits;

/// Where everything lives unless `--state-dir` says otherwise.
const STATE_DIR: &str = "/var/lib/socketd";

/// The user and group that `socketd` runs as: a number that no distribution gives to anybody,
/// so that no other process shares it. Needs no entry in /etc/passwd.
const FRONT_ID: u32 = 60750;

/// socketd-bridge: the root side of socketd.
#[derive(Debug, Parser)]
#[command(
    version,
    about = "The root side of socketd: runs containers and keeps their journal.",
    long_about = "The root side of socketd: runs containers and keeps their journal.\n\n\
        Docker's HTTP API is served by socketd, which has no power of its own and asks this program \
        over two unix sockets. `up` starts both.",
    after_help = "Try it (as root):\n  \
        socketd-bridge up --demo\n  \
        docker -H unix:///run/socketd/docker.sock ps\n\n\
        Exit codes: 0 all is well, 1 something failed (the log says what), 2 wrong arguments, \
        3 not root, 4 the journal is damaged."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start bridge and socketd together, in the foreground.
    ///
    /// Ctrl-C ends both; containers keep running, and the next `up` finds them.
    Up(Up),
    /// Run the bridge alone, as a service does.
    Serve(Serve),
    /// Stop every container, and a running `up` or `serve` with them.
    ///
    /// Those of a runtime that it was not started with are stopped as well, if that runtime is named here.
    Down(Down),
    /// Read the journal: everything that ever happened and is still kept.
    Journal(Journal),
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Where and how.
    #[command(flatten)]
    pub common: Common,
    /// Where socketd listens: `unix://PATH` or `tcp://HOST:PORT`. May be given several times.
    ///
    /// Default: a unix socket (/run/socketd/docker.sock, or run/socketd/docker.sock below a
    /// --state-dir) and tcp://127.0.0.1:2375. Whoever reaches it controls the containers.
    #[arg(long = "listen", value_name = "URL")]
    pub listen: Vec<String>,
    /// Configuration file of socketd: further listeners, and who may do what. With it, nothing is listened on
    /// unless the file or --listen says so.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A further name by which socketd may be called over TCP; may be given several times.
    #[arg(long = "host-name", value_name = "NAME")]
    pub host_names: Vec<String>,
    /// A web page that may ask over TCP, as http://HOST[:PORT]; may be given several times.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub origins: Vec<String>,
    /// Where socketd serves /metrics and /_socketd/health alone, as a URL; may be given several times.
    #[arg(long = "metrics-listen", value_name = "URL")]
    pub metrics_listen: Vec<String>,
    /// Another limit of socketd than by default, as NAME=N; may be given several times.
    #[arg(long = "limit", value_name = "NAME=N")]
    pub limits: Vec<String>,
    /// Who else is answered.
    #[command(flatten)]
    pub doors: Doors,
    /// How much of the journal is kept.
    #[command(flatten)]
    pub retention: Retention,
    /// Also offer the image host:latest, this machine's own files (read-only underneath, changes
    /// stay in the container), and run a container `demo` from it.
    ///
    /// Such a container can read what this machine's files hold: for trying out only.
    #[arg(long)]
    pub demo: bool,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where and how.
    #[command(flatten)]
    pub common: Common,
    /// Who else is answered.
    #[command(flatten)]
    pub doors: Doors,
    /// How much of the journal is kept.
    #[command(flatten)]
    pub retention: Retention,
    /// Also offer the image host:latest, this machine's own files.
    #[arg(long)]
    pub demo: bool,
}

/// Who is answered besides socketd.
#[derive(Debug, Clone, Args)]
pub struct Doors {
    /// Also answer in version 1 of the protocol (DSAP), as Droidspaces' own bridge does, on this abstract
    /// unix socket. Root may ask, and the group `droidspaces`.
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = wire::v1::ADDRESS,
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub dsap: Option<String>,
    /// How many of them, and how fast.
    #[command(flatten)]
    pub rush: Rush,
}

/// How much whoever is answered may ask at once.
#[derive(Debug, Clone, Copy, Args)]
pub struct Rush {
    /// Connections to each of the two sockets at once. One process may have two thirds of them, and sixteen
    /// are root's.
    #[arg(
        long,
        value_name = "N",
        default_value_t = limits::SESSIONS_MAX,
        value_parser = clap::value_parser!(u16).range(limits::SESSIONS_RANGE)
    )]
    pub connections_max: u16,
    /// Requests of one connection in a second; further ones wait.
    #[arg(
        long,
        value_name = "N",
        default_value_t = limits::FRAMES_PER_SECOND_MAX,
        value_parser = clap::value_parser!(u32).range(10..)
    )]
    pub frames_per_second_max: u32,
}

/// Arguments of `down`.
#[derive(Debug, Args)]
pub struct Down {
    /// Where and how.
    #[command(flatten)]
    pub common: Common,
}

/// Arguments of `journal`.
#[derive(Debug, Args)]
pub struct Journal {
    /// What to do.
    #[command(subcommand)]
    pub command: JournalCommand,
}

/// What to do with the journal. Each may run beside a bridge, or without one.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Show events, one a line.
    Show(Show),
    /// Check every checksum, the order and the continuity.
    ///
    /// Exit code 0 only if everything is as it was written, 4 where it is not: the output names
    /// each place by file, byte and lost events.
    Verify(Place),
    /// Write every event that is kept as JSON, one object a line.
    Export(Export),
}

/// Where the journal is.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Directory that holds everything.
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    pub state_dir: PathBuf,
}

/// Arguments of `journal show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Write JSON, one object a line.
    #[arg(long)]
    pub json: bool,
    /// Go on with events as they happen.
    #[arg(short, long)]
    pub follow: bool,
    /// Only events after this one, by its number.
    #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
    pub after: u64,
    /// Only events not earlier than this: seconds since 1970, or a time like 2026-11-25T02:11:40Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only events not later than this.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only events of this kind: container, image, network, volume, daemon.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only this action: create, start, die, ...
    #[arg(long)]
    pub action: Option<String>,
    /// Only what happened to this: the beginning of an id, or a name.
    #[arg(long, value_name = "ID|NAME")]
    pub actor: Option<String>,
    /// No more events than this.
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub count: Option<u64>,
}

impl Show {
    /// All that is kept.
    #[must_use]
    pub fn everything(place: Place) -> Self {
        Self {
            place,
            json: true,
            follow: false,
            after: 0,
            since: None,
            until: None,
            kind: None,
            action: None,
            actor: None,
            count: None,
        }
    }
}

/// Arguments of `journal export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// File to write, which must not exist yet; standard output without it.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How much of the journal is kept.
#[derive(Debug, Clone, Copy, Args)]
pub struct Retention {
    /// Most bytes of journal kept, with K, M or G for powers of 1024.
    #[arg(long, value_name = "BYTES", default_value = "16M", value_parser = parse_bytes)]
    pub journal_max_bytes: u64,
    /// How long events are kept, with s, m, h or d; old ones go in whole segments.
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = parse_age)]
    pub journal_max_age: Duration,
}

/// Least bytes of journal that can be asked for: two segments of a size that is worth a sync.
const JOURNAL_BYTES_MIN: u64 = 256 * 1024;
/// Shortest time that can be asked for.
const JOURNAL_AGE_MIN: Duration = Duration::from_secs(3600);

impl Retention {
    /// Nothing is deleted: for one who only looks in, and does not know what was asked.
    pub const ALL: Self = Self {
        journal_max_bytes: u64::MAX,
        journal_max_age: Duration::MAX,
    };

    /// As the journal takes it.
    #[must_use]
    pub fn options(self) -> journal::Options {
        journal::Options {
            retain_bytes: self.journal_max_bytes,
            retain_age: self.journal_max_age,
            ..journal::Options::default()
        }
    }
}

/// A number and the letter behind it, by what the letter stands for.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, scale) = units.iter().find(|(word, _)| unit.eq_ignore_ascii_case(word))?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let units = [("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)];
    match scaled(text, &units) {
        None => Err("it must be a number, perhaps with K, M or G behind it".to_owned()),
        Some(bytes) if bytes < JOURNAL_BYTES_MIN => Err(format!("it must be at least {JOURNAL_BYTES_MIN}")),
        Some(bytes) => Ok(bytes),
    }
}

fn parse_age(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    match scaled(text, &units).map(Duration::from_secs) {
        None => Err("it must be a number with s, m, h or d behind it".to_owned()),
        Some(age) if age < JOURNAL_AGE_MIN => Err("it must be at least 1h".to_owned()),
        Some(age) => Ok(age),
    }
}

/// Arguments of every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Directory that holds everything: journal, containers, images, sockets.
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    pub state_dir: PathBuf,
    /// User that socketd runs as, by number: the only one besides root that is answered.
    #[arg(long, value_name = "UID", default_value_t = FRONT_ID)]
    pub front_uid: u32,
    /// Group that socketd runs as, by number.
    #[arg(long, value_name = "GID", default_value_t = FRONT_ID)]
    pub front_gid: u32,
    /// What may be asked at most, however it is asked: a file that root alone can change.
    ///
    /// Default: /etc/socketd/bridge.toml if it is there. PRIVILEGE.md has every key.
    #[arg(long, value_name = "FILE")]
    pub ceiling: Option<PathBuf>,
    /// How to write the log, to standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Which containers.
    #[command(flatten)]
    pub runtimes: Runtimes,
}

/// Which container runtimes there are, and where their things lie.
#[derive(Debug, Clone, Args)]
pub struct Runtimes {
    /// A container runtime; new images go to the first that makes any. May be given several times.
    #[arg(long = "runtime", value_enum, value_name = "NAME", default_values_t = [RuntimeName::Native])]
    pub names: Vec<RuntimeName>,
    /// Workspace of Droidspaces: /data/local/Droidspaces on Android, /var/lib/Droidspaces elsewhere.
    #[arg(long, value_name = "DIR")]
    pub droidspaces_root: Option<PathBuf>,
    /// Command of Droidspaces: bin/droidspaces in its workspace if it is there, else
    /// /usr/local/bin/droidspaces.
    #[arg(long, value_name = "PATH")]
    pub droidspaces_command: Option<PathBuf>,
    /// Abstract socket of Droidspaces' daemon, which terminals in its containers go through.
    #[arg(long, value_name = "NAME", default_value = "droidspaces")]
    pub droidspaces_daemon: String,
}

/// A container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuntimeName {
    /// The embedded one: containers of our own.
    Native,
    /// Containers that Droidspaces makes and runs.
    Droidspaces,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Where everything lives.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Below an absolute directory.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The directory that holds everything.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What only root may see.
    #[must_use]
    pub fn private(&self) -> PathBuf {
        self.root.join("bridge")
    }

    /// The journal's segments.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.private().join("journal")
    }

    /// The embedded runtime's containers and images.
    #[must_use]
    pub fn native(&self) -> PathBuf {
        self.private().join("native")
    }

    /// Whether there may be containers of a runtime: of the embedded one not before it was first opened here.
    #[must_use]
    pub fn may_have_containers(&self, name: RuntimeName) -> bool {
        match name {
            RuntimeName::Native => self.native().exists(),
            RuntimeName::Droidspaces => true,
        }
    }

    /// What is kept about containers of Droidspaces.
    #[must_use]
    pub fn droidspaces(&self) -> PathBuf {
        self.private().join("droidspaces")
    }

    /// The file with the host's id.
    #[must_use]
    pub fn host_id(&self) -> PathBuf {
        self.private().join("host-id")
    }

    /// What lives only while somebody runs.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The bridge's two sockets.
    #[must_use]
    pub fn sockets(&self) -> PathBuf {
        self.run().join("bridge")
    }

    /// Where socketd listens unless told otherwise.
    #[must_use]
    pub fn listen(&self) -> Vec<String> {
        let unix = if self.root == Path::new(STATE_DIR) {
            "unix:///run/socketd/docker.sock".to_owned()
        } else {
            format!("unix://{}", self.run().join("socketd/docker.sock").display())
        };
        vec![unix, "tcp://127.0.0.1:2375".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages() {
        assert_eq!(parse_bytes("16M"), Ok(16 << 20));
        assert_eq!(parse_bytes("1g"), Ok(1 << 30));
        assert_eq!(parse_bytes("300000"), Ok(300_000));
        for text in ["", "M", "16MB", "-1", "1K", "99999999999G", "1.5M"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert_eq!(parse_age("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(parse_age("1h"), Ok(Duration::from_secs(3600)));
        for text in ["", "90", "d", "59m", "1w", "99999999999999999999d"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_door_for_version_1_is_open_where_it_is_asked_for() {
        fn check(words: &[&str], expected: Option<Option<&str>>) {
            for command in ["serve", "up"] {
                let words = [&["socketd-bridge", command], words].concat();
                let cli = Cli::try_parse_from(&words);
                let found = cli.as_ref().ok().map(|cli| match &cli.command {
                    Command::Serve(serve) => serve.doors.dsap.as_deref(),
                    Command::Up(up) => up.doors.dsap.as_deref(),
                    _ => None,
                });
                assert_eq!(found, expected, "{words:?}");
            }
        }
        check(&[], Some(None));
        check(&["--dsap"], Some(Some(wire::v1::ADDRESS)));
        check(&["--dsap=another name"], Some(Some("another name")));
        check(&["--dsap="], None);
        // A word behind it is none of its own.
        check(&["--dsap", "another"], None);
        assert!(Cli::try_parse_from(["socketd-bridge", "down", "--dsap"]).is_err());
    }

    #[test]
    fn what_is_kept_unless_asked_otherwise_is_the_journal_s_own_default() {
        let cli = Cli::try_parse_from(["socketd-bridge", "serve"]).unwrap();
        let kept = match &cli.command {
            Command::Serve(serve) => Some(serve.retention.options()),
            _ => None,
        };
        assert_eq!(kept, Some(journal::Options::default()));
    }
}
