//! What runs first in a container: it builds the view that the container's own init will have, and then
//! becomes it.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use harness::droidspaces::Config;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{chdir, pivot_root, sethostname, setsid};

use crate::place::Place;
use crate::{Failure, VERSION};

/// Device nodes of the machine that every container sees.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// What a container's init starts with.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Becomes the container's init, whose process id is 1. Whatever goes wrong stands in the container's log.
pub(crate) fn become_init(place: &Place, name: &str) -> Result<u8, Failure> {
    // Once the root has changed, it is out of reach.
    let path = place.log_file(name, "log")?;
    let mut log = File::options().create(true).append(true).open(path)?;
    let exec = |mut command: Command| {
        SigSet::empty().thread_set_mask()?;
        let error = command.exec();
        Err(Failure::failed(format!("{:?}: {error}", command.get_program())))
    };
    let ended: Result<u8, Failure> = prepare(place, name).and_then(exec);
    if let Err(failure) = &ended {
        log.write_all(format!("[init] {}\n", failure.text).as_bytes())?;
    }
    ended
}

fn prepare(place: &Place, name: &str) -> Result<Command, Failure> {
    set_pdeathsig(Signal::SIGKILL)?;
    let config = place
        .config(name)
        .ok_or_else(|| Failure::failed("The settings are gone"))?;
    let variables = variables(&config);
    let init = match config.value("custom_init") {
        "" => "/sbin/init",
        own => own,
    };
    unshare(CloneFlags::CLONE_NEWNS)?;
    build(&config)?;
    let hostname = match config.value("hostname") {
        "" => name,
        own => own,
    };
    sethostname(hostname)?;
    let pause = place.knob_time("slow-start");
    enter(Path::new(config.value("rootfs_path")))?;
    if let Some(pause) = pause {
        let end = Instant::now() + pause;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
    }
    fs::metadata(init).map_err(|error| Failure::failed(format!("init {init}: {error}")))?;
    mark(&config)?;
    setsid()?;
    rustix::process::ioctl_tiocsctty(io::stdin())?;
    let mut command = Command::new(init);
    command.env_clear().env("PATH", PATH).env("TERM", "xterm");
    command
        .env("HOME", "/root")
        .env("container", "droidspaces")
        .envs(variables);
    Ok(command)
}

/// Mounts everything in its place below the root file system, in a mount namespace of its own.
fn build(config: &Config) -> Result<(), Failure> {
    let root = Path::new(config.value("rootfs_path"));
    attach(None, Path::new("/"), None, MsFlags::MS_REC | MsFlags::MS_PRIVATE)?;
    attach(Some(root), root, None, MsFlags::MS_BIND | MsFlags::MS_REC)?;
    for (kind, folder) in [("proc", "proc"), ("tmpfs", "run"), ("tmpfs", "dev")] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder)?;
        attach(None, &folder, Some(kind), MsFlags::empty())?;
    }
    for device in DEVICES {
        let own = root.join("dev").join(device);
        File::create(&own)?;
        attach(
            Some(&Path::new("/dev").join(device)),
            &own,
            None,
            MsFlags::MS_BIND,
        )?;
    }
    for bind in config
        .value("bind_mounts")
        .split(',')
        .filter(|bind| !bind.is_empty())
    {
        bind_one(root, bind)?;
    }
    Ok(())
}

/// A bind mount as the settings have it: `SOURCE:TARGET` or `SOURCE:TARGET:ro`.
fn bind_one(root: &Path, bind: &str) -> Result<(), Failure> {
    let mut parts = bind.split(':');
    let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
        return Err(Failure::failed(format!("Bad bind mount: {bind}")));
    };
    let within: PathBuf = Path::new(target)
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    let target = root.join(within);
    if fs::metadata(source)?.is_dir() {
        fs::create_dir_all(&target)?;
    } else {
        File::options().create(true).append(true).open(&target)?;
    }
    attach(Some(Path::new(source)), &target, None, MsFlags::MS_BIND)?;
    if parts.next() == Some("ro") {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        attach(None, &target, None, flags)?;
    }
    Ok(())
}

fn attach(source: Option<&Path>, target: &Path, kind: Option<&str>, flags: MsFlags) -> Result<(), Failure> {
    mount(source, target, kind, flags, None::<&CStr>)
        .map_err(|error| Failure::failed(format!("mount on {}: {error}", target.display())))
}

/// Makes the root file system the root, and lets go of the machine's.
fn enter(root: &Path) -> Result<(), Failure> {
    chdir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    Ok(())
}

/// Makes `/run/droidspaces`, by which others know a container that runs: at once, with everything in it.
fn mark(config: &Config) -> io::Result<()> {
    let (made, place) = (Path::new("/run/.droidspaces"), "/run/droidspaces");
    fs::create_dir(made)?;
    fs::write(made.join("name"), config.value("name"))?;
    fs::write(made.join("version"), VERSION)?;
    fs::write(made.join(config.value("uuid")), "")?;
    fs::write(made.join("container.config"), config.text())?;
    fs::create_dir_all("/run/systemd")?;
    fs::write("/run/systemd/container", "droidspaces")?;
    fs::rename(made, place)
}

/// The variables of the file that the settings name: `KEY=VALUE` lines, perhaps with `export` before.
fn variables(config: &Config) -> Vec<(String, String)> {
    let text = fs::read_to_string(config.value("env_file")).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
    pairs
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}
