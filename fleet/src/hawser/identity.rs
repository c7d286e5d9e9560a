//! Who this agent is: the same over every start.

use std::io;
use std::path::Path;

use super::{HawserError, Settings};
use crate::limits::AGENT_NAME_BYTES_MAX;
use crate::{kept, uuid};

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
    let bound = u64::try_from(AGENT_NAME_BYTES_MAX).unwrap_or(u64::MAX);
    let kept = kept::keep(dir, FILE, bound, uuid::random)?;
    let id = std::str::from_utf8(&kept).map(str::trim).unwrap_or_default();
    if id.is_empty() || id.contains(char::is_control) {
        let text = format!(
            "{} has no id in it; remove it for a new one",
            dir.join(FILE).display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(id.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

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
