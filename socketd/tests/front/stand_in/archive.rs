//! Tars beside answers and requests.

use std::io::{IoSlice, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use wire::files::{Archive, PathStat};
use wire::{Flow, Response};

use super::Peer;

impl Peer {
    /// Answers with a tar's descriptor, writes `tar` into its far end, closes it, and says how it was.
    pub(crate) fn send_tar(&mut self, far: impl Write, near: OwnedFd, tar: &[u8], verdict: &Response) {
        let stat = PathStat {
            name: "etc".to_owned(),
            size: 4096,
            mode: 0o040_755,
            ..PathStat::default()
        };
        let mut out = Vec::new();
        let answer = Response::Archive(Archive { stat });
        answer.append_to(Flow::More, &mut out).unwrap();
        let descriptors = [near.as_raw_fd()];
        let beside = [ControlMessage::ScmRights(&descriptors)];
        let parts = [IoSlice::new(&out)];
        let sent = sendmsg::<()>(self.stream.as_raw_fd(), &parts, &beside, MsgFlags::empty(), None);
        assert_eq!(sent, Ok(out.len()));
        drop(near);
        let mut far = far;
        // A client that is gone is its own affair.
        let _ = far.write_all(tar);
        drop(far);
        self.answer(verdict);
    }

    /// Reads what came beside the request to its end.
    pub(crate) fn receive_tar(&mut self) -> (Vec<u8>, Result<(), i32>) {
        let passed = self.passed.pop_front().expect("a descriptor comes along");
        assert!(self.passed.is_empty(), "exactly one descriptor");
        passed.read_to_end()
    }
}
