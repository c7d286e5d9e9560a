//! The packer: `socketd-bridge pack`, a process of its own that works on the files of one container.
//!
//! A container's files are a stranger's: their names, links and kinds may change at every moment. So the
//! bridge never walks them: it starts this process, which enters the container's root so that it has no
//! other, gives up the powers it does not need, does one thing, and ends. Bulk bytes go between it and
//! the client; the bridge hears its words, and kills it when nobody wants its work any more.
//!
//! Standard input is the tar, in or out; standard output a socket to the bridge, from which one
//! [`Task`] comes and to which [`Word`]s go. It knows nothing of images, names or clients.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use caps::{Capability, CapsHashSet};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::chdir;

use crate::shim::init::users::Users;
use crate::shim::{record, seccomp};
use crate::sys::{descriptors, filter};
use crate::unpack::{self, Manner, confine};

mod compare;
mod enter;
mod fault;
pub(crate) mod limits;
mod out;
mod place;
pub(crate) mod task;
mod walk;

use fault::Fault;
use out::Out;
use place::Place;
use task::{Task, Verdict, Word, Work};
use walk::{Walk, Whole};

/// What it takes to read somebody else's files.
const TO_READ: &[Capability] = &[Capability::CAP_DAC_READ_SEARCH];

/// The hidden subcommand.
///
/// Exit codes: 0 when the bridge was told how it went, 1 when not even that could be done.
#[must_use]
pub fn run() -> ExitCode {
    confine::step_back();
    descriptors::irrevocably_close_inherited();
    let told = io::stdout().as_fd().try_clone_to_owned().and_then(|bridge| {
        let outcome = serve(&bridge);
        let done = Word {
            verdict: Verdict::Done,
            ..Word::default()
        };
        record::send_message(&bridge, &outcome.map_or_else(Fault::word, |()| done))
    });
    if told.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn serve(bridge: &OwnedFd) -> Result<(), Fault> {
    confine::die_with_the_bridge()?;
    nix::sys::prctl::set_name(c"socketd-pack").map_err(Fault::system("take a name"))?;
    confine::limit_resources(limits::DESCRIPTORS_MAX)?;
    // As in the unpacker: made while /dev/urandom is in reach.
    drop(std::hash::RandomState::new());
    let task: Task = record::receive_message(bridge)
        .map_err(Fault::system("read the task"))?
        .ok_or_else(|| Fault::system("read the task")(Errno::EPIPE))?;
    match task.work {
        Work::Stat => {
            enter::irrevocably_enter_to_read(&task)?;
            irrevocably_keep(TO_READ)?;
            found(bridge, &Place::parse(&task.path)).map(drop)
        }
        Work::Read => {
            enter::irrevocably_enter_to_read(&task)?;
            irrevocably_keep(TO_READ)?;
            let place = found(bridge, &Place::parse(&task.path))?;
            Walk::new(Out::new(tar()?)).pack(&place)
        }
        Work::Export | Work::Commit => {
            enter::irrevocably_enter_bare(&task)?;
            irrevocably_keep(TO_READ)?;
            let found = Word {
                verdict: Verdict::Found,
                ..Word::default()
            };
            tell(bridge, &found)?;
            let whole = Whole {
                for_image: task.work == Work::Commit,
                without_mounts: enter::keeps_mounts(&task),
            };
            Walk::new(Out::new(tar()?)).pack_root(whole)
        }
        Work::Compare => {
            let views = enter::views(&task)?;
            irrevocably_keep(TO_READ)?;
            compare::compare(&views, |changes| {
                let differs = Word {
                    verdict: Verdict::Differs,
                    changes,
                    ..Word::default()
                };
                tell(bridge, &differs)
            })
        }
        Work::Write => write(&task),
        Work::Unknown(_) => Err(Fault::system("read the task")(Errno::EINVAL)),
    }
}

/// Says what is at a place.
fn found(bridge: &OwnedFd, place: &Place) -> Result<Place, Fault> {
    let found = Word {
        verdict: Verdict::Found,
        stat: place.stat()?,
        ..Word::default()
    };
    tell(bridge, &found)?;
    Ok(place.clone())
}

fn tell(bridge: &OwnedFd, word: &Word) -> Result<(), Fault> {
    record::send_message(bridge, word).map_err(Fault::system("talk to the bridge"))
}

/// The tar, without the small buffer of the standard library.
fn tar() -> Result<OwnedFd, Fault> {
    let tar = io::stdin().as_fd().try_clone_to_owned();
    tar.map_err(Fault::system("open the archive"))
}

fn write(task: &Task) -> Result<(), Fault> {
    let user = enter::container(task)?.spec.process.user;
    enter::irrevocably_enter_to_write(task)?;
    irrevocably_keep(confine::KEPT)?;
    let place = Place::parse(&task.path);
    chdir(place.path.as_str()).map_err(Fault::looking_up)?;
    let file_system = statvfs(".").map_err(Fault::system("look at the file system"))?;
    if file_system.flags().contains(FsFlags::ST_RDONLY) {
        return Err(Fault::ReadOnly);
    }
    let owner = if task.keep_owners {
        None
    } else {
        let identity = Users::read()?.identity(&user, &[])?;
        Some((identity.uid.as_raw(), identity.gid.as_raw()))
    };
    let manner = Manner {
        keep_kinds: task.keep_kinds,
        owner,
    };
    let tar = tar()?;
    if task.pid == 0 {
        // A sender that is no socket is one of the machine's own, and at most as slow as that.
        let silence = TimeVal::seconds(limits::SILENCE_S_MAX);
        let _ = setsockopt(&tar, sockopt::ReceiveTimeout, &silence);
    }
    unpack::merge(fs::File::from(tar), manner).map_err(|fault| match fault.conflict() {
        Some((name, directory)) => {
            let into = place.path.strip_suffix("/.").unwrap_or(&place.path);
            let into = into.trim_end_matches('/');
            Fault::Kinds {
                path: format!("{into}/{}", String::from_utf8_lossy(name)),
                into: if into.is_empty() { "/" } else { into }.to_owned(),
                directory,
            }
        }
        None => fault.into(),
    })
}

/// Gives up every power but these, and every system call that no container may make.
fn irrevocably_keep(kept: &[Capability]) -> Result<(), Fault> {
    confine::irrevocably_keep(kept)?;
    let kept: CapsHashSet = kept.iter().copied().collect();
    for program in seccomp::programs(&kept)? {
        match filter::irrevocably_filter(&program) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) && !filter::is_known() => {
                return Ok(());
            }
            other => other.map_err(Fault::system("filter system calls"))?,
        }
    }
    Ok(())
}
