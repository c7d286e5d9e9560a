//! Starting the dialer, while this process is still root.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

use super::answer::READY;
use crate::limits::{DIALER_SENTENCE_BYTES_MAX, DIALER_START_TIME_MAX};
use crate::link::StockAddress;

/// This program, whatever became of the file it was started from.
const SELF: &str = "/proc/self/exe";

/// Why there is no dialer.
#[derive(Debug)]
pub enum StartError {
    /// It could not be started.
    Spawn(io::Error),
    /// It was started, and did not say in time that it is confined.
    Silent(io::Error),
    /// It ended, and said why.
    Ended(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawn(error) => write!(f, "{SELF} cannot be started: {error}"),
            Self::Silent(error) => write!(f, "it says nothing: {error}"),
            Self::Ended(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for StartError {}

/// A dialer that is confined, and nobody asks yet.
#[derive(Debug)]
pub struct Started {
    pub(super) socket: OwnedFd,
    pub(super) child: Child,
}

impl Started {
    /// Starts the dialer for this address, and waits until it has given up its power. Blocks, for
    /// [`DIALER_START_TIME_MAX`] at most; to be called before the first thread exists.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left of the process then.
    pub fn start(address: &StockAddress) -> Result<Self, StartError> {
        let flags = SocketFlags::CLOEXEC;
        let (socket, end) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(|errno| StartError::Spawn(errno.into()))?;
        let child = spawn(address, end).map_err(StartError::Spawn)?;
        let mut started = Self { socket, child };
        match started.hear() {
            Ok(filtered) => {
                if !filtered {
                    tracing::warn!("the system has no system call filters: the dialer does without");
                }
                Ok(started)
            }
            Err(error) => {
                // It may have ended by itself.
                let _ = started.child.kill();
                let _ = started.child.wait();
                Err(error)
            }
        }
    }

    /// Whether system calls are filtered, from a dialer that is ready.
    fn hear(&self) -> Result<bool, StartError> {
        let silent = |errno: rustix::io::Errno| StartError::Silent(errno.into());
        set_socket_timeout(&self.socket, Timeout::Recv, Some(DIALER_START_TIME_MAX)).map_err(silent)?;
        let mut said = [0; DIALER_SENTENCE_BYTES_MAX];
        let (length, _) = recv(&self.socket, &mut said, RecvFlags::empty()).map_err(silent)?;
        let said = said.get(..length).unwrap_or_default();
        if let Some(filtered) = READY.iter().position(|ready| ready == said) {
            return Ok(filtered == 1);
        }
        let sentence = String::from_utf8_lossy(said);
        Err(match sentence.trim() {
            "" => StartError::Silent(io::ErrorKind::UnexpectedEof.into()),
            sentence => StartError::Ended(sentence.to_owned()),
        })
    }
}

/// The process gets the socket three times over, so that nothing else can ever take the numbers of
/// standard output and error: what is written there by accident reaches us, and not a bridge.
fn spawn(address: &StockAddress, end: OwnedFd) -> io::Result<Child> {
    Command::new(SELF)
        .arg0(env!("CARGO_PKG_NAME"))
        .arg("dial")
        .arg(address.to_string())
        .env_clear()
        .current_dir("/")
        .stdout(Stdio::from(end.try_clone()?))
        .stderr(Stdio::from(end.try_clone()?))
        .stdin(Stdio::from(end))
        // What a terminal sends to its foreground is not meant for it.
        .process_group(0)
        .spawn()
}
