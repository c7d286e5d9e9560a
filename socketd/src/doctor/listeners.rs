//! Whether what is to be listened on can be.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::finding::Finding;
use super::ports::{self, Holder, Listening};
use super::scene::Scene;
use crate::config::Place;
use crate::sandbox::Identity;

/// Whom a port may be held by: this program, and who holds its sockets for it.
const OURS: [&str; 2] = ["socketd", "systemd"];

pub(super) fn all(scene: &Scene) -> Vec<Finding> {
    let listening = ports::listening();
    let user = scene.serve.user;
    scene
        .places()
        .map(|place| match place {
            Place::Unix(path) => unix(path, user),
            Place::Tcp(address) | Place::Tls(address, _) => tcp(*address, listening.as_deref(), user),
        })
        .collect()
}

/// The socket is made by whom socketd has become, in a folder that must let it.
fn unix(path: &Path, user: Identity) -> Finding {
    let place = format!("unix://{}", path.display());
    match fs::symlink_metadata(path) {
        // Whoever listens there now, or did: socketd itself, or systemd for it.
        Ok(found) if found.file_type().is_socket() => {
            let (owner, group, mode) = (found.uid(), found.gid(), found.mode() & 0o7777);
            return Finding::ok(format!("{place}: owner {owner}, group {group}, mode {mode:04o}"));
        }
        Ok(_) => {
            return Finding::wrong(
                format!("{place}: a file that is no socket is in the way"),
                format!("remove {}", path.display()),
            );
        }
        Err(_) => {}
    }
    let folder = path.parent().unwrap_or(path);
    match fs::metadata(folder) {
        Ok(found) if may_write(&found, user) => {
            Finding::ok(format!("{place}: its folder is socketd's to write"))
        }
        Ok(found) => Finding::wrong(
            format!(
                "{place}: user {user} may not write its folder (owner {}, mode {:04o})",
                found.uid(),
                found.mode() & 0o7777
            ),
            format!(
                "chown {user} {}, or a folder that is not there yet",
                folder.display()
            ),
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Finding::ok(format!(
            "{place}: socketd makes its folder when it starts as root"
        )),
        Err(error) => Finding::unknown(format!("{place}: {error}")),
    }
}

fn may_write(folder: &fs::Metadata, user: Identity) -> bool {
    let shift = if folder.uid() == user.uid().as_raw() {
        6
    } else if folder.gid() == user.gid().as_raw() {
        3
    } else {
        0
    };
    (folder.mode() >> shift) & 0o3 == 0o3
}

fn tcp(address: SocketAddr, listening: Option<&[Listening]>, user: Identity) -> Finding {
    let place = format!("tcp://{address}");
    // A port that the system chooses is asked for, and given back at once.
    if let Err(error) = TcpListener::bind((address.ip(), 0)) {
        return if error.kind() == io::ErrorKind::AddrNotAvailable {
            Finding::wrong(
                format!("{place}: no network card of this machine has this address"),
                "an address that `ip addr` shows, or 0.0.0.0",
            )
        } else {
            Finding::unknown(format!("{place}: {error}"))
        };
    }
    if address.port() == 0 {
        return Finding::ok(format!("{place}: any free port"));
    }
    let Some(listening) = listening else {
        return Finding::unknown(format!("{place}: this system does not show who listens where"));
    };
    match listening.iter().find(|found| found.is_in_the_way_of(address)) {
        None => Finding::ok(format!("{place}: the port is free")),
        Some(found) => held(&place, found, &found.holders(), user),
    }
}

fn held(place: &str, found: &Listening, holders: &[Holder], user: Identity) -> Finding {
    let names: Vec<_> = holders
        .iter()
        .map(|holder| format!("{} (pid {})", holder.name, holder.pid))
        .collect();
    let is_ours = |holder: &Holder| OURS.contains(&holder.name.as_str());
    if holders.iter().any(is_ours) {
        return Finding::ok(format!("{place}: held by {}", names.join(", ")));
    }
    if !names.is_empty() {
        return Finding::wrong(
            format!("{place}: held by {}", names.join(", ")),
            "stop it, or listen on another port",
        );
    }
    if found.uid == user.uid().as_raw() {
        return Finding::ok(format!(
            "{place}: held by user {}, as whom socketd runs",
            found.uid
        ));
    }
    Finding::unknown(format!(
        "{place}: held by a process of user {}; root can tell which",
        found.uid
    ))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn ports_are_free_or_held() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let check = |verdict: Verdict, part: &str| {
            let listening = ports::listening().unwrap();
            let found = tcp(address, Some(&listening), Identity::default());
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert!(found.says.contains(part), "{found:?}");
        };
        check(Verdict::Wrong, &format!("(pid {})", std::process::id()));
        drop(listener);
        check(Verdict::Ok, "free");
    }

    #[test]
    fn whom_a_port_may_be_held_by() {
        fn check(uid: u32, names: &[&str], verdict: Verdict) {
            let found = Listening::example(uid);
            let holder = |name: &&str| Holder {
                pid: 7,
                name: (*name).to_owned(),
            };
            let holders: Vec<_> = names.iter().map(holder).collect();
            let found = held("tcp://127.0.0.1:1", &found, &holders, Identity::default());
            assert_eq!(found.verdict, verdict, "{found:?}");
        }
        check(0, &["socketd"], Verdict::Ok);
        check(0, &["init", "systemd", "socketd"], Verdict::Ok);
        check(0, &["nginx"], Verdict::Wrong);
        check(60_750, &[], Verdict::Ok);
        check(0, &[], Verdict::Unknown);
    }

    #[test]
    fn an_address_of_nobody_s_is_seen() {
        let nobody_s = "192.0.2.7:2376".parse().unwrap();
        let found = tcp(nobody_s, Some(&[]), Identity::default());
        assert_eq!(found.verdict, Verdict::Wrong, "{found:?}");
    }
}
