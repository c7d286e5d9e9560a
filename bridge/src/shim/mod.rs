//! `socketd-bridge shim`: one small process for each running container.
//!
//! The bridge starts it, it starts the container and answers; from then on it needs nobody. It holds
//! the container's streams, writes its log, waits for its end, leaves a note how that was, and ends.
//! It has one thread and sleeps in `poll`. Because it is no child of anything that matters, the
//! bridge can be killed or replaced without the container noticing; if the shim itself is killed,
//! the kernel kills the container.
//!
//! It must know nothing of journals, sockets to clients, or other containers.
//!
//! - [`record`]: what bridge and shim tell each other, and the files they leave;
//! - [`plan`]: a specification, parsed; [`init`]: the first process, which carries it out;
//! - [`cgroup`], [`seccomp`], [`mountinfo`]: one kernel mechanism each;
//! - [`launch`], [`watch`], [`log`]: the shim's own life;
//! - [`control`]: what it is asked meanwhile; [`bells`], [`execs`]: what it keeps for who asked.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use nix::unistd::{chdir, dup2_stdin, setsid};
use wire::Time;

mod bells;
pub mod cgroup;
pub mod control;
mod execs;
pub mod failure;
mod generated;
pub mod init;
mod launch;
mod limits;
pub mod log;
pub mod mountinfo;
pub mod plan;
pub mod record;
pub mod seccomp;
mod watch;

use failure::{Failure, Stage, at};
use record::{Order, Report};

/// What a first process says just before it hands over the master of its terminal.
pub(crate) const TERMINAL_FOLLOWS: &[u8] = b"terminal";

/// The whole program. `arguments` are those after `shim`: one, the container's directory. Standard
/// input is a socket to the bridge, which sends an [`Order`] and awaits a [`Report`].
///
/// To be called first thing in `main`, before anything is opened.
#[must_use]
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    crate::sys::descriptors::irrevocably_close_inherited();
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        return ExitCode::from(2);
    };
    let Ok(control) = detach() else {
        return ExitCode::from(1);
    };
    match serve(control, Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(NotRunning) => ExitCode::from(1),
    }
}

/// The container does not run, and the bridge has been told why.
struct NotRunning;

/// Lets go of the bridge but for the control socket: its session, its directory, its streams.
fn detach() -> std::io::Result<OwnedFd> {
    let control = std::io::stdin().as_fd().try_clone_to_owned()?;
    dup2_stdin(File::open("/dev/null")?)?;
    // The bridge may have made it a leader already; then there is nothing to leave.
    let _ = setsid();
    chdir("/")?;
    // Executed by descriptor, it would be called by that number.
    nix::sys::prctl::set_name(c"socketd-shim")?;
    // It holds what its container writes; nobody looks into it, and a crash leaves no copy. The command is
    // executed, which makes a process of its own of it in this as well.
    nix::sys::prctl::set_dumpable(false)?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    Ok(control)
}

fn serve(control: OwnedFd, directory: &Path) -> Result<(), NotRunning> {
    let launched = receive_order(&control).and_then(|order| launch::launch(&control, &order, directory));
    let (mut running, log) = launched.map_err(|failure| {
        let report = Report {
            failure: Some(failure),
            ..Report::default()
        };
        // A bridge that is gone will look for itself.
        let _ = record::send_message(&control, &report);
        NotRunning
    })?;
    drop(control);
    let end = watch::until_end(&mut running, log);
    // There is nobody to tell that a note could not be left; the bridge finds none.
    let _ = record::write(directory, record::file::EXIT, &end, record::Durability::Synced);
    // Until here the sign of life was held: whoever sees it go finds the note.
    drop(running);
    Ok(())
}

fn receive_order(control: &OwnedFd) -> Result<Order, Failure> {
    record::receive_message(control)
        .map_err(at(Stage::Order, ""))?
        .ok_or_else(|| Failure::system(Stage::Order, "", &nix::errno::Errno::EPIPE.into()))
}

/// Now, by the wall clock.
#[must_use]
pub fn now() -> Time {
    Time::since_epoch(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
    )
}
