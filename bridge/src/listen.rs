//! The two sockets and who is let in.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use wire::frame::Flow;
use wire::{Refusal, RefusalCode, Response};

use crate::Bridge;
use crate::gate::{Door, Gate};
use crate::limits::{SESSION_STACK_BYTES, SESSIONS_MAX};
use crate::peer::Peer;
use crate::session::{self, End};

/// File name of the socket for asking.
pub(crate) const WATCH: &str = "watch.sock";
/// File name of the socket for acting.
pub(crate) const CONTROL: &str = "control.sock";

/// Makes one socket that root and the front's group may connect to.
/// The state directory is locked by now, so a socket that lies there is nobody's.
pub(crate) fn bind(dir: &Path, name: &str, front_gid: u32) -> io::Result<UnixListener> {
    let path: PathBuf = dir.join(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    chown(&path, Some(0), Some(front_gid))?;
    fs::set_permissions(&path, Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Accepts for ever, each connection in a thread of its own.
pub(crate) fn spawn(listener: UnixListener, door: Door, gate: Gate, bridge: Arc<Bridge>) -> io::Result<()> {
    let name = match door {
        Door::Watch => "watch",
        Door::Control => "control",
    };
    let sessions = Arc::new(AtomicUsize::new(0));
    let accept = move || {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => admit(stream, door, gate, &bridge, &sessions),
                Err(error) => {
                    // Out of descriptors, most likely: sessions must end before another can begin.
                    tracing::warn!(%error, "cannot accept a connection");
                    thread::park_timeout(std::time::Duration::from_millis(100));
                }
            }
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(accept)
        .map(drop)
}

fn admit(stream: UnixStream, door: Door, gate: Gate, bridge: &Arc<Bridge>, sessions: &Arc<AtomicUsize>) {
    let peer = match Peer::of(&stream) {
        Ok(peer) if gate.admits(peer) => peer,
        Ok(peer) => {
            tracing::warn!(?peer, "refused a stranger");
            return turn_away(&stream, RefusalCode::NotPermitted, "");
        }
        Err(error) => {
            tracing::warn!(%error, "cannot tell who connects");
            return;
        }
    };
    if sessions.fetch_add(1, Ordering::AcqRel) >= SESSIONS_MAX {
        sessions.fetch_sub(1, Ordering::AcqRel);
        tracing::warn!(?peer, ?door, "too many connections");
        return turn_away(&stream, RefusalCode::TooMany, "connections");
    }
    let (bridge, counter) = (Arc::clone(bridge), Arc::clone(sessions));
    let session = move || {
        match session::serve(&stream, door, &bridge) {
            Ok(()) | Err(End::Finished) => {}
            Err(End::Gone(error)) => tracing::debug!(?peer, %error, "a connection broke"),
            Err(End::Invalid(invalid)) => {
                tracing::warn!(?peer, %invalid, "a peer does not speak the protocol")
            }
        }
        counter.fetch_sub(1, Ordering::AcqRel);
    };
    let thread = thread::Builder::new()
        .name("session".to_owned())
        .stack_size(SESSION_STACK_BYTES);
    if let Err(error) = thread.spawn(session) {
        sessions.fetch_sub(1, Ordering::AcqRel);
        tracing::error!(%error, "cannot serve a connection");
    }
}

/// One frame that says why, without waiting for the peer to read it.
fn turn_away(stream: &UnixStream, code: RefusalCode, subject: &str) {
    use std::io::Write;
    let mut frame = Vec::new();
    let refused = Response::Refused(Refusal::about(code, subject));
    if refused.append_to(Flow::Last, &mut frame).is_ok() && stream.set_nonblocking(true).is_ok() {
        let mut stream = stream;
        let _ = stream.write_all(&frame);
    }
}
