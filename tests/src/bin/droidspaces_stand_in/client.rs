//! Handing a call to the daemon, and asking others.

use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

use crate::frames::{self, Request};
use crate::place::Place;
use crate::{Failure, say};

/// Whether a daemon answers.
pub(crate) fn is_listening(place: &Place) -> bool {
    connect(place).is_ok()
}

/// Hands the call to the daemon and gives its exit code; none where there is no daemon.
pub(crate) fn forward(place: &Place, words: &[String]) -> Result<Option<u8>, Failure> {
    let Ok(mut daemon) = connect(place) else {
        return Ok(None);
    };
    // Who is refused may be so before it has asked; why, is there to be read all the same.
    if let Err(error) = Request::write(words, &mut daemon)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(error.into());
    }
    while let Some((kind, bytes)) = frames::read(&mut daemon)? {
        match kind {
            frames::OUT => io::stdout().write_all(&bytes)?,
            frames::ERR => io::stderr().write_all(&bytes)?,
            _ => return Ok(Some(u8::try_from(frames::value(&bytes) & 0xff).unwrap_or(1))),
        }
    }
    Err(Failure::invalid("The daemon went away"))
}

/// Asks a server of version 1 whether it is there, and prints the status of its answer.
pub(crate) fn ping(name: &str) -> Result<u8, Failure> {
    let mut server = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    server.write_all(b"DSAP\x00\x01\x00\x01\x00\x00\x00\x00")?;
    let mut answer = [0; 12];
    server.read_exact(&mut answer)?;
    say(&frames::value(&answer[6..8]).to_string())
}

fn connect(place: &Place) -> io::Result<UnixStream> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(place.daemon_socket())?)
}
