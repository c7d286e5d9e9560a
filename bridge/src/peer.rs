//! Who is at the other end of a unix socket, by the kernel's word.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// The other end, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) pid: i32,
}

impl Peer {
    /// Asks the kernel (`SO_PEERCRED`).
    pub(crate) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = getsockopt(stream, PeerCredentials)?;
        Ok(Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid: credentials.pid(),
        })
    }
}

/// The namespaces of processes and of users that a process is in, each by its number; none where the
/// kernel has no such kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spaces {
    processes: Option<u64>,
    users: Option<u64>,
}

impl Spaces {
    /// Those of the bridge itself.
    pub(crate) fn own() -> Self {
        let number = |kind| number("self", kind).ok();
        Self {
            processes: number("pid"),
            users: number("user"),
        }
    }

    /// Whether a peer is in these too. A container's root has root's number on this machine; that it sits
    /// in a container shows here alone, should a socket of ours ever get in there.
    ///
    /// A process that is gone by now counts as a stranger, and so does one whose number means nothing
    /// here. Where the kernel lets root not look, its word on the user must do.
    pub(crate) fn include(self, peer: Peer) -> bool {
        let same = |own: Option<u64>, kind| match (own, number(&peer.pid.to_string(), kind)) {
            (None, _) => true,
            (Some(own), Ok(found)) => own == found,
            (Some(_), Err(error)) => error.kind() == io::ErrorKind::PermissionDenied,
        };
        peer.pid > 0 && same(self.processes, "pid") && same(self.users, "user")
    }
}

fn number(process: &str, kind: &str) -> io::Result<u64> {
    Ok(fs::metadata(format!("/proc/{process}/ns/{kind}"))?.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_this_machine_is_in_its_spaces() {
        let own = Spaces::own();
        let peer = |pid| Peer { uid: 0, gid: 0, pid };
        let ours = i32::try_from(std::process::id()).expect("a number of the kernel");
        assert!(own.include(peer(ours)));
        assert!(!own.include(peer(0)), "of a namespace that we do not see");
        assert!(!own.include(peer(i32::MAX)), "gone");
        let elsewhere = Spaces {
            processes: own.processes.map(|number| number + 1),
            ..own
        };
        assert!(!elsewhere.include(peer(ours)));
        let elsewhere = Spaces {
            users: own.users.map(|number| number + 1),
            ..own
        };
        assert!(!elsewhere.include(peer(ours)));
        let old_kernel = Spaces {
            processes: None,
            users: None,
        };
        assert!(old_kernel.include(peer(ours)));
    }
}
