//! Who this agent is: the same over every start.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::{HawserError, Settings};
use crate::limits::AGENT_NAME_BYTES_MAX;

/// The file in the state directory that has the id.
const FILE: &str = "agent-id";

/// What a server is told of the agent itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A UUID, unless the settings have something else.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The machine's own name.
    pub hostname: String,
}

impl Identity {
    /// Of the settings; what they leave open is made once and kept, the id in the state directory, which is made too.
    ///
    /// # Errors
    /// [`HawserError::Settings`] when the state directory takes nothing.
    pub fn of(settings: &Settings) -> Result<Self, HawserError> {
        let dir = &settings.state_dir;
        let kept = || {
            keep(dir).map_err(|error| {
                HawserError::Settings(format!(
                    "cannot keep this agent's id in {}: {error}; set STATE_DIR to a directory that this user may \
                     write, or AGENT_ID",
                    dir.display()
                ))
            })
        };
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self {
            id: settings.agent_id.clone().map_or_else(kept, Ok)?,
            name: settings.agent_name.clone().unwrap_or_else(|| hostname.clone()),
            hostname,
        })
    }
}

/// The id that is kept in `dir`; a new one where there is none.
fn keep(dir: &Path) -> io::Result<String> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    match read(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = new_id()?;
            write(dir, &id)?;
            Ok(id)
        }
        read => read,
    }
}

fn read(dir: &Path) -> io::Result<String> {
    let path = dir.join(FILE);
    let file = File::from(rustix::fs::open(
        &path,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    )?);
    let bound = u64::try_from(AGENT_NAME_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    file.take(bound).read_to_string(&mut text)?;
    let id = text.trim();
    if id.is_empty() || id.contains(char::is_control) {
        let text = format!("{} has no id in it; remove it for a new one", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(id.to_owned())
}

/// Whoever looks sees a whole id or none, also after the power went.
fn write(dir: &Path, id: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o600))?;
    writeln!(file, "{id}")?;
    file.as_file().sync_all()?;
    file.persist(dir.join(FILE)).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

/// A random UUID (version 4), as RFC 9562 writes it.
fn new_id() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let bits = u128::from_be_bytes(random);
    let bits = bits & !(0xf << 76) | (0x4 << 76);
    let bits = bits & !(0x3 << 62) | (0x2 << 62);
    Ok(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xffff,
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_random_uuid() {
        let (one, other) = (new_id().unwrap(), new_id().unwrap());
        assert_ne!(one, other);
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{one}");
        assert_eq!(&one[14..15], "4", "{one}");
        assert!("89ab".contains(&one[19..20]), "{one}");
    }

    #[test]
    fn an_id_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("var/agent");
        let id = keep(&dir).unwrap();
        assert_eq!(keep(&dir).unwrap(), id);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join(FILE)), 0o600);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::write(dir.join(FILE), "phone\n").unwrap();
        assert_eq!(keep(&dir).unwrap(), "phone");
    }

    #[test]
    fn what_is_no_id_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let check = |error: io::Error, part: &str| assert!(error.to_string().contains(part), "{error}");
        fs::write(&path, "\n").unwrap();
        check(keep(dir.path()).unwrap_err(), "no id in it");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        check(keep(dir.path()).unwrap_err(), "symbolic links");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(keep(dir.path()).is_err());
    }
}
