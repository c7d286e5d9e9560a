//! The command itself: found once, run in a group of its own under a bound, with an environment of its own.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::limits::{COMPOSE_FAREWELL, COMPOSE_LINE_MAX, COMPOSE_LOOK, COMPOSE_OUTPUT_MAX};

/// Where programs are looked for if nobody says.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables of ours that the command gets: how to reach the network, what the time and the language are. Never the
/// token: what a stack's file names without a value, its containers get from here.
const HANDED_DOWN: &[&str] = &[
    "DOCKER_CONFIG",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_ALL",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The command as it is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// `docker compose`.
    Plugin(PathBuf),
    /// `docker-compose`, of the second version.
    Alone(PathBuf),
    /// `docker-compose`, of the first.
    Legacy(PathBuf),
}

impl Command {
    /// Looks for it, and tries whether it runs.
    pub(super) async fn find() -> Option<Self> {
        if let Some(docker) = program("docker")
            && version(&docker, &["compose", "version", "--short"])
                .await
                .is_some()
        {
            return Some(Self::Plugin(docker));
        }
        let alone = program("docker-compose")?;
        let version = version(&alone, &["version", "--short"]).await?;
        let is_legacy = version.trim().trim_start_matches('v').starts_with("1.");
        Some(if is_legacy {
            Self::Legacy(alone)
        } else {
            Self::Alone(alone)
        })
    }

    /// Whether it is of the first version, which knows less.
    pub(super) fn is_legacy(&self) -> bool {
        matches!(self, Self::Legacy(_))
    }

    /// The program, and what comes before all other arguments.
    fn begin(&self) -> (&Path, Option<&'static str>) {
        match self {
            Self::Plugin(docker) => (docker, Some("compose")),
            Self::Alone(program) | Self::Legacy(program) => (program, None),
        }
    }
}

/// A program by its whole path.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|path| {
            path.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

