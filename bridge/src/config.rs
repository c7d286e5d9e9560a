//! The command line, and where everything lives below the state directory.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

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
        3 not root."
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
    Down(Down),
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
    /// Also offer the image host:latest, this machine's own files.
    #[arg(long)]
    pub demo: bool,
}

/// Arguments of `down`.
#[derive(Debug, Args)]
pub struct Down {
    /// Where and how.
    #[command(flatten)]
    pub common: Common,
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
    /// How to write the log, to standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
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
