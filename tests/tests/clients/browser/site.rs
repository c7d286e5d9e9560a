//! The server of a page that means no good. Whatever is asked of it that is not its own it hands on, byte for
//! byte, as if its name led elsewhere by then.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

const PAGE: &str = include_str!("page.html");

/// The server, for as long as the test runs.
pub(crate) struct Site {
    port: u16,
    came: Receiver<Value>,
}

/// What each connection needs.
#[derive(Clone)]
struct Plan {
    page: String,
    /// Where other requests go.
    elsewhere: String,
    came: Sender<Value>,
}

impl Site {
    /// Serves the page, which attacks `target`; empty means its own origin.
    pub(crate) fn open(elsewhere: &str, target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, came) = channel();
        let plan = Plan {
            page: PAGE.replace("TARGET", target),
            elsewhere: elsewhere.to_owned(),
            came: sender,
        };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let plan = plan.clone();
                // A browser that goes away in the middle is no failure.
                thread::spawn(move || plan.serve(stream));
            }
        });
        Self { port, came }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What the page says in the end.
    pub(crate) fn came(&self, limit: Duration) -> Option<Value> {
        self.came.recv_timeout(limit).ok()
    }
}

impl Plan {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let head = head(&mut reader)?;
        let path = head.split(' ').nth(1).unwrap_or_default();
        match path {
            "/" => answer(reader.get_mut(), "text/html", &self.page),
            "/came" => {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    let found = name.eq_ignore_ascii_case("content-length");
                    found.then(|| value.trim().parse::<usize>().ok())?
                });
                let mut body = vec![0; length.unwrap_or_default()];
                reader.read_exact(&mut body)?;
                // Nobody waits for it any more where a test has failed.
                let _ = self.came.send(serde_json::from_slice(&body)?);
                answer(reader.get_mut(), "text/plain", "")
            }
            _ => self.hand_on(&head, reader),
        }
    }

    fn hand_on(&self, head: &str, mut reader: BufReader<TcpStream>) -> io::Result<()> {
        let mut there = TcpStream::connect(&self.elsewhere)?;
        // One request each, for the next may be for us again.
        let head = head.replace("Connection: keep-alive", "Connection: close");
        there.write_all(head.as_bytes())?;
        let (mut back, mut here) = (there.try_clone()?, reader.get_ref().try_clone()?);
        let answers = thread::spawn(move || {
            let copied = io::copy(&mut back, &mut here);
            let _ = here.shutdown(Shutdown::Both);
            copied
        });
        let _ = io::copy(&mut reader, &mut there);
        let _ = there.shutdown(Shutdown::Write);
        let _ = answers.join();
        Ok(())
    }
}

/// The head of a request, its empty line included.
fn head(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn answer(stream: &mut TcpStream, kind: &str, body: &str) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