/// What it says of its version; none where it does not run.
async fn version(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = bare(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(COMPOSE_LOOK, command.output()).await.ok()?.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A program with the environment that any of them gets.
fn bare(program: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    command.env_clear().env("PATH", USUAL_PATH);
    for name in HANDED_DOWN {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// What came of one run, or of several.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// What it ended with; -1 where it did not run, or was ended.
    pub(super) code: i32,
    pub(super) output: String,
    pub(super) error: String,
}

impl Outcome {
    /// Adds that of the run after.
    pub(super) fn join(&mut self, next: Self) {
        self.code = next.code;
        self.output.push_str(&next.output);
        self.error.push_str(&next.error);
    }

    fn none(why: &str) -> Self {
        Self {
            code: -1,
            output: String::new(),
            error: why.to_owned(),
        }
    }
}

/// How the command is run.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) command: Command,
    /// Where Docker is.
    pub(super) docker: String,
    /// Where the registries' passwords are, if not where this user has them.
    pub(super) config: Option<PathBuf>,
    pub(super) dir: PathBuf,
    pub(super) input: String,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) bound: Duration,
    /// Who wants each line as it comes.
    pub(super) lines: Option<mpsc::Sender<Bytes>>,
}

impl Call {
    /// Runs it to its end, or to that of the bound.
    pub(super) async fn run(&self, arguments: &[String]) -> Outcome {
        let mut child = match self.spawn(arguments) {
            Ok(child) => child,
            Err(error) => return Outcome::none(&format!("cannot run compose: {error}")),
        };
        let mut group = Group::of(&child);
        let feed = child.stdin.take().map(|mut stdin| {
            let input = self.input.clone();
            tokio::spawn(async move {
                // Whoever does not read it says why.
                let _ = stdin.write_all(input.as_bytes()).await;
            })
        });
        let output = child
            .stdout
            .take()
            .map(|from| Reader::spawn(from, self.lines.clone()));
        let error = child
            .stderr
            .take()
            .map(|from| Reader::spawn(from, self.lines.clone()));
        let ended = self.wait(&mut child, &group).await;
        let (output, error) = (text(output, &group).await, text(error, &group).await);
        group.forget();
        if let Some(feed) = feed {
            feed.abort();
        }
        let (code, why) = match ended {
            Ok(Some(status)) => (status.code().unwrap_or(-1), None),
            Ok(None) => {
                let bound = self.bound.as_secs();
                (
                    -1,
                    Some(format!("compose took longer than {bound} s, and was ended")),
                )
            }
            Err(error) => (-1, Some(format!("cannot wait for compose: {error}"))),
        };
        let error = why
            .into_iter()
            .fold(error, |error, why| format!("{error}{why}\n"));
        Outcome { code, output, error }
    }

    fn spawn(&self, arguments: &[String]) -> io::Result<Child> {
        let (program, first) = self.command.begin();
        let mut command = bare(program);
        command
            .args(first)
            .args(arguments)
            .current_dir(&self.dir)
            .envs(&self.environment)
            .env("DOCKER_HOST", &self.docker)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(config) = &self.config {
            command.env("DOCKER_CONFIG", config);
        }
        command.spawn()
    }

    /// How it ended; none where it had to be ended.
    async fn wait(&self, child: &mut Child, group: &Group) -> io::Result<Option<ExitStatus>> {
        if let Ok(ended) = timeout(self.bound, child.wait()).await {
            return ended.map(Some);
        }
        group.signal(Signal::TERM);
        if timeout(COMPOSE_FAREWELL, child.wait()).await.is_err() {
            group.signal(Signal::KILL);
            child.wait().await?;
        }
        Ok(None)
    }
}

/// All that a run has started. Dropped before it ended, it ends.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let raw = child.id().and_then(|id| i32::try_from(id).ok());
        Self(raw.and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // None of it may be left.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Reads one of a run's outputs.
#[derive(Debug)]
struct Reader {
    kept: Arc<Mutex<Tail>>,
    task: JoinHandle<()>,
}

impl Reader {
    fn spawn(mut from: impl AsyncRead + Unpin + Send + 'static, lines: Option<mpsc::Sender<Bytes>>) -> Self {
        let kept = Arc::<Mutex<Tail>>::default();
        let keep = Arc::clone(&kept);
        let task = tokio::spawn(async move {
            let (mut piece, mut line) = ([0; 4096], Vec::new());
            while let Ok(read) = from.read(&mut piece).await {
                let piece = piece.get(..read).unwrap_or_default();
                if piece.is_empty() {
                    break;
                }
                keep.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
                if let Some(lines) = &lines {
                    tell(lines, &mut line, piece).await;
                }
            }
            if let Some(lines) = &lines
                && !line.is_empty()
            {
                let _ = lines.send(line.into()).await;
            }
        });
        Self { kept, task }
    }
}

/// Sends whole lines, and keeps what is none yet.
async fn tell(lines: &mpsc::Sender<Bytes>, line: &mut Vec<u8>, piece: &[u8]) {
    for part in piece.split_inclusive(|byte| *byte == b'\n') {
        line.extend_from_slice(part);
        if line.ends_with(b"\n") || line.len() >= COMPOSE_LINE_MAX {
            // Whoever has gone wants none.
            let _ = lines.send(std::mem::take(line).into()).await;
        }
    }
}

/// What a run wrote. What it has started and left behind may hold its output open: that goes.
async fn text(reader: Option<Reader>, group: &Group) -> String {
    let Some(Reader { kept, mut task }) = reader else {
        return String::new();
    };
    if timeout(COMPOSE_FAREWELL, &mut task).await.is_err() {
        group.signal(Signal::KILL);
        if timeout(COMPOSE_FAREWELL, &mut task).await.is_err() {
            task.abort();
        }
    }
    kept.lock().unwrap_or_else(PoisonError::into_inner).text()
}

/// The end of what was written, where that is too long: it says what came of it.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Tail {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() > 2 * COMPOSE_OUTPUT_MAX {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let over = self.bytes.len().saturating_sub(COMPOSE_OUTPUT_MAX);
        self.bytes.drain(..over);
        self.is_cut |= over > 0;
    }

    fn text(&mut self) -> String {
        self.cut();
        let text = String::from_utf8_lossy(&self.bytes);
        let cut = if self.is_cut {
            "(what came before is left out)\n"
        } else {
            ""
        };
        format!("{cut}{text}")
    }
}

#[cfg(test)]
mod tests;
