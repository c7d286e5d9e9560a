//! A small blocking HTTP/1.1 client: unix sockets and TCP, keep-alive, chunks, streams.
//! It checks what it reads as a strict client would, and panics where a server is wrong.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

/// Longest silence in the middle of an answer.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// Where a server listens, as on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `unix:///path`.
    Unix(PathBuf),
    /// `tcp://host:port`.
    Tcp(String),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text.strip_prefix("unix://"), text.strip_prefix("tcp://")) {
            (Some(path), _) => Ok(Self::Unix(path.into())),
            (_, Some(place)) => Ok(Self::Tcp(place.to_owned())),
            _ => Err(format!("not an address: {text}")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(place) => write!(f, "tcp://{place}"),
        }
    }
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(buffer),
            Self::Tcp(stream) => stream.write(buffer),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first part of an answer.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case, in their order.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Status and headers.
    pub head: Head,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON, or does not say that it is.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(
            self.head.header("content-type"),
            Some("application/json"),
            "{self}"
        );
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The sentence of an error.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_else(|| panic!("no message: {self}"))
            .to_owned()
    }

    /// The same, if it has this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Framing {
    Length(u64),
    /// Inside a chunk.
    Chunk(u64),
    /// Before the line that gives a chunk's length. It is read when more is asked for and not
    /// before: a stream may be silent for long.
    NextChunk,
    ToTheEnd,
    Over,
}

/// One connection, used for one request after the other.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<Stream>,
    framing: Framing,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// The system's.
    pub fn open(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(READ_LIMIT))?;
                Stream::Unix(stream)
            }
            Address::Tcp(place) => {
                let stream = TcpStream::connect(place)?;
                stream.set_read_timeout(Some(READ_LIMIT))?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
        };
        Ok(Self {
            reader: BufReader::with_capacity(64 * 1024, stream),
            framing: Framing::Over,
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The system's.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// From now on, the other side may be silent for so long.
    ///
    /// # Errors
    /// The system's.
    pub fn patience(&self, limit: Duration) -> io::Result<()> {
        match self.reader.get_ref() {
            Stream::Unix(stream) => stream.set_read_timeout(Some(limit)),
            Stream::Tcp(stream) => stream.set_read_timeout(Some(limit)),
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish(&self) {
        // A connection that is closed already needs no such word.
        let _ = match self.reader.get_ref() {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// Another way to send on it, for a thread of its own.
    ///
    /// # Errors
    /// The system's.
    pub fn sender(&self) -> io::Result<impl Write + Send + use<>> {
        Ok(match self.reader.get_ref() {
            Stream::Unix(stream) => Stream::Unix(stream.try_clone()?),
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone()?),
        })
    }

    /// Reads what comes after an answer that changed the protocol; 0 at the end.
    ///
    /// # Errors
    /// The system's.
    pub fn read_raw(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }

    /// Sends a request; `body` is its type and its bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&mut self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> io::Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
        if let Some((kind, bytes)) = body {
            write!(
                request,
                "Content-Type: {kind}\r\nContent-Length: {}\r\n",
                bytes.len()
            )?;
        } else if method == "POST" {
            request.extend_from_slice(b"Content-Length: 0\r\n");
        }
        request.extend_from_slice(b"\r\n");
        if let Some((_, bytes)) = body {
            request.extend_from_slice(bytes);
        }
        self.send_raw(&request)
    }

    /// Reads the head of an answer; the body is then read through [`Read`].
    ///
    /// # Errors
    /// The system's, and an end in the middle of the head.
    pub fn head(&mut self, to_head_request: bool) -> io::Result<Head> {
        let mut head = Head::default();
        let first = self.line()?;
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        head.status = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, first))?;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
            head.headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let bodiless = to_head_request || head.status < 200 || head.status == 204 || head.status == 304;
        let length = head
            .header("content-length")
            .map(|length| length.parse().map_err(|_| io::ErrorKind::InvalidData));
        self.framing = match (bodiless, head.header("transfer-encoding"), length) {
            // The connection is no longer HTTP: what comes is the stream.
            _ if head.status == 101 => Framing::ToTheEnd,
            (true, _, _) => Framing::Over,
            (_, Some("chunked"), None) => Framing::NextChunk,
            (_, None, Some(length)) => Framing::Length(length?),
            (_, None, None) => Framing::ToTheEnd,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        Ok(head)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The system's.
    pub fn ask(&mut self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> io::Result<Answer> {
        self.send(method, path, body)?;
        self.answer(method == "HEAD")
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// The system's.
    pub fn answer(&mut self, to_head_request: bool) -> io::Result<Answer> {
        let head = self.head(to_head_request)?;
        let mut body = Vec::new();
        self.read_to_end(&mut body)?;
        Ok(Answer {
            status: head.status,
            head,
            body,
        })
    }

    /// The next line of a body; none at its end.
    ///
    /// # Errors
    /// The system's.
    pub fn body_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        loop {
            let left = self.left()?;
            let there = if left == 0 { &[] } else { self.reader.fill_buf()? };
            let there = &there[..there.len().min(left)];
            if there.is_empty() {
                return match (left, line.is_empty(), self.framing) {
                    (0, true, _) | (_, true, Framing::ToTheEnd) => Ok(None),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
            let end = there.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(&there[..end.unwrap_or(there.len())]);
            let count = end.map_or(there.len(), |end| end + 1);
            self.reader.consume(count);
            self.took(count)?;
            if end.is_some() {
                let line = String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData)?;
                return Ok(Some(line));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let complete = line.strip_suffix("\r\n");
        complete
            .map(str::to_owned)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn chunk(&mut self) -> io::Result<u64> {
        let line = self.line()?;
        u64::from_str_radix(&line, 16).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, line))
    }
}

impl Connection {
    /// How many bytes of the body may be read at once; none at its end.
    fn left(&mut self) -> io::Result<usize> {
        if self.framing == Framing::NextChunk {
            self.framing = match self.chunk()? {
                0 => {
                    // The last chunk; there are no trailers.
                    self.line()?;
                    Framing::Over
                }
                length => Framing::Chunk(length),
            };
        }
        Ok(match self.framing {
            Framing::Over | Framing::NextChunk => 0,
            Framing::ToTheEnd => usize::MAX,
            Framing::Length(left) | Framing::Chunk(left) => usize::try_from(left).unwrap_or(usize::MAX),
        })
    }

    /// So many bytes of the body were read.
    fn took(&mut self, count: usize) -> io::Result<()> {
        let minus = |left: u64| left.saturating_sub(u64::try_from(count).unwrap_or(left));
        self.framing = match self.framing {
            Framing::Chunk(left) if minus(left) == 0 => {
                self.line()?;
                Framing::NextChunk
            }
            Framing::Chunk(left) => Framing::Chunk(minus(left)),
            Framing::Length(left) => Framing::Length(minus(left)),
            other => other,
        };
        Ok(())
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left()?;
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut buffer[..wanted])?;
        if count == 0 && self.framing != Framing::ToTheEnd {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.took(count)?;
        Ok(count)
    }
}
