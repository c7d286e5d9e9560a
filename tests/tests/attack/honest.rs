//! Clients that do nothing wrong, and how long they are kept waiting.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::Docker;
use wire::frame::Flow;
use wire::request::{IfNewer, Nothing};
use wire::{HEADER_BYTES, Header, Request, Response};

/// Between two questions.
const PERIOD: Duration = Duration::from_millis(5);
/// How long an answer may take before there is none.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long answers took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// The time that so many of a thousand were not above.
    pub(crate) fn per_mille(&self, share: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * share).div_ceil(1000).clamp(1, sorted.len()) - 1;
        sorted[at]
    }

    pub(crate) fn longest(&self) -> Duration {
        self.per_mille(1000)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answers, half within {:?}, 99 % within {:?}, 99.9 % within {:?}, all within {:?}",
            self.0.len(),
            self.per_mille(500),
            self.per_mille(990),
            self.per_mille(999),
            self.longest()
        )
    }
}

/// Asks until `over`; `ask` says how long each answer took.
pub(crate) fn ask_until(over: &AtomicBool, mut ask: impl FnMut() -> Duration) -> Times {
    let mut times = Times::default();
    while !over.load(Ordering::Relaxed) {
        times.0.push(ask());
        thread::park_timeout(PERIOD);
    }
    times
}

/// Root's own client of the bridge: a connection that stays, and one that is new for every second question.
pub(crate) struct Root<'a> {
    socket: &'a Path,
    held: UnixStream,
    turn: u32,
}

impl<'a> Root<'a> {
    pub(crate) fn of(socket: &'a Path) -> Self {
        Self {
            socket,
            held: connect(socket),
            turn: 0,
        }
    }

    /// `LIST` or `INFO`, on either connection. From before it connects until the last byte is here; what
    /// it says is looked at afterwards.
    pub(crate) fn ask(&mut self) -> Duration {
        let begin = Instant::now();
        self.turn += 1;
        let request = match self.turn % 2 {
            0 => Request::ListContainers(IfNewer { than: 0 }),
            _ => Request::Info(Nothing {}),
        };
        let mut fresh;
        let stream = match self.turn / 2 % 2 {
            0 => &mut self.held,
            _ => {
                fresh = connect(self.socket);
                &mut fresh
            }
        };
        let frames = exchange(stream, &request);
        let took = begin.elapsed();
        let decode = |(kind, payload): &(u16, Vec<u8>)| Response::decode(*kind, payload).unwrap();
        let answers: Vec<Response> = frames.iter().map(decode).collect();
        let right = answers.iter().all(|answer| match request {
            Request::Info(_) => matches!(answer, Response::Info(_)),
            _ => matches!(answer, Response::Containers(_)),
        });
        assert!(right && !answers.is_empty(), "{request:?}: {answers:?}");
        took
    }
}

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Every frame of an answer: its kind and what it holds.
fn exchange(stream: &mut UnixStream, request: &Request) -> Vec<(u16, Vec<u8>)> {
    let mut frame = Vec::new();
    request.append_to(&mut frame).unwrap();
    stream.write_all(&frame).unwrap();
    let mut frames = Vec::new();
    loop {
        let mut header = [0; HEADER_BYTES];
        stream.read_exact(&mut header).unwrap();
        let header = Header::parse(&header, wire::limits::RESPONSE_BYTES_MAX).unwrap();
        let mut payload = vec![0; usize::try_from(header.length).unwrap()];
        stream.read_exact(&mut payload).unwrap();
        frames.push((header.kind, payload));
        if header.flow == Flow::Last {
            return frames;
        }
    }
}

/// A client of the honest socketd, which is a second front beside the hostile one.
pub(crate) fn over_http(docker: &Docker) -> impl FnMut() -> Duration {
    let mut connection = docker.connect();
    let mut turn = 0;
    move || {
        turn += 1;
        let path = match turn % 2 {
            0 => "/containers/json?all=1",
            _ => "/info",
        };
        let begin = Instant::now();
        let answer = connection.ask("GET", path, None).unwrap();
        let took = begin.elapsed();
        assert_eq!(answer.status, 200, "{path}: {answer}");
        took
    }
}
