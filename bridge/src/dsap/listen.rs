//! The socket, and a thread for each who is let in.

use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use wire::v1::Status;

use super::answer::Desk;
use super::limits::{CHUNK_BYTES, SESSIONS_MAX, STACK_BYTES, STRANGERS_MAX};
use super::rights;
use super::session::{self, Caller};
use crate::Bridge;
use crate::fence::calls;
use crate::peer::Peer;

/// Pause before another connection is accepted where none can be.
const PAUSE: Duration = Duration::from_millis(100);

/// Places for connections, so many at once.
#[derive(Debug)]
struct Places {
    taken: AtomicUsize,
    max: usize,
}

/// One of them, given back when dropped.
#[derive(Debug)]
struct Place(Arc<Places>);

impl Places {
    fn new(max: usize) -> Arc<Self> {
        let taken = AtomicUsize::new(0);
        Arc::new(Self { taken, max })
    }

    fn take(self: &Arc<Self>) -> Option<Place> {
        let place = Place(Arc::clone(self));
        (self.taken.fetch_add(1, Ordering::AcqRel) < self.max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Everything that is there for the connections together.
#[derive(Debug)]
struct Door {
    desk: Arc<Desk>,
    permitted: Arc<Places>,
    strangers: Arc<Places>,
    /// Whether the log knows that there are strangers: everybody can be one, as often as they like.
    told: AtomicBool,
}

/// Makes the socket of an abstract name, and answers whoever may ask for as long as the bridge runs.
///
/// # Errors
/// The name is taken in this network namespace or too long, or there is no thread.
pub(crate) fn open(name: &str, bridge: &Bridge) -> io::Result<()> {
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    let door = Door {
        desk: Arc::new(Desk::new(Arc::clone(&bridge.supervisor))),
        permitted: Places::new(SESSIONS_MAX),
        strangers: Places::new(STRANGERS_MAX),
        told: AtomicBool::new(false),
    };
    let accept = move || {
        if let Err(error) = calls::irrevocably_fence_in() {
            tracing::error!(%error, "nobody is answered in version 1: system calls cannot be filtered");
            return;
        }
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => door.admit(stream),
                Err(error) => {
                    // Out of descriptors, most likely: sessions must end before another can begin.
                    tracing::warn!(%error, "cannot accept a connection");
                    thread::park_timeout(PAUSE);
                }
            }
        }
    };
    thread::Builder::new()
        .name("dsap".to_owned())
        .spawn(accept)
        .map(drop)
}

impl Door {
    fn admit(&self, stream: UnixStream) {
        let peer = match Peer::of(&stream) {
            Ok(peer) => peer,
            Err(error) => {
                tracing::warn!(%error, "cannot tell who connects");
                return;
            }
        };
        let (caller, places) = if rights::admits(peer) {
            (Caller::Permitted, &self.permitted)
        } else {
            if !self.told.swap(true, Ordering::AcqRel) {
                tracing::warn!(?peer, "refused a stranger; further ones are not logged");
            }
            (Caller::Stranger, &self.strangers)
        };
        let Some(place) = places.take() else {
            return turn_away(&stream, caller);
        };
        let desk = Arc::clone(&self.desk);
        let session = move || {
            if let Err(error) = session::serve(&stream, caller, &desk) {
                tracing::debug!(?peer, %error, "a connection broke");
            }
            drop(place);
        };
        let thread = thread::Builder::new()
            .name("dsap-session".to_owned())
            .stack_size(STACK_BYTES);
        if let Err(error) = thread.spawn(session) {
            tracing::error!(%error, "cannot serve a connection");
        }
    }
}

/// A status without waiting for anything: what has come of the request is thrown away.
fn turn_away(mut stream: &UnixStream, caller: Caller) {
    let status = match caller {
        Caller::Permitted => Status::InternalError,
        Caller::Stranger => Status::Forbidden,
    };
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.read(&mut [0; CHUNK_BYTES]);
        let _ = stream.write(&status.to_frame());
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn places_are_given_back() {
        let places = Places::new(2);
        let (first, second) = (places.take(), places.take());
        assert!(first.is_some() && second.is_some());
        assert!(places.take().is_none());
        assert!(places.take().is_none(), "asking in vain takes none");
        drop(first);
        assert!(places.take().is_some());
    }
}
