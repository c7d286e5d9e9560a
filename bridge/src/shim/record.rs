//! What bridge and shim tell each other, and what they leave for each other on disk.
//!
//! A file holds [`MAGIC`], the SHA-256 of the rest, and one record as `wire` writes it. Names of
//! the files are those of the constants in [`file`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, recv, send, sendmsg};
use sha2::{Digest, Sha256};
use wire::container::Exit;
use wire::reader::Unknown;
use wire::record::Value;
use wire::{ExecSpec, Invalid, Time, numbers, record};

use super::failure::Failure;
use crate::ceiling::Powers;
use crate::sys::descriptors;

/// First bytes of every file.
pub const MAGIC: &[u8; 8] = b"SKTDREC1";

/// Longest file read, in bytes: a specification is no longer than a request, and the rest is small.
/// Stops a damaged or replaced file from filling memory.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Longest message between bridge, shim and first process, in bytes. Two paths and a failure's
/// texts fit many times; a socket buffer of any kernel holds it.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Longest request to a shim that runs its container, in bytes. A command and its environment fit, and
/// every kernel's socket buffer holds it.
pub const ASK_BYTES_MAX: usize = 128 * 1024;

/// Files of a container's directory.
pub mod file {
    /// What the container is: a `wire::Container`.
    pub const CONFIG: &str = "config";
    /// The root file system's own layer.
    pub const UPPER: &str = "upper";
    /// What overlayfs needs beside it.
    pub const WORK: &str = "work";
    /// Generated `/etc/hostname`.
    pub const HOSTNAME: &str = "hostname";
    /// Generated `/etc/hosts`.
    pub const HOSTS: &str = "hosts";
    /// Generated `/etc/resolv.conf`.
    pub const RESOLV_CONF: &str = "resolv.conf";
    /// The log.
    pub const LOG: &str = "log";
    /// A FIFO that the shim holds open for writing for as long as it lives.
    pub const ALIVE: &str = "alive";
    /// The socket on which the shim is asked.
    pub const CONTROL: &str = "control";
    /// Which process runs: a [`Run`](super::Run).
    pub const RUN: &str = "run";
    /// How the last one ended: an [`End`](super::End).
    pub const EXIT: &str = "exit";
}

record! {
    /// What the shim must know beyond the container's configuration.
    pub struct Order {
        /// The image's root file system; empty means the machine's own.
        1 => rootfs: String,
        /// A directory of empty mount points, the lowest layer.
        2 => skeleton: String,
        /// An empty directory to mount the root file system on.
        3 => mount_point: String,
        /// Another one, for what lies below where the machine's own root is the image.
        4 => lower_mount_point: String,
        /// Where everything of ours lies; hidden inside where the machine's own root is the image.
        5 => state_dir: String,
        /// What the container may be given at most, whatever its configuration says.
        6 => powers: Powers,
    }
}

record! {
    /// What the shim answers, once.
    pub struct Report {
        /// The first process, as the host numbers it.
        1 => pid: u32,
        /// When that process was made, in clock ticks since the machine started.
        2 => started_ticks: u64,
        /// When it was made, by the wall clock.
        3 => started_at: Time,
        /// Why there is none.
        4 => failure: Option<Failure>,
    }
}

record! {
    /// Which process runs. Written when it does; left where nobody could write how it ended.
    pub struct Run {
        /// The first process, as the host numbers it.
        1 => pid: u32,
        /// When that process was made, in clock ticks since the machine started.
        2 => started_ticks: u64,
        /// Which start of the machine that was.
        3 => boot_id: String,
        /// When it was made, by the wall clock.
        4 => started_at: Time,
    }
}

record! {
    /// How a first process ended.
    pub struct End {
        /// How.
        1 => exit: Exit,
        /// When it had started.
        2 => started_at: Time,
        /// When it ended.
        3 => finished_at: Time,
    }
}

numbers! {
    /// What a shim is asked.
    pub enum AskKind {
        /// To keep a bell; it comes along.
        Ring = 1,
        /// For a way to the standard input.
        Input = 2,
        /// To give the terminal a size.
        Resize = 3,
        /// To start a further process.
        Exec = 4,
    }
}

record! {
    /// What a shim that runs its container is asked, once a connection.
    pub struct Ask {
        /// What.
        1 => kind: AskKind,
        /// Height of the terminal, in rows.
        2 => rows: u16,
        /// Width of the terminal, in columns.
        3 => columns: u16,
        /// The process to be started.
        4 => exec: ExecSpec,
        /// Whether nobody will read or write its streams.
        5 => detach: bool,
    }
}

record! {
    /// What it answers. Descriptors accompany this, in the order of the fields that say so. After it,
    /// for a process that runs, comes an [`End`] once it has ended.
    pub struct Answer {
        /// Why nothing was done.
        1 => failure: Option<Failure>,
        /// The process, as the host numbers it.
        2 => pid: u32,
        /// When it was made, in clock ticks since the machine started; zero where it has ended already.
        3 => started_ticks: u64,
        /// Whether the master of a terminal comes along.
        4 => terminal: bool,
        /// Whether the writing end of a standard input comes along.
        5 => input: bool,
        /// Whether the reading end of a standard output comes along.
        6 => output: bool,
        /// Whether the reading end of a standard error comes along.
        7 => error: bool,
    }
}

