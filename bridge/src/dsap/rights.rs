//! Who is answered: the rule of those who made version 1, for their clients rely on it.
//!
//! A peer must be in our own process namespace. That keeps out every container, root in it included, that
//! has the machine's network and so sees this socket. Then it must be root, or in the group.

use std::fs;
use std::path::{Path, PathBuf};

use wire::v1::GROUP;

use super::accounts;
use crate::peer::Peer;

/// Who is who.
const USERS: &str = "/etc/passwd";
/// Who belongs to what.
const GROUPS: &str = "/etc/group";

/// Whether a peer is answered.
pub(super) fn admits(peer: Peer) -> bool {
    is_beside_us(peer.pid)
        && (peer.uid == 0 || {
            let (users, groups) = (Path::new(USERS), Path::new(GROUPS));
            accounts::is_member(&accounts::read(users), &accounts::read(groups), peer.uid, GROUP)
        })
}

/// Whether a process is in our process namespace. One that has ended is not.
fn is_beside_us(pid: i32) -> bool {
    // Zero stands for a process that our namespace does not see at all.
    if pid <= 0 {
        return false;
    }
    let own = namespace("self");
    own.is_some() && own == namespace(&pid.to_string())
}

fn namespace(process: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/pid")).ok()
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command};

    use super::{admits, is_beside_us};
    use crate::peer::Peer;

    #[test]
    fn those_beside_us_are_known() {
        fn check(pid: i32, expected: bool) {
            assert_eq!(is_beside_us(pid), expected, "{pid}");
        }
        check(i32::try_from(process::id()).unwrap(), true);
        check(0, false);
        check(-1, false);
        check(i32::MAX, false);
        let mut ended = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(ended.id()).unwrap();
        ended.wait().unwrap();
        check(pid, false);
    }

    #[test]
    fn root_is_answered_and_a_stranger_is_not() {
        let pid = i32::try_from(process::id()).unwrap();
        let peer = |uid, pid| Peer { uid, gid: 0, pid };
        assert!(admits(peer(0, pid)));
        assert!(!admits(peer(0, 0)));
        assert!(!admits(peer(4_000_000_000, pid)));
    }
}
