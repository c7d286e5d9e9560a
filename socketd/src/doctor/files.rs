//! Who owns what on disk, and who else could change or read it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::scene::Scene;
use crate::config::SetupError;
use crate::config::file::FileError;
use crate::sandbox::Identity;

/// The bridge's sockets: what is asked through the first, and what through the second.
const SOCKETS: [&str; 2] = ["watch.sock", "control.sock"];

/// Owner and group may connect, nobody else.
const SOCKET_MODE: u32 = 0o660;

/// Access rights that let others than the owner change a file.
const OTHERS_WRITE: u32 = 0o022;

/// Access rights that let anybody but the owner do anything.
const OTHERS: u32 = 0o077;

fn mode(found: &Metadata) -> u32 {
    found.mode() & 0o7777
}

/// What is at a path; else what to say of it. `absent`: where nothing is.
fn look(path: &Path, absent: Finding) -> Result<Metadata, Finding> {
    fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => absent,
        _ => Finding::unknown(format!("{}: {error}", path.display())),
    })
}

pub(super) fn configuration(scene: &Scene) -> Vec<Finding> {
    let path = scene.serve.config.as_deref();
    vec![match (&scene.setup, path) {
        (Ok(_), None) => Finding::ok("no file: the command line says everything"),
        (Ok(setup), Some(path)) => Finding::ok(format!(
            "{}: {} listeners, {} callers",
            path.display(),
            setup.listeners.len(),
            setup.callers.len()
        )),
        (Err(error), _) => unusable(error, scene),
    }]
}

fn unusable(error: &SetupError, scene: &Scene) -> Finding {
    let SetupError::File(in_file) = error else {
        return Finding::wrong(error.to_string(), "name a listener");
    };
    let path = in_file.path.display();
    match &in_file.error {
        FileError::Read(cause) if cause.kind() == io::ErrorKind::PermissionDenied && !scene.is_root => {
            Finding::unknown(format!("{path}: {cause}; root can tell"))
        }
        FileError::Writable(..) => Finding::wrong(
            error.to_string(),
            format!("chown root:root {path} && chmod 0644 {path}"),
        ),
        FileError::Read(_) | FileError::Odd => Finding::wrong(error.to_string(), "name another file"),
        _ => Finding::wrong(error.to_string(), format!("correct it in {path}")),
    }
}

/// The ceiling, where packages put it: whoever can change it rules what the bridge never does.
pub(super) fn ceiling(scene: &Scene) -> Vec<Finding> {
    let path = Path::new(scene.home.ceiling);
    let none = Finding::ok(format!(
        "no {}: the bridge does whatever socketd asks for",
        path.display()
    ));
    vec![match look(path, none) {
        Err(finding) => finding,
        Ok(found) => roots_alone(path, &found, OTHERS_WRITE),
    }]
}

/// Whether something belongs to root, and to others not as far as this goes.
fn roots_alone(path: &Path, found: &Metadata, others: u32) -> Finding {
    let place = path.display();
    if found.uid() == 0 && mode(found) & others == 0 {
        return Finding::ok(format!("{place}: root's, mode {:04o}", mode(found)));
    }
    let right = mode(found) & 0o777 & !others;
    Finding::wrong(
        format!("{place}: owner {}, mode {:04o}", found.uid(), mode(found)),
        format!("chown root:root {place} && chmod {right:04o} {place}"),
    )
}

/// The bridge's directory, and what in it is nobody else's.
pub(super) fn state(scene: &Scene) -> Vec<Finding> {
    let Some(dir) = scene.state_dir() else {
        return Vec::new();
    };
    let none = Finding::ok(format!("no {} yet: the bridge makes it", dir.display()));
    let mut findings = Vec::new();
    match look(&dir, none) {
        Err(finding) => return vec![finding],
        Ok(found) => findings.push(roots_alone(&dir, &found, OTHERS_WRITE)),
    }
    let private = dir.join("bridge");
    let none = Finding::ok(format!("no {} yet: the bridge makes it", private.display()));
    findings.push(match look(&private, none) {
        Err(finding) => finding,
        Ok(found) => roots_alone(&private, &found, OTHERS),
    });
    findings
}