record! {
    /// What a further process says of itself before it is the command.
    pub struct Word {
        /// Its number, as the host counts.
        1 => pid: u32,
        /// Why it will not be.
        2 => failure: Option<Failure>,
    }
}

impl From<Report> for Run {
    fn from(report: Report) -> Self {
        Self {
            pid: report.pid,
            started_ticks: report.started_ticks,
            boot_id: boot_id(),
            started_at: report.started_at,
        }
    }
}

/// What can be wrong with a file.
#[derive(Debug)]
pub enum FileError {
    /// It cannot be read.
    Io(io::Error),
    /// It is not one of ours, or cut short, or altered.
    Damaged,
    /// It is whole, but not a record this version knows.
    Invalid(Invalid),
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Damaged => f.write_str("damaged"),
            Self::Invalid(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for FileError {}

/// Whether a write waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk when the call returns.
    Synced,
    /// It is there for every process, but not for the next start of the machine.
    Volatile,
}

/// Replaces a file of `directory` by one that holds `value`: the old or the new one is there at
/// every moment, never a part.
///
/// # Errors
/// What the operating system said; the old one is there still.
pub fn write(directory: &Path, name: &str, value: &impl Value, durability: Durability) -> io::Result<()> {
    let payload = value.encode();
    let temporary = directory.join(format!("{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    let mut bytes = Vec::with_capacity(MAGIC.len() + 32 + payload.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&Sha256::digest(&payload));
    bytes.extend_from_slice(&payload);
    file.write_all(&bytes)?;
    if durability == Durability::Synced {
        file.sync_data()?;
    }
    fs::rename(&temporary, directory.join(name))?;
    if durability == Durability::Synced {
        sync_directory(directory)?;
    }
    Ok(())
}

/// Makes the names in a directory durable.
///
/// # Errors
/// What the operating system said.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Reads a file of `directory`; none when there is none.
///
/// # Errors
/// What is wrong with it.
pub fn read<T: Value>(directory: &Path, name: &str, unknown: Unknown) -> Result<Option<T>, FileError> {
    let file = match File::open(directory.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(FileError::Io)?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(FileError::Io)?;
    let rest = bytes.strip_prefix(MAGIC).ok_or(FileError::Damaged)?;
    let (digest, payload) = rest.split_at_checked(32).ok_or(FileError::Damaged)?;
    if Sha256::digest(payload).as_slice() != digest {
        return Err(FileError::Damaged);
    }
    T::decode(payload, unknown).map(Some).map_err(FileError::Invalid)
}

/// Sends one record as one message.
///
/// # Errors
/// What the operating system said, `EPIPE` when the other side is gone.
pub fn send_message(socket: impl AsFd, value: &impl Value) -> io::Result<()> {
    let bytes = value.encode();
    loop {
        match send(socket.as_fd().as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop).map_err(io::Error::from),
        }
    }
}

/// Receives one record; none when the other side is gone.
///
/// # Errors
/// What the operating system said; `InvalidData` for bytes that are no such record.
pub fn receive_message<T: Value>(socket: impl AsFd) -> io::Result<Option<T>> {
    let mut bytes = vec![0; MESSAGE_BYTES_MAX];
    let length = loop {
        match recv(socket.as_fd().as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            // A peer that ended with our words unread: the kernel says so once, before its own words.
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
            Ok(0) => return Ok(None),
            other => break other?,
        }
    };
    let message = bytes.get(..length).unwrap_or_default();
    T::decode(message, Unknown::Refuse)
        .map(Some)
        .map_err(|invalid| io::Error::new(io::ErrorKind::InvalidData, invalid))
}

/// Sends one record, and descriptors, as one message; never waits for room.
///
/// # Errors
/// What the operating system said, `EPIPE` when the other side is gone, `EMSGSIZE` for one too long.
pub fn send_with(socket: impl AsFd, value: &impl Value, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = value.encode();
    let raw: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    loop {
        let buffers = [io::IoSlice::new(&bytes)];
        match sendmsg::<()>(socket.as_fd().as_raw_fd(), &buffers, control, flags, None) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop).map_err(io::Error::from),
        }
    }
}

/// Receives one record of at most `longest` bytes and the descriptors that came along; none when the
/// other side is gone.
///
/// # Errors
/// What the operating system said; `InvalidData` for bytes that are no such record.
pub fn receive_with<T: Value>(socket: &impl AsFd, longest: usize) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; longest];
    let mut received = Vec::new();
    let length = loop {
        match descriptors::receive(socket, &mut bytes, &mut received) {
            // As above.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            other => break other?,
        }
    };
    if length == 0 {
        return Ok(None);
    }
    T::decode(bytes.get(..length).unwrap_or_default(), Unknown::Refuse)
        .map(|value| Some((value, received)))
        .map_err(|invalid| io::Error::new(io::ErrorKind::InvalidData, invalid))
}

/// The machine's name for the time since it last started; empty where it has none.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}
