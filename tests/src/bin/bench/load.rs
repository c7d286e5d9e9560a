//! Requests one after the other on each of several kept-alive connections.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Address, Connection};

/// How long one measurement takes.
const SPAN: Duration = Duration::from_millis(1500);
/// Requests before it begins, so that nobody is measured while waking up.
const WARM_UP: usize = 50;

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Time of each request, in nanoseconds.
    times_ns: Vec<u64>,
    /// How long was measured.
    span: Duration,
}

impl Figures {
    /// Puts another measurement to this one.
    pub(crate) fn add(&mut self, other: Self) {
        self.times_ns.extend(other.times_ns);
        self.times_ns.sort_unstable();
        self.span += other.span;
    }

    /// Requests in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.times_ns.len() as f64 / self.span.as_secs_f64()
    }

    /// The time that this many of a hundred requests did not pass, in microseconds.
    pub(crate) fn percentile_us(&self, percent: usize) -> f64 {
        let at = (self.times_ns.len() * percent / 100).min(self.times_ns.len() - 1);
        self.times_ns[at] as f64 / 1000.0
    }
}

/// Asks for one path on so many connections at the same time.
///
/// # Panics
/// When an answer is not a whole 200.
pub(crate) fn measure(address: &Address, path: &str, connections: usize) -> Figures {
    let mut figures = Figures {
        times_ns: Vec::new(),
        span: SPAN,
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| ask_again_and_again(address, path)))
            .collect();
        for worker in workers {
            figures
                .times_ns
                .extend(worker.join().expect("a connection broke"));
        }
    });
    figures.times_ns.sort_unstable();
    figures
}

fn ask_again_and_again(address: &Address, path: &str) -> Vec<u64> {
    let mut connection = Connection::open(address).expect("cannot connect");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut scratch = vec![0; 64 * 1024];
    for _ in 0..WARM_UP {
        ask(&mut connection, request.as_bytes(), &mut scratch);
    }
    let mut times = Vec::with_capacity(200_000);
    let begin = Instant::now();
    let mut last = begin;
    while last - begin < SPAN {
        ask(&mut connection, request.as_bytes(), &mut scratch);
        let now = Instant::now();
        times.push(u64::try_from((now - last).as_nanos()).unwrap_or(u64::MAX));
        last = now;
    }
    times
}

fn ask(connection: &mut Connection, request: &[u8], scratch: &mut [u8]) {
    connection.send_raw(request).expect("cannot send");
    let head = connection.head(false).expect("no answer");
    assert_eq!(head.status, 200);
    while connection.read(scratch).expect("half an answer") > 0 {}
}
