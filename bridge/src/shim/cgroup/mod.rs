//! Control groups: version 1, version 2, and both at once.
//!
//! What there is, is read from the list of mounts, never guessed from paths. A container joins what
//! is there and needed; where nothing is there, as on many phones, it runs without.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use wire::ContainerId;
use wire::info::LimitSupport;

use super::failure::{Failure, Stage, at};
use super::mountinfo::{self, MountEntry};
use super::plan::limits::GroupLimits;

mod freezer;
mod live;
mod members;
mod usage;
mod v1;
mod v2;

pub use usage::Reader;

/// The group above all containers' groups.
const PARENT: &str = "socketd";

/// How often making a group is tried again when the last container's end has just removed the
/// parent. Each time another container must have ended in between; bounded all the same.
const PARENT_ATTEMPTS_MAX: u32 = 16;

/// Controllers of version 1 that every container joins: limits, and what statistics and freezing need.
const JOINED: &[&str] = &["memory", "cpu", "cpuacct", "pids", "freezer", "blkio"];

/// Joined only when asked for, because the group must first be given processors and nodes.
const CPUSET: &str = "cpuset";

/// A hierarchy of version 1: one mount, one or more controllers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    mount_point: PathBuf,
    controllers: Vec<String>,
}

/// The unified hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unified {
    mount_point: PathBuf,
    controllers: Vec<String>,
}

/// What control groups there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    v1: Vec<Hierarchy>,
    v2: Option<Unified>,
}

impl Layout {
    /// Looks at this process's mounts. None where they cannot be read.
    #[must_use]
    pub fn detect() -> Self {
        let entries = mountinfo::read().unwrap_or_default();
        let mut layout = Self::from_mounts(&entries);
        if let Some(unified) = &mut layout.v2 {
            let controllers = fs::read_to_string(unified.mount_point.join("cgroup.controllers"));
            unified.controllers = controllers
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect();
        }
        layout
    }

    fn from_mounts(entries: &[MountEntry]) -> Self {
        let mut layout = Self::default();
        for entry in entries {
            match entry.file_system.as_str() {
                "cgroup" => {
                    let controllers: Vec<String> = entry
                        .super_options
                        .split(',')
                        .filter(|option| JOINED.contains(option) || *option == CPUSET)
                        .map(str::to_owned)
                        .collect();
                    // The same hierarchy can be mounted in several places.
                    if !controllers.is_empty()
                        && !layout.v1.iter().any(|have| have.controllers == controllers)
                    {
                        layout.v1.push(Hierarchy {
                            mount_point: entry.mount_point.clone(),
                            controllers,
                        });
                    }
                }
                "cgroup2" if layout.v2.is_none() => {
                    layout.v2 = Some(Unified {
                        mount_point: entry.mount_point.clone(),
                        controllers: Vec::new(),
                    });
                }
                _ => {}
            }
        }
        layout
    }

    /// The version that holds containers to limits: `1`, `2`, or empty when there is none.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match (self.v1.is_empty(), &self.v2) {
            (false, _) => "1",
            (true, Some(_)) => "2",
            (true, None) => "",
        }
    }

    /// Which limits can be held.
    #[must_use]
    pub fn support(&self) -> LimitSupport {
        let unified = |name: &str| {
            self.v2
                .as_ref()
                .is_some_and(|unified| unified.controllers.iter().any(|have| have == name))
        };
        let v1 = |name: &str| self.hierarchy(name);
        let has_file = |name: &str, file: &str| v1(name).is_some_and(|at| at.join(file).exists());
        LimitSupport {
            memory: v1("memory").is_some() || unified("memory"),
            swap: has_file("memory", "memory.memsw.limit_in_bytes")
                || (unified("memory") && Path::new("/proc/swaps").exists()),
            cpu_quota: has_file("cpu", "cpu.cfs_quota_us") || unified("cpu"),
            cpu_shares: has_file("cpu", "cpu.shares") || unified("cpu"),
            cpuset: v1(CPUSET).is_some() || unified(CPUSET),
            pids: v1("pids").is_some() || unified("pids"),
            oom_kill_disable: has_file("memory", "memory.oom_control"),
        }
    }

    fn hierarchy(&self, controller: &str) -> Option<&Path> {
        self.v1
            .iter()
            .find(|hierarchy| hierarchy.controllers.iter().any(|have| have == controller))
            .map(|hierarchy| hierarchy.mount_point.as_path())
    }
}

/// One container's group in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The directory, on the host.
    pub path: PathBuf,
    /// The name of the hierarchy's mount, as `cpu,cpuacct`; empty for the unified one where it is alone.
    pub name: String,
    /// Its controllers.
    controllers: Vec<String>,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// One container's groups.
#[derive(Debug, Default)]
pub struct Groups {
    /// The groups, one a hierarchy.
    pub groups: Vec<Group>,
}

