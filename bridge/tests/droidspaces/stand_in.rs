//! A stand-in for the runtime's daemon: it listens on a name of its own, reads requests, and does with
//! each what the test says.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use nix::pty::{Winsize, openpty};

pub(crate) const OUTPUT: u8 = 0x01;
pub(crate) const ERROR: u8 = 0x02;
pub(crate) const WINDOW: u8 = 0x03;
pub(crate) const EXIT: u8 = 0xff;

/// What it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) arguments: Vec<String>,
    /// Rows and columns.
    pub(crate) window: Option<(u16, u16)>,
}

impl Request {
    /// The command, without what is before it.
    fn command(&self) -> Command {
        let at = self.arguments.iter().position(|word| word == "run").unwrap();
        let mut command = Command::new(&self.arguments[at + 1]);
        command.args(&self.arguments[at + 2..]);
        command
    }
}

/// A connection, after its request.
pub(crate) struct Client(pub(crate) UnixStream);

impl Client {
    pub(crate) fn send(&self, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let mut frame = vec![kind];
        frame.extend((bytes.len() as u32).to_be_bytes());
        frame.extend(bytes);
        (&self.0).write_all(&frame)
    }

    pub(crate) fn exit(&self, code: u32) {
        let _ = self.send(EXIT, &code.to_be_bytes());
    }

    /// The next frame; none when the client has gone.
    pub(crate) fn receive(&self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        (&self.0).read_exact(&mut head).ok()?;
        let mut bytes = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize];
        (&self.0).read_exact(&mut bytes).ok()?;
        Some((head[0], bytes))
    }
}

pub(crate) struct StandIn {
    pub(crate) name: String,
    requests: Receiver<Request>,
}

impl StandIn {
    pub(crate) fn request(&self) -> Request {
        self.requests
            .recv_timeout(super::scene::DEADLINE)
            .expect("nothing was asked")
    }

    /// `serve` is what it does with each request, in a thread of its own.
    pub(crate) fn new(serve: impl Fn(Request, Client) + Send + Clone + 'static) -> Self {
        let name = name();
        let listener = listen(&name);
        let (asked, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let (serve, asked): (_, Sender<Request>) = (serve.clone(), asked.clone());
                thread::spawn(move || {
                    let request = request(&stream);
                    let _ = asked.send(request.clone());
                    serve(request, Client(stream));
                });
            }
        });
        Self { name, requests }
    }
}

/// A name that nobody has.
pub(crate) fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("socketd-test-{}-{number}", std::process::id())
}

pub(crate) fn listen(name: &str) -> UnixListener {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
}

fn request(mut stream: &UnixStream) -> Request {
    let mut number = || {
        let mut bytes = [0; 4];
        stream
            .read_exact(&mut bytes)
            .map(|()| u32::from_be_bytes(bytes))
            .unwrap()
    };
    let (flags, count) = (number(), number());
    assert!(count <= 64 && flags <= 1);
    let mut arguments = Vec::new();
    for _ in 0..count {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let length = u32::from_be_bytes(length);
        assert!(length <= 8192);
        let mut bytes = vec![0; length as usize];
        stream.read_exact(&mut bytes).unwrap();
        arguments.push(String::from_utf8(bytes).unwrap());
    }
    let window = (flags & 1 == 1).then(|| {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).unwrap();
        window(&bytes)
    });
    Request { arguments, window }
}

pub(crate) fn window(bytes: &[u8]) -> (u16, u16) {
    let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    (number(0), number(2))
}

/// Runs the command, as the daemon does: without a terminal it has no input, and frames are what it writes.
pub(crate) fn run(request: Request, client: Client) {
    match request.window {
        None => run_with_pipes(request, client),
        Some(size) => run_with_terminal(request, client, size),
    }
}

fn run_with_pipes(request: Request, client: Client) {
    let mut command = request.command();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (output, error) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| pass_on(output.as_fd().try_clone_to_owned().unwrap(), OUTPUT, &client));
        scope.spawn(|| pass_on(error.as_fd().try_clone_to_owned().unwrap(), ERROR, &client));
    });
    client.exit(child.wait().unwrap().code().unwrap_or(1) as u32);
}

/// Its frames are small, so that those of both kinds stay whole beside each other.
fn pass_on(from: OwnedFd, kind: u8, client: &Client) {
    let mut from = File::from(from);
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if client.send(kind, &bytes[..length]).is_err() {
            return;
        }
    }
}

fn run_with_terminal(request: Request, client: Client, (rows, columns): (u16, u16)) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pair = openpty(Some(&size), None).unwrap();
    let slave = || Stdio::from(pair.slave.try_clone().unwrap());
    let mut command = request.command();
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let mut child = command.spawn().unwrap();
    drop((command, pair.slave));
    let typed = pair.master.try_clone().unwrap();
    let heard = Client(client.0.try_clone().unwrap());
    thread::spawn(move || {
        let mut typed = File::from(typed);
        while let Some((kind, bytes)) = heard.receive() {
            if kind == OUTPUT {
                typed.write_all(&bytes).unwrap();
            }
        }
    });
    pass_on(pair.master, OUTPUT, &client);
    client.exit(child.wait().unwrap().code().unwrap_or(1) as u32);
}

/// Gives back what is typed until there is a line that says `end`.
pub(crate) fn echo(_: Request, client: Client) {
    let mut last = Vec::new();
    while let Some((kind, bytes)) = client.receive() {
        assert!(bytes.len() <= 8192);
        if kind != OUTPUT || client.send(OUTPUT, &bytes).is_err() {
            return;
        }
        last.extend_from_slice(&bytes);
        last.drain(..last.len().saturating_sub(4));
        if last == b"end\n" {
            return client.exit(0);
        }
    }
}
