//! `daemon`: a socket through which others call this command, with or without a terminal.

use std::fs;
use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{self, Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use rustix::termios::{Winsize, tcsetwinsize};

use crate::arguments::Options;
use crate::frames::{self, Request};
use crate::join::exit_code;
use crate::place::Place;
use crate::pty;
use crate::{Failure, INVALID};

/// Words that the daemon does not run, unless they are an option's value.
const REFUSED: [&str; 2] = ["daemon", "client"];
/// How long what a command wrote last is waited for: somebody else may hold its output open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Listens until it is ended.
pub(crate) fn daemon(place: &Place, options: &Options) -> Result<u8, Failure> {
    let taken = |_| Failure::invalid("A daemon is running already");
    let address = SocketAddr::from_abstract_name(place.daemon_socket())?;
    if !options.foreground {
        drop(UnixListener::bind_addr(&address).map_err(taken)?);
        let mut command = Command::new("setsid");
        command.arg(place.program()).args(["daemon", "--foreground"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        return Ok(0);
    }
    let listener = UnixListener::bind_addr(&address).map_err(taken)?;
    fs::write(place.daemon_pid_file(), format!("{}\n", process::id()))?;
    thread::scope(|scope| {
        for peer in listener.incoming() {
            let peer = peer?;
            // One that breaks off in the middle of a request is no concern of the others.
            scope.spawn(move || serve(place, peer).ok());
        }
        Ok(0)
    })
}

fn serve(place: &Place, mut peer: UnixStream) -> Result<(), Failure> {
    if !may_ask(&peer)? {
        return refuse(&mut peer, "Permission denied\n");
    }
    let request = Request::read(&mut peer)?;
    let before = [String::new()].into_iter().chain(request.words.iter().cloned());
    let forbidden = before
        .zip(&request.words)
        .any(|(before, word)| REFUSED.contains(&word.as_str()) && !before.starts_with('-'));
    if forbidden {
        return refuse(&mut peer, "Command not allowed\n");
    }
    match request.size {
        Some(size) => with_terminal(place, &request.words, size, peer),
        None => with_pipes(place, &request.words, peer),
    }
}

/// Whether a peer is root, in our own process namespace.
fn may_ask(peer: &UnixStream) -> Result<bool, Failure> {
    let credentials = getsockopt(peer, PeerCredentials)?;
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let other = namespace(&credentials.pid().to_string());
    Ok(credentials.pid() > 0 && other.is_some() && other == namespace("self") && credentials.uid() == 0)
}

fn refuse(peer: &mut UnixStream, text: &str) -> Result<(), Failure> {
    frames::write(peer, frames::ERR, text.as_bytes())?;
    frames::write(peer, frames::EXIT, &frames::big_endian(INVALID.into()))?;
    Ok(())
}

fn with_pipes(place: &Place, words: &[String], peer: UnixStream) -> Result<(), Failure> {
    let mut child = Command::new(place.program())
        .args(words)
        .env("DS_NO_PROXY", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let sender = Arc::new(Mutex::new(peer.try_clone()?));
    let (said, last) = channel();
    if let Some(out) = child.stdout.take() {
        copy(out, frames::OUT, Arc::clone(&sender), said.clone());
    }
    if let Some(err) = child.stderr.take() {
        copy(err, frames::ERR, Arc::clone(&sender), said.clone());
    }
    drop(said);
    let target = Target::of(&child);
    hear(peer, target.clone(), Signal::SIGTERM, |_, _| ());
    let code = target.wait(&mut child)?;
    while last.recv_timeout(LAST_WORDS).is_ok() {}
    finish(&sender, code)
}

fn with_terminal(place: &Place, words: &[String], size: (u16, u16), peer: UnixStream) -> Result<(), Failure> {
    let pty::Ends { master, slave } = pty::open(Some(size))?;
    let mut child = Command::new(place.program())
        .arg("@terminal")
        .args(words)
        .env("DS_NO_PROXY", "1")
        .stdin(slave.try_clone()?)
        .stdout(slave.try_clone()?)
        .stderr(slave)
        .spawn()?;
    let sender = Arc::new(Mutex::new(peer.try_clone()?));
    let (said, last) = channel();
    copy(master.try_clone()?, frames::OUT, Arc::clone(&sender), said);
    let target = Target::of(&child);
    let mut keyboard = master;
    hear(peer, target.clone(), Signal::SIGHUP, move |kind, bytes| {
        match (kind, bytes) {
            (frames::OUT, typed)
                if u32::try_from(typed.len()).is_ok_and(|length| length <= frames::BYTES_MAX) =>
            {
                let _ = keyboard.write_all(typed);
            }
            (frames::SIZE, &[a, b, c, d]) => {
                let (ws_row, ws_col) = frames::size([a, b, c, d]);
                let size = Winsize {
                    ws_row,
                    ws_col,
                    ws_xpixel: 0,
                    ws_ypixel: 0,
                };
                let _ = tcsetwinsize(&keyboard, size);
            }
            _ => (),
        }
    });
    let code = target.wait(&mut child)?;
    while last.recv_timeout(LAST_WORDS).is_ok() {}
    finish(&sender, code)
}

fn finish(peer: &Mutex<UnixStream>, code: u8) -> Result<(), Failure> {
    let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
    frames::write(&mut *peer, frames::EXIT, &frames::big_endian(code.into()))?;
    peer.shutdown(std::net::Shutdown::Both)?;
    Ok(())
}

/// Passes on what a command writes; says each time that it has.
fn copy(mut from: impl Read + Send + 'static, kind: u8, to: Arc<Mutex<UnixStream>>, said: Sender<()>) {
    thread::spawn(move || -> io::Result<()> {
        let mut bytes = [0; 4096];
        while let count @ 1.. = from.read(&mut bytes)? {
            let mut peer = to.lock().unwrap_or_else(PoisonError::into_inner);
            frames::write(&mut *peer, kind, &bytes[..count])?;
            // Nobody listens any more once the exit code is sent.
            let _ = said.send(());
        }
        Ok(())
    });
}

/// Reads what the client says, and ends the command when it goes.
fn hear(
    mut peer: UnixStream,
    target: Target,
    signal: Signal,
    mut take: impl FnMut(u8, &[u8]) + Send + 'static,
) {
    thread::spawn(move || {
        while let Ok(Some((kind, bytes))) = frames::read(&mut peer) {
            take(kind, &bytes);
        }
        target.signal(signal);
    });
}

/// A child that may be signalled for as long as its process id is its own.
#[derive(Debug, Clone)]
struct Target {
    pid: Arc<Mutex<Option<Pid>>>,
}

impl Target {
    fn of(child: &Child) -> Self {
        let pid = i32::try_from(child.id()).ok().map(Pid::from_raw);
        Self {
            pid: Arc::new(Mutex::new(pid)),
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.pid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid {
            // It may have ended, but nobody has waited for it yet.
            let _ = kill(pid, signal);
        }
    }

    fn wait(&self, child: &mut Child) -> Result<u8, Failure> {
        let pid = *self.pid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = pid {
            waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
        }
        *self.pid.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(exit_code(child.wait()?))
    }
}
