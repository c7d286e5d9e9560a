//! Worlds that the daemons can be put into: kernels that do not know younger calls, a phone's root, control
//! groups of the first version alone.
//!
//! Whoever starts a daemon through this crate has it in the world that `SOCKETD_WORLD` names, and nothing is
//! different where that is not set; `tests/worlds` runs the suite in each. The tests and their clients stay
//! outside: they see the daemons through sockets, as ever, and their files at the same paths.

mod groups;
mod kernel;
mod root;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::{io, iter};

use crate::binaries::{self, binaries};

/// Which one.
const VARIABLE: &str = "SOCKETD_WORLD";
/// How often a directory is tried to be made in a room that others take away.
const TRIES: u32 = 100;

/// A world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Linux 3.10: no `seccomp`, `getrandom`, `memfd_create`, `execveat`, `statx`, nothing younger, no namespaces
    /// of control groups, no ambient capabilities.
    Linux3_10,
    /// Linux 4.14: no `pidfd_*`, `clone3`, `openat2`, `close_range`, no new mount calls, no landlock.
    Linux4_14,
    /// Linux 5.4: no `openat2`, `close_range`, `faccessat2`, `epoll_pwait2`, `mount_setattr`, no landlock.
    Linux5_4,
    /// A phone: nothing can be written but `/data`, and neither `/run` nor `/tmp` nor a user database is there;
    /// control groups lie where Android has them; the kernel is as old as [`Linux4_14`](Self::Linux4_14).
    Android,
    /// Control groups of the first version and none of the second.
    CgroupV1,
}

impl World {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Linux3_10,
        Self::Linux4_14,
        Self::Linux5_4,
        Self::Android,
        Self::CgroupV1,
    ];

    /// The one that `SOCKETD_WORLD` names; none where it is not set.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn current() -> Option<Self> {
        let name = env::var(VARIABLE).ok().filter(|name| !name.is_empty())?;
        let world = name.parse();
        Some(world.unwrap_or_else(|()| panic!("{VARIABLE}={name}: there is no such world")))
    }

    /// How it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux3_10 => "linux-3.10",
            Self::Linux4_14 => "linux-4.14",
            Self::Linux5_4 => "linux-5.4",
            Self::Android => "android",
            Self::CgroupV1 => "cgroup-v1",
        }
    }

    /// Puts this process into it, for good. To be called before there is a second thread.
    ///
    /// # Errors
    /// What the system says; the process is then in no world at all.
    pub fn irrevocably_enter(self, program: &Path) -> io::Result<()> {
        match self {
            Self::Android => root::enter(program)?,
            Self::CgroupV1 => groups::leave_second_version()?,
            Self::Linux3_10 | Self::Linux4_14 | Self::Linux5_4 => {}
        }
        kernel::enter(self)
    }
}

impl FromStr for World {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|world| world.name() == name).ok_or(())
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A command that starts one of the two daemons' programs in a world, or in that of this run; any other program is
/// started as it is.
pub fn start<A: AsRef<OsStr>>(world: Option<World>, program: &Path, arguments: &[A]) -> Command {
    let daemon = || {
        [&binaries().bridge, &binaries().socketd]
            .into_iter()
            .any(|own| own == program)
    };
    let mut command = match world.or_else(World::current).filter(|_| daemon()) {
        Some(world) => {
            let mut command = Command::new(binaries::world());
            command.arg(world.name()).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(arguments);
    command
}

/// Makes the directory `name` where the world, or that of this run, has room for a state.
///
/// # Panics
/// When it cannot be made.
pub fn new_dir(world: Option<World>, name: &str) -> PathBuf {
    if world.or_else(World::current) != Some(World::Android) {
        let dir = env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        return dir;
    }
    let dir = Path::new(root::ROOM).join(name);
    // A test that ends may take the empty room away between the making of the room and that of what is in it.
    let made = (0..TRIES).any(|_| {
        fs::create_dir_all(root::ROOM)
            .and_then(|()| fs::create_dir(&dir))
            .is_ok()
    });
    assert!(made, "cannot make {}", dir.display());
    dir
}

/// Takes a phone's room away where nothing is in it any more.
pub fn tidy_room() {
    for folder in Path::new(root::ROOM)
        .ancestors()
        .take_while(|folder| *folder != Path::new("/"))
    {
        // Not there, or another test's is in it.
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// `world NAME PROGRAM ARGUMENT...`: the whole program. Says what went wrong where it comes back.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> String {
    let world = arguments.next().and_then(|name| name.to_str()?.parse().ok());
    let (Some(world), Some(program)) = (world, arguments.next()) else {
        let names = World::ALL.map(World::name).join("|");
        return format!("usage: world {names} PROGRAM ARGUMENT...");
    };
    if let Err(error) = World::irrevocably_enter(world, Path::new(&program)) {
        return format!("cannot make the world {world}: {error}");
    }
    let mut command = Command::new(&program);
    if world == World::Android {
        command.env_clear().envs(root::variables());
        // What tests and people say to the daemons.
        let said = |name: &str| {
            name.starts_with("SOCKETD_")
                || name.starts_with("RUST_")
                || name.starts_with("CARGO")
                || name == "NOTIFY_SOCKET"
        };
        command.envs(env::vars().filter(|(name, _)| said(name)));
    }
    let error = command.args(iter::from_fn(|| arguments.next())).exec();
    format!("{}: {error}", Path::new(&program).display())
}
