//! Where the runtime keeps its things, and how they are read: never written, never followed out.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::libc;
use nix::sys::stat::Mode;
use wire::Time;

use super::config::limits::{ENV_BYTES_MAX, FILE_BYTES_MAX};
use super::config::{Config, env};
use super::limits::SIDECAR_BYTES_MAX;
use crate::shim::mountinfo;

/// File of a container's directory that says what it is to be.
pub(super) const CONFIG: &str = "container.config";

/// The control group above all containers'.
const GROUPS: &str = "droidspaces";

/// Root of the workspace on Android.
const ROOT_ON_ANDROID: &str = "/data/local/Droidspaces";
/// Root of the workspace elsewhere.
const ROOT_ELSEWHERE: &str = "/var/lib/Droidspaces";

/// The command elsewhere than on Android, where it lies in the workspace.
const COMMAND_ELSEWHERE: &str = "/usr/local/bin/droidspaces";

/// Whether this is Android, by the signs that the runtime itself goes by.
fn is_android() -> bool {
    let there = |path: &str| Path::new(path).exists();
    (there("/system/build.prop") || there("/system/bin/app_process")) && !there("/system/bin/recovery")
}

/// Where the workspace is unless somebody says otherwise.
#[must_use]
pub fn usual_root() -> PathBuf {
    PathBuf::from(if is_android() {
        ROOT_ON_ANDROID
    } else {
        ROOT_ELSEWHERE
    })
}

/// Where the command is unless somebody says otherwise.
#[must_use]
pub fn usual_command(root: &Path) -> PathBuf {
    let own = root.join("bin/droidspaces");
    if is_android() || own.exists() {
        own
    } else {
        PathBuf::from(COMMAND_ELSEWHERE)
    }
}

/// The workspace.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    root: PathBuf,
    /// The control group above all containers', where there is version 2.
    groups: Option<PathBuf>,
}

impl Workspace {
    pub(super) fn new(root: PathBuf) -> Self {
        let mounts = mountinfo::read().unwrap_or_default();
        let unified = mounts.into_iter().find(|mount| mount.file_system == "cgroup2");
        Self {
            root,
            groups: unified.map(|mount| mount.mount_point.join(GROUPS)),
        }
    }

    /// The directory of all containers' directories.
    pub(super) fn containers(&self) -> PathBuf {
        self.root.join("Containers")
    }

    /// The directory of all small files about containers.
    pub(super) fn pids(&self) -> PathBuf {
        self.root.join("Pids")
    }

    /// The directory of a container's logs, by the safe form of its name.
    pub(super) fn logs(&self, safe_name: &str) -> PathBuf {
        self.root.join("Logs").join(safe_name)
    }

    /// What the monitor notes of a container.
    pub(super) fn monitor_log(&self, safe_name: &str) -> PathBuf {
        self.logs(safe_name).join("log")
    }

    /// What a container writes to its console; the run before has `.old` behind it.
    pub(super) fn console(&self, safe_name: &str) -> PathBuf {
        self.logs(safe_name).join("console")
    }

    /// The runtime's own file of events.
    pub(super) fn events(&self) -> PathBuf {
        self.root.join("Logs/socketd-events.bin")
    }

    /// A small file about a container: `pid`, `init`, `lock`, `mount`.
    pub(super) fn sidecar(&self, safe_name: &str, kind: &str) -> PathBuf {
        self.pids().join(format!("{safe_name}.{kind}"))
    }

    /// Names of the containers' directories. What begins with a point is none.
    pub(super) fn directories(&self) -> Vec<String> {
        let entries = fs::read_dir(self.containers()).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort_unstable();
        names
    }

    /// What a container is configured to be; none where no file says so.
    pub(super) fn config(&self, directory: &str) -> Option<Config> {
        let path = self.containers().join(directory).join(CONFIG);
        let bytes = read_file(&path, u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX))?;
        Some(Config::parse(&bytes))
    }

    /// The variables of a container. The file counts only where it lies in the workspace, and no link
    /// leads there: a container may write into parts of the workspace.
    pub(super) fn env(&self, config: &Config) -> Vec<String> {
        if config.env_file.is_empty() {
            return Vec::new();
        }
        let Ok(inner) = Path::new(&config.env_file).strip_prefix(&self.root) else {
            return Vec::new();
        };
        let limit = u64::try_from(ENV_BYTES_MAX).unwrap_or(u64::MAX);
        match self.open_within(inner) {
            Ok(file) => env::parse(&read_all(file, limit).unwrap_or_default()),
            Err(error) => {
                tracing::debug!(file = config.env_file, %error, "no variables");
                Vec::new()
            }
        }
    }

    /// Opens a regular file of the workspace, one part of its path after the other, none of them a link.
    fn open_within(&self, inner: &Path) -> io::Result<fs::File> {
        let folder = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut here = Dir::open(&self.root, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut parts = inner.components().peekable();
        while let Some(part) = parts.next() {
            let Component::Normal(name) = part else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            if parts.peek().is_none() {
                let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                let file = fs::File::from(openat(&here, name, flags, Mode::empty())?);
                return if file.metadata()?.is_file() {
                    Ok(file)
                } else {
                    Err(io::ErrorKind::InvalidInput.into())
                };
            }
            here = Dir::from_fd(openat(&here, name, folder, Mode::empty())?)?;
        }
        Err(io::ErrorKind::InvalidInput.into())
    }

    /// The text of a small file, without white space around it; empty where there is none.
    pub(super) fn note(&self, safe_name: &str, kind: &str) -> String {
        let bytes = read_file(&self.sidecar(safe_name, kind), SIDECAR_BYTES_MAX).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    /// How often the kernel has killed in a container for want of memory, as far as it counts that.
    pub(super) fn oom_kills(&self, safe_name: &str) -> u64 {
        let Some(groups) = &self.groups else { return 0 };
        let events = fs::read_to_string(groups.join(safe_name).join("memory.events"));
        let events = events.unwrap_or_default();
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    /// When a container's directory was made, as far as the file system knows.
    pub(super) fn made_at(&self, directory: &str) -> Time {
        made_at(&self.containers().join(directory))
    }
}

/// When a file was made; where the file system does not keep that, when it last changed.
pub(super) fn made_at(path: &Path) -> Time {
    let when = fs::metadata(path).and_then(|about| about.created().or_else(|_| about.modified()));
    let since = when.ok().and_then(|when| when.duration_since(UNIX_EPOCH).ok());
    since.map_or(Time::NEVER, Time::since_epoch)
}

/// The bytes of a regular file, as far as `limit`; none for anything else. The last part of the path is
/// no link, and opening waits for nobody.
pub(super) fn read_file(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(())?;
    read_all(file, limit)
}

fn read_all(file: fs::File, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_for_want_of_memory_are_counted() {
        let groups = std::env::temp_dir().join(format!("socketd-oom-{}", std::process::id()));
        fs::create_dir_all(groups.join("web")).expect("a directory");
        let workspace = Workspace {
            root: PathBuf::from("/nowhere"),
            groups: Some(groups.clone()),
        };
        let check = |text: &str, expected: u64| {
            fs::write(groups.join("web/memory.events"), text).expect("written");
            assert_eq!(workspace.oom_kills("web"), expected, "{text}");
        };
        check("low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n", 2);
        check("low 0\n", 0);
        check("oom_kill many\n", 0);
        assert_eq!(workspace.oom_kills("gone"), 0);
        fs::remove_dir_all(&groups).expect("removed");
    }
}
