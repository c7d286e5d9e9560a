//! An engine that answers as a test says: what a real one would do only with luck, or with gigabytes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use harness::Address;

/// An engine. It takes requests as long as the process lives: a test that is over dials it no more.
pub(crate) struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// One whose answers are written by `answer`, which is told the path and has the connection's way out. Its
    /// connections end after one answer.
    pub(crate) fn start(
        socket: &Path,
        answer: impl Fn(&str, &mut UnixStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                // Whoever asked may go before the end.
                thread::spawn(move || serve(stream, &*answer));
            }
        });
        Self {
            socket: socket.to_owned(),
        }
    }

    pub(crate) fn address(&self) -> Address {
        Address::Unix(self.socket.clone())
    }
}

fn serve(
    mut stream: UnixStream,
    answer: &(impl Fn(&str, &mut UnixStream) -> io::Result<()> + ?Sized),
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    answer(first.split(' ').nth(1).unwrap_or_default(), &mut stream)
}

/// What it says of itself, and an end of events that have not begun.
pub(crate) fn version(out: &mut impl Write) -> io::Result<()> {
    sized(
        out,
        "application/json",
        br#"{"Version":"28.0.0","ApiVersion":"1.47"}"#,
    )
}

/// A whole answer.
pub(crate) fn sized(out: &mut impl Write, kind: &str, body: &[u8]) -> io::Result<()> {
    head(out, kind, body.len() as u64)?;
    out.write_all(body)
}

/// The head of an answer whose body follows.
pub(crate) fn head(out: &mut impl Write, kind: &str, length: u64) -> io::Result<()> {
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
}

/// An answer in these chunks.
pub(crate) fn chunked<'a>(
    out: &mut impl Write,
    kind: &str,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> io::Result<()> {
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )?;
    for chunk in chunks {
        write!(out, "{:x}\r\n", chunk.len())?;
        out.write_all(chunk)?;
        out.write_all(b"\r\n")?;
    }
    out.write_all(b"0\r\n\r\n")
}
