//! `socketd certs init`: an authority, a certificate for this daemon and one for its clients, under the
//! names that Docker's own manual gives to the files.
//!
//! Runs by itself, as whoever will start the daemon; nothing of it runs while anything is served.

mod advice;
mod make;

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::unistd::{Gid, geteuid};

use crate::config::CertsInit;

pub use make::{CertifiedKey, MakeError, Set, Validity, make};

/// A certificate begins to hold so long before it is made: clocks of other machines may be behind.
const CLOCK_SLACK: Duration = Duration::from_secs(24 * 60 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Everybody may read it.
const PUBLIC: u32 = 0o644;
/// Only its owner may.
const SECRET: u32 = 0o600;
/// Its owner and the daemon may.
const SHARED: u32 = 0o640;

/// Why there are no certificates.
#[derive(Debug)]
pub enum InitError {
    /// A file is there already. Nothing was changed.
    Exists(PathBuf),
    /// They cannot be made.
    Make(MakeError),
    /// A file or the directory cannot be written. What had been written is gone.
    Write(PathBuf, io::Error),
    /// What is to be done next cannot be told.
    Tell(io::Error),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(
                f,
                "{} is there already and was left as it is; name another directory",
                path.display()
            ),
            Self::Make(error) => error.fmt(f),
            Self::Write(path, error) => write!(f, "cannot write {}: {error}", path.display()),
            Self::Tell(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

impl std::error::Error for InitError {}

/// A file to be: its name, what it holds, its access rights, and the group it belongs to.
struct Planned<'a> {
    name: &'static str,
    text: &'a str,
    mode: u32,
    group: Option<Gid>,
}

/// Makes the certificates, writes them, and prints what to do with them.
///
/// # Errors
/// See [`InitError`].
pub fn init(arguments: &CertsInit) -> Result<(), InitError> {
    let now = SystemTime::now();
    let validity = Validity {
        from: now - CLOCK_SLACK,
        until: now + DAY * arguments.days,
    };
    let set = make(&arguments.host, validity).map_err(InitError::Make)?;
    // Only root can give a file to a group it is not in, and only started by root does the daemon change.
    let group = geteuid().is_root().then(|| arguments.user.group_to_be());
    let dir = directory(&arguments.dir)?;
    write(&dir, &files(&set, group))?;
    let text = advice::text(&dir, arguments);
    let mut output = io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .map_err(InitError::Tell)
}

fn files(set: &Set, group: Option<Gid>) -> [Planned<'_>; 6] {
    let file = |name, text, mode| Planned {
        name,
        text,
        mode,
        group: None,
    };
    [
        file("ca.pem", &set.ca.certificate, PUBLIC),
        file("ca-key.pem", &set.ca.key, SECRET),
        file("server-cert.pem", &set.server.certificate, PUBLIC),
        Planned {
            group,
            ..file(
                "server-key.pem",
                &set.server.key,
                if group.is_some() { SHARED } else { SECRET },
            )
        },
        file("cert.pem", &set.client.certificate, PUBLIC),
        file("key.pem", &set.client.key, SECRET),
    ]
}

/// The directory, made where it is missing, by its one absolute name.
fn directory(dir: &Path) -> Result<PathBuf, InitError> {
    let failed = |error| InitError::Write(dir.to_owned(), error);
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(dir)
        .map_err(failed)?;
    dir.canonicalize().map_err(failed)
}

/// Writes all of them or none.
fn write(dir: &Path, files: &[Planned<'_>]) -> Result<(), InitError> {
    for file in files {
        let path = dir.join(file.name);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(InitError::Exists(path));
        }
    }
    for (at, file) in files.iter().enumerate() {
        let path = dir.join(file.name);
        let Err(error) = write_one(&path, file) else {
            continue;
        };
        // One that somebody else made meanwhile is not ours to remove.
        let ours = at + usize::from(error.kind() != io::ErrorKind::AlreadyExists);
        for made in files.iter().take(ours) {
            let _ = fs::remove_file(dir.join(made.name));
        }
        return Err(InitError::Write(path, error));
    }
    Ok(())
}

fn write_one(path: &Path, planned: &Planned<'_>) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(SECRET)
        .open(path)?;
    file.write_all(planned.text.as_bytes())?;
    if let Some(group) = planned.group {
        fchown(&file, None, Some(group.as_raw()))?;
    }
    file.set_permissions(Permissions::from_mode(planned.mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn room(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("socketd-certs-{}-{name}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        dir
    }

    fn set() -> Set {
        let now = SystemTime::now();
        let validity = Validity {
            from: now,
            until: now + DAY,
        };
        make(&[], validity).unwrap()
    }

    #[test]
    fn keys_are_kept_from_others() {
        let dir = room("modes");
        write(&dir, &files(&set(), None)).unwrap();
        let check = |name: &str, mode: u32, begin: &str| {
            let path = dir.join(name);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode, "{name}");
            assert!(fs::read_to_string(&path).unwrap().starts_with(begin), "{name}");
        };
        for certificate in ["ca.pem", "server-cert.pem", "cert.pem"] {
            check(certificate, 0o644, "-----BEGIN CERTIFICATE-----");
        }
        for key in ["ca-key.pem", "server-key.pem", "key.pem"] {
            check(key, 0o600, "-----BEGIN PRIVATE KEY-----");
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_daemon_s_group_reads_its_key_and_no_other() {
        let set = set();
        let group = Gid::from_raw(60_750);
        let shared: Vec<_> = files(&set, Some(group))
            .iter()
            .filter(|file| file.group.is_some() || file.mode == SHARED)
            .map(|file| (file.name, file.mode, file.group))
            .collect();
        assert_eq!(shared, [("server-key.pem", 0o640, Some(group))]);
    }

    #[test]
    fn what_is_there_is_left_and_half_a_set_is_taken_back() {
        let dir = room("twice");
        let set = set();
        fs::write(dir.join("key.pem"), "precious").unwrap();
        let error = write(&dir, &files(&set, None)).unwrap_err();
        assert!(error.to_string().contains("key.pem is there already"), "{error}");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(dir.join("key.pem")).unwrap(), "precious");

        fs::remove_file(dir.join("key.pem")).unwrap();
        let mut broken = files(&set, None);
        broken[3].name = "no such directory/server-key.pem";
        write(&dir, &broken).unwrap_err();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        fs::remove_dir_all(&dir).unwrap();
    }
}
