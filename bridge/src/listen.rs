//! The two sockets and who is let in.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use nix::sys::socket::{Backlog, listen};
use wire::frame::Flow;
use wire::{Refusal, RefusalCode, Response};

use crate::Bridge;
use crate::complaints::Complaints;
use crate::config::Rush;
use crate::fence::calls;
use crate::gate::{Door, Gate};
use crate::limits::{CONNECTIONS_WAITING_MAX, SESSION_STACK_BYTES};
use crate::pace::Pace;
use crate::peer::{Peer, Spaces};
use crate::places::{Place, Places};
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
    listen(&listener, Backlog::new(CONNECTIONS_WAITING_MAX)?)?;
    chown(&path, Some(0), Some(front_gid))?;
    fs::set_permissions(&path, Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Everything that is there for the connections of one socket together.
#[derive(Debug)]
struct Entrance {
    door: Door,
    gate: Gate,
    spaces: Spaces,
    bridge: Arc<Bridge>,
    places: Arc<Places>,
    frames_per_second: u32,
    complaints: Arc<Complaints>,
}

/// Accepts for ever, each connection in a thread of its own.
pub(crate) fn spawn(
    listener: UnixListener,
    door: Door,
    gate: Gate,
    rush: Rush,
    bridge: Arc<Bridge>,
) -> io::Result<()> {
    let name = match door {
        Door::Watch => "watch",
        Door::Control => "control",
    };
    let entrance = Entrance {
        door,
        gate,
        spaces: Spaces::own(),
        bridge,
        places: Arc::new(Places::new(rush.connections_max.into())),
        frames_per_second: rush.frames_per_second_max,
        complaints: Arc::default(),
    };
    let accept = move || {
        if let Err(error) = calls::irrevocably_fence_in() {
            tracing::error!(%error, name, "nobody is answered here: system calls cannot be filtered");
            return;
        }
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => entrance.admit(stream),
                Err(error) => {
                    // Out of descriptors, most likely: sessions must end before another can begin.
                    if entrance.complaints.admit() {
                        tracing::warn!(%error, "cannot accept a connection");
                    }
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

impl Entrance {
    fn admit(&self, stream: UnixStream) {
        let peer = match Peer::of(&stream) {
            Ok(peer) if self.gate.admits(peer) => peer,
            Ok(peer) => return self.refuse(&stream, peer),
            Err(error) => {
                if self.complaints.admit() {
                    tracing::warn!(%error, "cannot tell who connects");
                }
                return;
            }
        };
        match self.places.take(peer) {
            // Looked at last, for it costs most.
            Some(_) if !self.spaces.include(peer) => self.refuse(&stream, peer),
            Some(place) => self.serve(stream, peer, place),
            None => {
                if self.complaints.admit() {
                    tracing::warn!(?peer, door = ?self.door, "too many connections");
                }
                turn_away(&stream, RefusalCode::TooMany, "connections");
            }
        }
    }

    fn refuse(&self, stream: &UnixStream, peer: Peer) {
        if self.complaints.admit() {
            tracing::warn!(?peer, "refused a stranger");
        }
        turn_away(stream, RefusalCode::NotPermitted, "");
    }

    fn serve(&self, stream: UnixStream, peer: Peer, place: Place) {
        let (door, bridge) = (self.door, Arc::clone(&self.bridge));
        let pace = Pace::new(self.frames_per_second);
        let complaints = Arc::clone(&self.complaints);
        let session = move || {
            match session::serve(&stream, door, &bridge, pace) {
                Ok(()) | Err(End::Finished) => {}
                Err(End::Gone(error)) => tracing::debug!(?peer, %error, "a connection broke"),
                Err(End::Invalid(invalid)) => {
                    if complaints.admit() {
                        tracing::warn!(?peer, %invalid, "a peer does not speak the protocol");
                    }
                }
            }
            drop(place);
        };
        let thread = thread::Builder::new()
            .name("session".to_owned())
            .stack_size(SESSION_STACK_BYTES);
        if let Err(error) = thread.spawn(session)
            && self.complaints.admit()
        {
            tracing::error!(%error, "cannot serve a connection");
        }
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
