//! Paths as clients write them, and what is at one.
//!
//! A path is cleaned as text, `..` included, but what it ends with is kept: `/dir/.` means what is in
//! the directory, and a slash means that what a last link leads to is meant.

use std::collections::VecDeque;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{ffi::OsString, io};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, readlink};
use nix::sys::stat::{FileStat, SFlag, fstatat};
use wire::Time;
use wire::files::PathStat;

use super::fault::Fault;
use super::limits::LINKS_MAX;

/// A path of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Absolute, clean but for its end.
    pub(super) path: String,
    /// Its last name: `/` of the root, `.` of what is in a directory.
    pub(super) name: String,
}

impl Place {
    /// Reads a path; one that is not absolute is taken from the root.
    pub(super) fn parse(asked: &str) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for name in asked.split('/') {
            match name {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        let mut path = format!("/{}", names.join("/"));
        let contents = asked.trim_end_matches('/').rsplit('/').next() == Some(".");
        if contents && !path.ends_with('/') {
            path.push('/');
        }
        if contents {
            path.push('.');
        } else if asked.ends_with('/') && !path.ends_with('/') {
            path.push('/');
        }
        let name = match names.last() {
            _ if contents => ".",
            None => "/",
            Some(name) => name,
        };
        Self {
            name: name.to_owned(),
            path,
        }
    }

    /// What is there.
    ///
    /// # Errors
    /// [`Fault::NoSuchPath`], [`Fault::NotADirectory`], or what the system said.
    pub(super) fn stat(&self) -> Result<PathStat, Fault> {
        let path = self.path.as_str();
        let stat = fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(Fault::looking_up)?;
        let link_target = if kind_of(&stat) == SFlag::S_IFLNK {
            led_to(Path::new(path))
                .map_err(Fault::system("follow a link"))?
                .to_string_lossy()
                .into_owned()
        } else {
            String::new()
        };
        Ok(PathStat {
            name: self.name.clone(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode,
            modified_at: modified_at(&stat),
            link_target,
        })
    }
}

/// The kind of file.
pub(super) fn kind_of(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

#[allow(
    clippy::useless_conversion,
    reason = "seconds and nanoseconds are 32 bits wide on 32-bit machines"
)]
fn modified_at(stat: &FileStat) -> Time {
    let seconds = u64::try_from(i64::from(stat.st_mtime)).unwrap_or(0);
    let nanoseconds = u64::try_from(i64::from(stat.st_mtime_nsec)).unwrap_or(0);
    Time(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
}

/// Where a path leads when every link in it is followed, as far as there is anything.
fn led_to(path: &Path) -> io::Result<PathBuf> {
    let mut names: VecDeque<OsString> = VecDeque::new();
    prepend(&mut names, path.as_os_str().as_bytes());
    let mut here = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = names.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        match readlink(&next) {
            Ok(text) => {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::ELOOP.into());
                }
                if text.as_bytes().first() == Some(&b'/') {
                    here = PathBuf::from("/");
                }
                prepend(&mut names, text.as_bytes());
            }
            Err(_) => here = next,
        }
    }
    Ok(here)
}

fn prepend(names: &mut VecDeque<OsString>, path: &[u8]) {
    for name in path.split(|byte| *byte == b'/').rev() {
        if !matches!(name, b"" | b".") {
            names.push_front(OsString::from_vec(name.to_vec()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_paths_are_kept() {
        for (asked, path, name) in [
            ("/", "/", "/"),
            ("", "/", "/"),
            ("/.", "/.", "."),
            ("etc", "/etc", "etc"),
            ("/etc/", "/etc/", "etc"),
            ("/etc/.", "/etc/.", "."),
            ("/etc/./", "/etc/.", "."),
            ("//etc//x", "/etc/x", "x"),
            ("/a/../../b", "/b", "b"),
            ("/a/..", "/", "/"),
            ("/a/...", "/a/...", "..."),
            ("../..", "/", "/"),
        ] {
            let place = Place::parse(asked);
            assert_eq!(
                (place.path.as_str(), place.name.as_str()),
                (path, name),
                "{asked}"
            );
        }
    }

    #[test]
    fn links_are_followed_as_far_as_there_is_anything() {
        let dir = std::env::temp_dir().join(format!("led-to-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let link = |name: &str, text: &str| std::os::unix::fs::symlink(text, dir.join(name)).unwrap();
        link("one", "two/../three");
        link("three", "nothing/here");
        link("round", "round");
        assert_eq!(led_to(&dir.join("one")).unwrap(), dir.join("nothing/here"));
        assert!(led_to(&dir.join("round")).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
