//! The asking side of the protocol, for `down`: one connection, one question at a time.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use wire::frame::{Flow, HEADER_BYTES};
use wire::limits::RESPONSE_BYTES_MAX;
use wire::{Header, Request, Response};

use crate::peer::Peer;

/// A connection to a bridge.
#[derive(Debug)]
pub(crate) struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects; fails where no bridge answers.
    pub(crate) fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::connect(socket)?,
        })
    }

    /// The process at the other end.
    pub(crate) fn peer(&self) -> io::Result<Peer> {
        Peer::of(&self.stream)
    }

    /// Asks, and collects every frame of the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> io::Result<Vec<Response>> {
        let mut frame = Vec::new();
        request.append_to(&mut frame).map_err(invalid)?;
        self.stream.write_all(&frame)?;
        let mut answers = Vec::new();
        loop {
            let mut header = [0; HEADER_BYTES];
            self.stream.read_exact(&mut header)?;
            let header = Header::parse(&header, RESPONSE_BYTES_MAX).map_err(invalid)?;
            let mut payload = vec![0; usize::try_from(header.length).unwrap_or(0)];
            self.stream.read_exact(&mut payload)?;
            answers.push(Response::decode(header.kind, &payload).map_err(invalid)?);
            if header.flow == Flow::Last {
                return Ok(answers);
            }
        }
    }
}

fn invalid(error: wire::Invalid) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
