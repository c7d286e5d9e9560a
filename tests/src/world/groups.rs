//! Control groups of the first version alone.

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// A list of mounts that nobody else sees changed.
pub(super) fn unshare_mounts() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    Ok(())
}

/// Takes every mount of the second version away.
pub(super) fn leave_second_version() -> io::Result<()> {
    unshare_mounts()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let second = mounts.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        (fields.get(2) == Some(&"cgroup2")).then(|| PathBuf::from(fields[1]))
    });
    for place in second {
        umount2(&place, MntFlags::MNT_DETACH)?;
    }
    Ok(())
}