/// The bridge's two sockets, and the way to them.
pub(super) fn sockets(scene: &Scene) -> Vec<Finding> {
    let Some(dir) = &scene.serve.bridge.bridge_dir else {
        return Vec::new();
    };
    let mut findings: Vec<_> = SOCKETS
        .iter()
        .map(|name| socket(&dir.join(name), scene.serve.user))
        .collect();
    findings.extend(closed(&dir.join(SOCKETS[0]), scene.serve.user));
    findings
}

fn socket(path: &Path, front: Identity) -> Finding {
    let place = path.display();
    let none = Finding::unknown(format!("no {place}: the bridge makes it when it starts"));
    let found = match look(path, none) {
        Err(finding) => return finding,
        Ok(found) => found,
    };
    let (owner, group, mode) = (found.uid(), found.gid(), mode(&found));
    let says = format!("{place}: owner {owner}, group {group}, mode {mode:04o}");
    if !found.file_type().is_socket() {
        return Finding::wrong(
            format!("{place} is no socket"),
            "remove it and start the bridge again",
        );
    }
    if (owner, group, mode) == (0, front.gid().as_raw(), SOCKET_MODE) {
        return Finding::ok(says);
    }
    Finding::wrong(
        says,
        format!(
            "start the bridge again, with --front-uid {} --front-gid {}",
            front.uid(),
            front.gid()
        ),
    )
}

/// The first folder on the way to a file that this user may not enter; none where the way is open, or cannot
/// be seen.
fn closed(path: &Path, user: Identity) -> Option<Finding> {
    let folders: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_owned).collect();
    let shut = folders
        .into_iter()
        .rev()
        .find(|folder| fs::metadata(folder).is_ok_and(|found| !may_enter(&found, user)))?;
    let place = shut.display();
    Some(Finding::wrong(
        format!(
            "user {user} may not enter {place}, and so not reach {}",
            path.display()
        ),
        format!("chmod o+x {place}"),
    ))
}

fn may_enter(folder: &Metadata, user: Identity) -> bool {
    let bit = if folder.uid() == user.uid().as_raw() {
        0o100
    } else if folder.gid() == user.gid().as_raw() {
        0o010
    } else {
        0o001
    };
    folder.mode() & bit != 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::finding::Verdict;
    use super::*;

    struct Room(PathBuf);

    impl Room {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("socketd-doctor-{}-{name}", std::process::id()));
            fs::create_dir(&dir).unwrap();
            Self(dir)
        }

        fn file(&self, name: &str, mode: u32) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    impl Drop for Room {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_root_s_alone() {
        let room = Room::new("root");
        let check = |name: &str, mode: u32, others: u32, verdict: Verdict| {
            let path = room.file(name, mode);
            let found = fs::symlink_metadata(&path).unwrap();
            assert_eq!(roots_alone(&path, &found, others).verdict, verdict, "{name}");
        };
        check("a", 0o644, OTHERS_WRITE, Verdict::Ok);
        check("b", 0o664, OTHERS_WRITE, Verdict::Wrong);
        check("c", 0o700, OTHERS, Verdict::Ok);
        check("d", 0o701, OTHERS, Verdict::Wrong);
    }

    #[test]
    fn a_folder_on_the_way_that_is_shut_is_named() {
        let room = Room::new("way");
        let inner = room.0.join("inner");
        fs::create_dir(&inner).unwrap();
        let user = Identity::default();
        let check = |mode: u32, is_open: bool| {
            fs::set_permissions(&inner, fs::Permissions::from_mode(mode)).unwrap();
            let found = closed(&inner.join("watch.sock"), user);
            assert_eq!(found.is_none(), is_open, "{mode:o}: {found:?}");
        };
        check(0o755, true);
        check(0o711, true);
        check(0o700, false);
    }
}
