//! Small files that a program keeps for itself from start to start: made once, and whole or not there.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// What is in a file of this directory, at most `bytes_max` of it; where there is none, it is made of `new`, and the
/// directory too. A link is not followed.
///
/// # Errors
/// The directory takes nothing, what is there is no plain file, or there is nothing new.
pub(crate) fn keep(
    dir: &Path,
    name: &str,
    bytes_max: u64,
    new: impl FnOnce() -> io::Result<String>,
) -> io::Result<Vec<u8>> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    match read(dir, name, bytes_max) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(dir, name, &new()?)?;
            // Of two that start at once, both have what is there then.
            read(dir, name, bytes_max)
        }
        read => read,
    }
}

fn read(dir: &Path, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = File::from(rustix::fs::open(
        dir.join(name),
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    )?);
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whoever looks sees all of it or nothing, also after the power went; one that is there stays.
fn make(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o600))?;
    writeln!(file, "{text}")?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(dir.join(name)) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => return Err(error.error),
        _ => {}
    }
    File::open(dir)?.sync_all()
}
