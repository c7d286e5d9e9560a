//! An HTTP proxy that does CONNECT and nothing else.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The proxy. It takes requests as long as the process lives.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// Heads of the requests so far.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One behind which every name is this server's.
    ///
    /// # Panics
    /// When the system has no port for it.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        thread::spawn({
            let asked = Arc::clone(&asked);
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let asked = Arc::clone(&asked);
                    // Whoever asked may go at any time.
                    thread::spawn(move || tunnel(client, server, &asked));
                }
            }
        });
        Self { address, asked }
    }
}

fn tunnel(mut client: TcpStream, server: SocketAddr, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1, client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let is_connect = head.starts_with("CONNECT ");
    asked.lock().unwrap().push(head);
    if !is_connect {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    }
    let server = TcpStream::connect(server)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(&from, &to));
    copy(&server, &client);
    Ok(())
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}