impl Groups {
    /// The groups a container would have, whether they are there or not.
    #[must_use]
    pub fn of(layout: &Layout, id: &ContainerId) -> Self {
        let below = Path::new(PARENT).join(id.hex().as_str());
        let name = |mount_point: &Path| {
            mount_point
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let mut groups: Vec<Group> = layout
            .v1
            .iter()
            .map(|hierarchy| Group {
                path: hierarchy.mount_point.join(&below),
                name: name(&hierarchy.mount_point),
                controllers: hierarchy.controllers.clone(),
                version: Version::One,
            })
            .collect();
        groups.extend(layout.v2.iter().map(|unified| Group {
            path: unified.mount_point.join(&below),
            name: if layout.v1.is_empty() {
                String::new()
            } else {
                name(&unified.mount_point)
            },
            controllers: unified.controllers.clone(),
            version: Version::Two,
        }));
        Self { groups }
    }

    /// A group of version 2 that somebody else made, by its path below where that is mounted, with the
    /// controllers that it has; none where it is not there.
    #[must_use]
    pub fn found(layout: &Layout, below: &Path) -> Option<Self> {
        let path = layout.v2.as_ref()?.mount_point.join(below);
        let controllers = fs::read_to_string(path.join("cgroup.controllers")).ok()?;
        let group = Group {
            path,
            name: String::new(),
            controllers: controllers.split_whitespace().map(str::to_owned).collect(),
            version: Version::Two,
        };
        Some(Self { groups: vec![group] })
    }

    /// Makes the groups and sets their limits. A limit for which there is no controller is left
    /// out: whoever created the container was warned.
    ///
    /// # Errors
    /// A limit that the kernel refuses. Groups made until then are there: call
    /// [`remove`](Self::remove).
    pub fn create(layout: &Layout, id: &ContainerId, limits: &GroupLimits) -> Result<Self, Failure> {
        let mut groups = Self::of(layout, id);
        let cpuset = !(limits.cpuset_cpus.is_empty() && limits.cpuset_mems.is_empty());
        groups.groups.retain(|group| {
            group.version == Version::Two || cpuset || group.controllers.iter().any(|have| have != CPUSET)
        });
        // Left over from a shim that was killed; empty, or making it anew fails below.
        groups.remove();
        for group in &groups.groups {
            group.make()?;
            match group.version {
                Version::One => v1::limit(group, limits)?,
                Version::Two => v2::limit(group, limits)?,
            }
        }
        Ok(groups)
    }

    /// Moves a process into them.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn add(&self, pid: Pid) -> Result<(), Failure> {
        for group in &self.groups {
            let procs = group.path.join("cgroup.procs");
            fs::write(&procs, pid.to_string()).map_err(at(Stage::Groups, &procs.to_string_lossy()))?;
        }
        Ok(())
    }

    /// Moves the process that calls this, which has one thread, into them.
    ///
    /// In the first version a thread may move itself without the kernel stopping every fork and exit
    /// of the machine for it, which takes ten milliseconds and more; kernels before 5.16 stop them
    /// still.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn enter(&self) -> Result<(), Failure> {
        for group in &self.groups {
            let file = match group.version {
                Version::One => group.path.join("tasks"),
                Version::Two => group.path.join("cgroup.procs"),
            };
            fs::write(&file, "0").map_err(at(Stage::Groups, &file.to_string_lossy()))?;
        }
        Ok(())
    }

    /// Whether the kernel killed one of the processes for want of memory.
    #[must_use]
    pub fn oom_killed(&self) -> bool {
        self.groups
            .iter()
            .filter(|group| group.has("memory"))
            .any(|group| {
                let file = match group.version {
                    Version::One => "memory.oom_control",
                    Version::Two => "memory.events",
                };
                let text = fs::read_to_string(group.path.join(file)).unwrap_or_default();
                text.lines()
                    .filter_map(|line| line.strip_prefix("oom_kill "))
                    .any(|count| count.trim() != "0")
            })
    }

    /// Removes them, and the group above them with its last one. What is still busy stays, and is
    /// removed with the container or reused by its next start.
    pub fn remove(&self) {
        for group in &self.groups {
            if fs::remove_dir(&group.path).is_ok()
                && let Some(parent) = group.path.parent()
            {
                let _ = fs::remove_dir(parent);
            }
        }
    }
}

impl Group {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|have| have == controller)
    }

    fn make(&self) -> Result<(), Failure> {
        let subject = self.path.to_string_lossy();
        let parent = self.path.parent().unwrap_or(&self.path);
        for _ in 0..PARENT_ATTEMPTS_MAX {
            if let Err(error) = fs::create_dir(parent)
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(Failure::system(Stage::Groups, &subject, &error));
            }
            if self.version == Version::Two {
                v2::delegate(parent, &self.controllers);
            }
            match fs::create_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
                other => return other.map_err(at(Stage::Groups, &subject)),
            }
        }
        let gone = io::Error::from(io::ErrorKind::NotFound);
        Err(Failure::system(Stage::Groups, &subject, &gone))
    }

    /// Writes a setting. The kernel's refusal of a number is the user's to know.
    fn set(&self, file: &str, value: impl std::fmt::Display) -> Result<(), Failure> {
        let value = value.to_string();
        match fs::write(self.path.join(file), &value) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::ResourceBusy
                ) || error.raw_os_error() == Some(nix::libc::ERANGE)
                    || error.raw_os_error() == Some(nix::libc::EACCES) =>
            {
                Err(Failure::invalid(format_args!(
                    "the kernel refuses {value:?} for {file}: {error}"
                )))
            }
            // The kernel was built without this part of the controller.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(at(Stage::Groups, file)),
        }
    }
}

#[cfg(test)]
mod tests;
