//! The process between the monitor and a container's init: it makes the namespaces and waits in front of
//! them. And what kinds of init there are.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use harness::droidspaces::{Config, inside, replace};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::Place;
use crate::{Failure, log};

/// Exit code that says: the container wants to start again.
pub(crate) const REBOOT: u8 = 249;
/// Exit code of a container whose init a signal ended, whichever it was.
const SIGNALLED: u8 = 1;
/// Bytes of a request to System V's init, the number it begins with, and the request to change the run level.
const REQUEST_BYTES: usize = 384;
const REQUEST_MAGIC: u32 = 0x0309_1969;
const REQUEST_RUNLEVEL: u32 = 1;

/// Makes namespaces and runs the container's init in them; gives its exit code. Whatever goes wrong
/// stands in the container's log.
pub(crate) fn boot(place: &Place, name: &str) -> Result<u8, Failure> {
    let code = attempt(place, name);
    if let Err(failure) = &code {
        log::line(place, name, &format!("[boot] {}", failure.text))?;
    }
    code
}

fn attempt(place: &Place, name: &str) -> Result<u8, Failure> {
    set_pdeathsig(Signal::SIGKILL)?;
    let config = place
        .config(name)
        .ok_or_else(|| Failure::failed("The settings are gone"))?;
    // The mounts are the init's own: a change of its root would take this process along.
    let mut flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
    if ["nat", "none", "gateway"].contains(&config.value("net_mode")) {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags)?;
    let mut init = Command::new(place.program()).args(["@init", name]).spawn()?;
    replace(&place.sidecar(name, "pid"), init.id().to_string().as_bytes())?;
    let status = init.wait()?;
    match status.signal() {
        // The kernel's answer to reboot(RESTART) in a process namespace.
        Some(1) => Ok(REBOOT),
        Some(_) => Ok(SIGNALLED),
        None => Ok(status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(SIGNALLED)),
    }
}

/// What kind of init a container has, which tells how it is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Systemd,
    Procd,
    Openrc,
    Runit,
    S6,
    Sysvinit,
    Busybox,
    Unknown,
    /// The settings name a program.
    Custom,
}

impl Kind {
    /// Looks at the root file system; the first that fits.
    pub(crate) fn of(config: &Config) -> Self {
        if !config.value("custom_init").is_empty() {
            return Self::Custom;
        }
        let root = Path::new(config.value("rootfs_path"));
        let init = root.join("sbin/init");
        let link = fs::read_link(&init).unwrap_or_default();
        let link = link.to_string_lossy();
        let any = |places: &[&str]| {
            places
                .iter()
                .any(|place| root.join(place).symlink_metadata().is_ok())
        };
        if link.contains("systemd") || any(&["lib/systemd/systemd", "usr/lib/systemd/systemd"]) {
            Self::Systemd
        } else if any(&["sbin/procd", "usr/sbin/procd"]) {
            Self::Procd
        } else if link.contains("openrc-init") || any(&["sbin/openrc"]) {
            Self::Openrc
        } else if any(&["sbin/runit", "usr/bin/runit"]) {
            Self::Runit
        } else if any(&["bin/s6-svscan", "usr/bin/s6-svscan"]) {
            Self::S6
        } else if link.contains("sysvinit") || init.symlink_metadata().is_ok_and(|file| file.is_file()) {
            Self::Sysvinit
        } else if link.contains("busybox") {
            Self::Busybox
        } else {
            Self::Unknown
        }
    }

    /// Its word in `Pids/<name>.init`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Procd => "procd",
            Self::Openrc => "openrc",
            Self::Runit => "runit",
            Self::S6 => "s6",
            Self::Sysvinit => "sysvinit",
            Self::Busybox => "busybox",
            Self::Unknown | Self::Custom => "unknown",
        }
    }

    /// Asks an init to end.
    pub(crate) fn end(self, pid: i32) -> Result<(), Failure> {
        let signal = match self {
            // SIGRTMIN+3: real-time signals have no name here, but a program sends them.
            Self::Systemd => {
                Command::new("kill").args(["-37", &pid.to_string()]).status()?;
                return Ok(());
            }
            Self::Sysvinit if request_halt(pid).is_ok() => return Ok(()),
            Self::Procd | Self::S6 | Self::Busybox => Signal::SIGUSR2,
            Self::Openrc | Self::Sysvinit => Signal::SIGPWR,
            Self::Runit => Signal::SIGCONT,
            Self::Unknown => Signal::SIGTERM,
            Self::Custom => Signal::SIGKILL,
        };
        // It may have ended meanwhile.
        let _ = kill(Pid::from_raw(pid), signal);
        Ok(())
    }
}

/// Writes the request for run level 0 into the FIFO of System V's init.
fn request_halt(pid: i32) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(REQUEST_BYTES);
    for word in [REQUEST_MAGIC, REQUEST_RUNLEVEL, u32::from(b'0')] {
        // Little-endian, as every machine that tests run on.
        request.extend(word.to_le_bytes());
    }
    request.resize(REQUEST_BYTES, 0);
    let fifo = inside(pid, "/run/initctl");
    let mut options = OpenOptions::new();
    let mut fifo = options
        .write(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(fifo)?;
    fifo.write_all(&request)
}
