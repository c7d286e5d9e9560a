//! Both sides, without the power that one of them gives up.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::pin::pin;
use std::task::Poll;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, recv, send, sendmsg, socketpair,
};

use super::answer::{ANSWER_BYTES, Answer};
use super::line::{Dialer, DialerError};
use super::process::answer_all;

fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

/// A message of the dialer's.
fn say(socket: &OwnedFd, bytes: &[u8], with_connection: bool) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let passed = [socket.as_fd()];
    if with_connection {
        assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::empty()).unwrap();
}

/// What became of the first request, which has ticket 0, when this is said: no error, that of the system,
/// or `None` for a dialer that is as good as gone.
async fn check(said: &[(&[u8], bool)], expected: Result<(), Option<i32>>) {
    let (front, end) = pair();
    let dialer = Dialer::on(front).unwrap();
    for (bytes, with_connection) in said {
        say(&end, bytes, *with_connection);
    }
    let got = dialer.connect().await.map(drop).map_err(|error| match error {
        DialerError::Refused(error) => error.raw_os_error(),
        DialerError::Gone => None,
    });
    assert_eq!(got, expected, "{said:?}");
}

#[tokio::test]
async fn answers_are_believed_as_far_as_they_make_sense() {
    check(&[(&[0, 0, 0, 0, 0], true)], Ok(())).await;
    check(&[(&[0, 111, 0, 0, 0], false)], Err(Some(111))).await;
    // An error, and a connection all the same.
    check(&[(&[0, 111, 0, 0, 0], true)], Err(Some(111))).await;
    check(&[(&[0, 0, 0, 0, 0], false)], Err(None)).await;
    check(&[(&[0], true)], Err(None)).await;
    check(&[(&[0, 0, 0, 0, 0, 0], true)], Err(None)).await;
    check(&[(b"a sentence", false)], Err(None)).await;
    // Answers to others, who no longer wait.
    let late: &[(&[u8], bool)] = &[
        (&[254, 111, 0, 0, 0], false),
        (&[255, 0, 0, 0, 0], true),
        (&[0, 0, 0, 0, 0], true),
    ];
    check(late, Ok(())).await;
}

#[tokio::test]
async fn an_answer_that_came_too_late_is_nobody_s() {
    let (front, end) = pair();
    let dialer = Dialer::on(front).unwrap();
    {
        let mut waiting = pin!(dialer.connect());
        let begun = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending())).await;
        assert!(begun, "nobody has answered");
    }
    say(&end, &[0, 111, 0, 0, 0], false);
    say(&end, &[1, 0, 0, 0, 0], true);
    dialer.connect().await.unwrap();
    drop(end);
    for _ in 0..2 {
        assert!(matches!(dialer.connect().await, Err(DialerError::Gone)));
    }
}

/// A dialer that works for us until we hang up.
struct Worker {
    front: OwnedFd,
    thread: std::thread::JoinHandle<Result<(), Errno>>,
}

impl Worker {
    fn new(bridge: &str) -> Self {
        let (front, end) = pair();
        let bridge = SocketAddrUnix::new_abstract_name(bridge.as_bytes()).unwrap();
        let thread = std::thread::spawn(move || answer_all(end.as_fd(), &bridge));
        Self { front, thread }
    }

    /// What it says next; the connection that may come along closes.
    fn hear(&self) -> Answer {
        let mut said = [0; ANSWER_BYTES + 1];
        let (length, _) = recv(&self.front, &mut said, RecvFlags::empty()).unwrap();
        Answer::parse(&said[..length]).unwrap()
    }

    fn end(self) -> Result<(), Errno> {
        drop(self.front);
        self.thread.join().unwrap()
    }
}

#[test]
fn a_flood_costs_its_answers() {
    let name = format!("socketd-dialer-flood-{}", std::process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let worker = Worker::new(&name);
    // Until it waits for us to take its answers, and no request fits any more.
    let mut asked = 0_usize;
    while send(&worker.front, &[asked.to_le_bytes()[0]], SendFlags::DONTWAIT).is_ok() {
        asked += 1;
    }
    assert!(asked > 10, "{asked}");
    let mut connected = 0;
    for number in 0..asked {
        let answer = worker.hear();
        assert_eq!(answer.ticket, number.to_le_bytes()[0]);
        let full = Errno::AGAIN.raw_os_error();
        let crossed = Errno::TOOMANYREFS.raw_os_error();
        assert!([0, full, crossed].contains(&answer.errno), "{answer:?}");
        connected += usize::from(answer.errno == 0);
    }
    assert!(connected > 0);
    // As quick as before, once the queue is empty.
    drop(listener);
    send(&worker.front, &[7], SendFlags::empty()).unwrap();
    let refused = Errno::CONNREFUSED.raw_os_error();
    assert_eq!(
        worker.hear(),
        Answer {
            ticket: 7,
            errno: refused
        }
    );
    worker.end().unwrap();
}

#[test]
fn who_hangs_up_amid_a_flood_ends_it() {
    let worker = Worker::new(&format!("socketd-dialer-nobody-{}", std::process::id()));
    while send(&worker.front, &[0], SendFlags::DONTWAIT).is_ok() {}
    // Whether it was answering or reading when that happened.
    let ended = worker.end();
    let expected = [Ok(()), Err(Errno::PIPE), Err(Errno::CONNRESET)];
    assert!(expected.contains(&ended), "{ended:?}");
}
