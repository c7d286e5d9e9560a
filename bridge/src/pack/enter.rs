//! The way into a container's root file system.
//!
//! Of a container that runs, the mount namespace is joined: what is found is what its processes find,
//! volumes and memory file systems included. Of one that does not, the root is put together in a
//! namespace of the packer's own. Either way the root is then `/` of this process and the host's mounts
//! are gone from it, so that no path and no link, however quickly it is exchanged, leads outside.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use wire::Container;
use wire::reader::Unknown;

use super::fault::Fault;
use super::task::Task;
use crate::shim::init::binds;
use crate::shim::init::inside::{Inside, Missing};
use crate::shim::init::root;
use crate::shim::plan::mounts::Source;
use crate::shim::plan::{Exposure, FilesPlan, Plan};
use crate::shim::record::{self, file};
use crate::sys::pidfd;

/// Where a root lies bare for a moment: a directory that every container's root has, as the lowest
/// layer does. What is mounted on it is not needed here.
const BARE_PLACE: &str = "/proc";

const NONE: Option<&str> = None;

/// What a comparison looks at.
#[derive(Debug)]
pub(super) struct Views {
    /// The container's own layer.
    pub(super) upper: Inside,
    /// What lies below it.
    pub(super) lower: Inside,
    /// Both together, as the container has it.
    pub(super) merged: Inside,
}

/// Enters the root with what is mounted in it, to read.
///
/// # Errors
/// [`Fault::NotRunning`], or what the kernel said.
pub(super) fn irrevocably_enter_to_read(task: &Task) -> Result<(), Fault> {
    if task.pid != 0 {
        return join(task);
    }
    leave_the_host()?;
    let inside = root::assemble_read_only(&task.order, Path::new(&task.directory))?;
    mount_volumes(&inside, task, &plan(task)?, Missing::Fail)?;
    Ok(root::irrevocably_enter(&inside)?)
}

/// Enters the root with what is mounted in it, to write. Whoever asks sees to it that the container is
/// not started meanwhile: an upper layer has one user.
///
/// # Errors
/// As [`irrevocably_enter_to_read`].
pub(super) fn irrevocably_enter_to_write(task: &Task) -> Result<(), Fault> {
    if task.pid != 0 {
        return join(task);
    }
    leave_the_host()?;
    let inside = root::assemble(&task.order, Path::new(&task.directory), MsFlags::MS_NODEV)?;
    let plan = plan(task)?;
    mount_volumes(&inside, task, &plan, Missing::Directory)?;
    if plan.files.read_only_root {
        root::make_read_only(&inside, MsFlags::MS_NODEV)?;
    }
    Ok(root::irrevocably_enter(&inside)?)
}

/// Enters the root without what is mounted in it.
///
/// # Errors
/// As [`irrevocably_enter_to_read`].
pub(super) fn irrevocably_enter_bare(task: &Task) -> Result<(), Fault> {
    if keeps_mounts(task) {
        return join(task);
    }
    Ok(root::irrevocably_enter(&bare(task)?)?)
}

/// Whether a bare root cannot be had, and what is mounted in it must be left out by whoever walks it. Of
/// the machine's own files a bare root would show everything of ours, wherever in it the container has
/// moved that.
pub(super) fn keeps_mounts(task: &Task) -> bool {
    task.pid != 0 && task.order.rootfs.is_empty()
}

/// Opens what a comparison looks at.
///
/// # Errors
/// As [`irrevocably_enter_to_read`].
pub(super) fn views(task: &Task) -> Result<Views, Fault> {
    leave_the_host()?;
    let upper = Path::new(&task.directory).join(file::UPPER);
    let upper = Inside::open(&upper).map_err(Fault::system("open the container's own layer"))?;
    let lower = root::assemble_lowers(&task.order)?;
    // What is open stays, whatever becomes of the namespace it was opened in.
    Ok(Views {
        upper,
        lower,
        merged: bare(task)?,
    })
}

fn bare(task: &Task) -> Result<Inside, Fault> {
    if task.pid == 0 {
        leave_the_host()?;
        return Ok(root::assemble_read_only(&task.order, Path::new(&task.directory))?);
    }
    join(task)?;
    let opened = |path| Inside::open(Path::new(path)).map_err(Fault::system("open the root"));
    if keeps_mounts(task) {
        return opened("/");
    }
    // A copy of the container's mounts: what is done to them, it does not see.
    leave_the_host()?;
    mount(Some("/"), BARE_PLACE, NONE, MsFlags::MS_BIND, NONE).map_err(Fault::system("lay the root bare"))?;
    opened(BARE_PLACE)
}

/// Goes into mounts of one's own; those of others are not affected by what follows.
fn leave_the_host() -> Result<(), Fault> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(Fault::system("leave the host's mounts"))?;
    Ok(root::make_private()?)
}

/// Joins the mount namespace of the container's first process, and nothing else of it. Its root and not
/// that of the process becomes ours: a process may have changed its root.
fn join(task: &Task) -> Result<(), Fault> {
    let gone = |errno| match errno {
        Errno::ENOENT | Errno::ESRCH => Fault::NotRunning,
        errno => Fault::system("join the container's mounts")(errno),
    };
    let process = open(
        format!("/proc/{}", task.pid).as_str(),
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(gone)?;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let namespace = openat(&process, "ns/mnt", flags, Mode::empty()).map_err(gone)?;
    // Asked afterwards: then what was opened was of the process that was meant.
    if pidfd::start_ticks(task.pid).ok() != Some(task.started_ticks) {
        return Err(Fault::NotRunning);
    }
    setns(namespace, CloneFlags::CLONE_NEWNS).map_err(Fault::system("join the container's mounts"))
}

fn plan(task: &Task) -> Result<Plan, Fault> {
    Ok(Plan::new(&container(task)?)?)
}

/// What the container was made as.
///
/// # Errors
/// What reading said.
pub(super) fn container(task: &Task) -> Result<Container, Fault> {
    let attempt = "read the container's configuration";
    record::read(Path::new(&task.directory), file::CONFIG, Unknown::Refuse)
        .map_err(|error| Fault::system(attempt)(std::io::Error::other(error)))?
        .ok_or_else(|| Fault::system(attempt)(Errno::ENOENT))
}

/// Mounts what of the host the container has in its root. What is not there is left out: it would fail a
/// start, and this is none. Memory is left out too: that of a container that does not run is empty.
fn mount_volumes(inside: &Inside, task: &Task, plan: &Plan, missing: Missing) -> Result<(), Fault> {
    let sources = task.order.powers.sources_with(&plan.process.capabilities);
    let directory = Path::new(&task.directory);
    let generated = [file::HOSTNAME, file::HOSTS, file::RESOLV_CONF];
    let fits = |name: &str| {
        directory.join(name).exists() && inside.resolve(&format!("/etc/{name}"), Missing::Fail).is_ok()
    };
    if generated.into_iter().all(fits) {
        binds::mount_generated(inside, directory, MsFlags::MS_NODEV)?;
    }
    for asked in &plan.files.mounts {
        let Source::Host { path, .. } = &asked.source else {
            continue;
        };
        let there = inside.resolve(&asked.target, Missing::Fail).is_ok();
        if !Path::new(path).exists() || (missing == Missing::Fail && !there) {
            continue;
        }
        let one = FilesPlan {
            read_only_root: false,
            exposure: Exposure::Guarded,
            shm_bytes: 0,
            mounts: vec![asked.clone()],
            devices: Vec::new(),
        };
        binds::mount_asked(inside, &one, &sources)?;
    }
    Ok(())
}
