//! The daemon's language, written out by hand.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use harness::droidspaces::Workspace;
use harness::{daemon::Daemon, pace};

/// Time for the daemon to answer.
const LIMIT: Duration = Duration::from_secs(20);

/// Kinds of frames.
pub(crate) const OUT: u8 = 1;
pub(crate) const ERR: u8 = 2;
pub(crate) const SIZE: u8 = 3;
pub(crate) const EXIT: u8 = 0xff;

/// The daemon of a workspace, running.
pub(crate) fn daemon(workspace: &Workspace) -> Daemon {
    let daemon = Daemon::spawn(
        "the stand-in's daemon",
        &workspace.program(),
        &["daemon", "--foreground"],
    );
    pace::until("the daemon listens", LIMIT, || dial(workspace));
    daemon
}

/// A connection to it; none while it does not listen.
pub(crate) fn dial(workspace: &Workspace) -> Option<UnixStream> {
    let address = SocketAddr::from_abstract_name(workspace.daemon_socket()).unwrap();
    let peer = UnixStream::connect_addr(&address).ok()?;
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    Some(peer)
}

/// Asks for a command, perhaps with a terminal of so many rows and columns.
pub(crate) fn ask(workspace: &Workspace, words: &[&str], size: Option<(u16, u16)>) -> UnixStream {
    let mut bytes = number(size.is_some().into()).to_vec();
    bytes.extend(number(words.len()));
    for word in words {
        bytes.extend(number(word.len()));
        bytes.extend(word.as_bytes());
    }
    if let Some((rows, columns)) = size {
        bytes.extend(&number(rows.into())[2..]);
        bytes.extend(&number(columns.into())[2..]);
    }
    let mut peer = dial(workspace).unwrap();
    peer.write_all(&bytes).unwrap();
    peer
}

/// Sends a frame.
pub(crate) fn send(peer: &mut UnixStream, kind: u8, bytes: &[u8]) {
    peer.write_all(&[&[kind], number(bytes.len()).as_slice(), bytes].concat())
        .unwrap();
}

/// Reads one frame.
pub(crate) fn frame(peer: &mut UnixStream) -> (u8, Vec<u8>) {
    let mut head = [0; 5];
    peer.read_exact(&mut head).unwrap();
    let mut bytes = vec![0; value(&head[1..])];
    peer.read_exact(&mut bytes).unwrap();
    (head[0], bytes)
}

/// Reads to the end: what it wrote, what it complained about, its exit code.
pub(crate) fn end(peer: &mut UnixStream) -> (String, String, usize) {
    let (mut out, mut err) = (String::new(), String::new());
    loop {
        let (kind, bytes) = frame(peer);
        match kind {
            OUT => out += &String::from_utf8_lossy(&bytes),
            ERR => err += &String::from_utf8_lossy(&bytes),
            EXIT => {
                let mut rest = Vec::new();
                assert_eq!(peer.read_to_end(&mut rest).unwrap(), 0, "the last frame");
                return (out, err, value(&bytes));
            }
            other => panic!("a frame of kind {other}"),
        }
    }
}

/// The four bytes of a number, the most significant one first.
fn number(number: usize) -> [u8; 4] {
    [24, 16, 8, 0].map(|shift| u8::try_from((number >> shift) & 0xff).unwrap())
}

fn value(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | usize::from(*byte))
}
