//! Handing a call to the daemon.

use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

use crate::Failure;
use crate::frames::{self, Request};
use crate::place::Place;

/// Whether a daemon answers.
pub(crate) fn is_listening(place: &Place) -> bool {
    connect(place).is_ok()
}

/// Hands the call to the daemon and gives its exit code; none where there is no daemon.
pub(crate) fn forward(place: &Place, words: &[String]) -> Result<Option<u8>, Failure> {
    let Ok(mut daemon) = connect(place) else {
        return Ok(None);
    };
    Request::write(words, &mut daemon)?;
    while let Some((kind, bytes)) = frames::read(&mut daemon)? {
        match kind {
            frames::OUT => io::stdout().write_all(&bytes)?,
            frames::ERR => io::stderr().write_all(&bytes)?,
            _ => return Ok(Some(u8::try_from(frames::value(&bytes) & 0xff).unwrap_or(1))),
        }
    }
    Err(Failure::invalid("The daemon went away"))
}

fn connect(place: &Place) -> io::Result<UnixStream> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(place.daemon_socket())?)
}
