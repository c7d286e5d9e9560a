//! From orders to a running container.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use nix::unistd::{Pid, pipe2};
use wire::container::Exit;
use wire::reader::Unknown;
use wire::record::Value;
use wire::{Container, Time};

use super::cgroup::{Groups, Layout};
use super::control::Control;
use super::failure::{Failure, Stage, at};
use super::init::{self, Birth};
use super::limits::CHANNEL_BYTES_MAX;
use super::log::Log;
use super::plan::{NetworkPlan, Plan, ProcessPlan, Streams};
use super::record::{self, Durability, End, Order, Report, Run, file};
use super::{TERMINAL_FOLLOWS, generated, now};
use crate::sys::descriptors;
use crate::sys::{pidfd, process};

/// A container that runs, and what the shim holds of it.
#[derive(Debug)]
pub(super) struct Running {
    /// The first process.
    pub(super) pid: Pid,
    /// When it was made.
    pub(super) started_at: Time,
    /// Its control groups.
    pub(super) groups: Groups,
    /// Standard output, or the master of its terminal.
    pub(super) output: Option<OwnedFd>,
    /// Standard error, where it is apart.
    pub(super) error: Option<OwnedFd>,
    /// Standard input's other end, held so that it stays open.
    pub(super) input: Option<OwnedFd>,
    /// The socket on which the shim is asked.
    pub(super) control: Control,
    /// What the first process was asked to be.
    pub(super) plan: ProcessPlan,
    /// Held for as long as this process lives: its end is how the bridge learns of ours.
    pub(super) _alive: fs::File,
}

/// The shim's ends of the container's streams.
#[derive(Debug, Default)]
struct Ends {
    output: Option<OwnedFd>,
    error: Option<OwnedFd>,
    input: Option<OwnedFd>,
}

/// Starts the container and tells the bridge.
///
/// # Errors
/// Why it does not run. Nothing of it is left.
pub(super) fn launch(control: &OwnedFd, order: &Order, directory: &Path) -> Result<(Running, Log), Failure> {
    // Both ways at once, for a FIFO without a reader cannot be opened for writing.
    let alive = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(directory.join(file::ALIVE))
        .map_err(at(Stage::Shim, file::ALIVE))?;
    for stale in [file::EXIT, file::RUN] {
        remove_file(&directory.join(stale)).map_err(at(Stage::Record, stale))?;
    }
    let container: Container = record::read(directory, file::CONFIG, Unknown::Refuse)
        .map_err(|error| Failure::system(Stage::Config, "", &io::Error::other(error)))?
        .ok_or_else(|| Failure::system(Stage::Config, "", &io::ErrorKind::NotFound.into()))?;
    // What is judged is what is carried out: the container may be older than the ceiling.
    order
        .powers
        .judge(&container.spec)
        .map_err(Failure::not_permitted)?;
    let plan = Plan::new(&container)?;
    generated::write(directory, &container, &plan).map_err(at(Stage::Files, ""))?;
    let log = Log::open(directory.join(file::LOG), plan.log);
    let socket = Control::open(directory).map_err(at(Stage::Shim, file::CONTROL))?;
    // So that the end of the first process is read from a descriptor, never missed.
    let mut ends_of_children = SigSet::empty();
    ends_of_children.add(Signal::SIGCHLD);
    ends_of_children
        .thread_block()
        .map_err(at(Stage::Shim, "signals"))?;

    let groups = match Groups::create(&Layout::detect(), &container.id, &plan.group_limits) {
        Ok(groups) => groups,
        Err(failure) => {
            Groups::of(&Layout::detect(), &container.id).remove();
            return Err(failure);
        }
    };
    let launched = give_birth(&plan, order, directory, &groups)
        .and_then(|birth| see_through(control, directory, &groups, birth));
    match launched {
        Ok((pid, started_at, ends)) => {
            let running = Running {
                pid,
                started_at,
                groups,
                output: ends.output,
                error: ends.error,
                input: ends.input,
                control: socket,
                plan: plan.process,
                _alive: alive,
            };
            Ok((running, log))
        }
        Err(failure) => {
            let _ = fs::remove_file(directory.join(file::RUN));
            groups.remove();
            record_for_nobody(control, directory, &failure);
            Err(failure)
        }
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A bridge that was killed meanwhile, and has been started again, may have found this container
/// running: then it learns from the note that it ended at once.
fn record_for_nobody(control: &OwnedFd, directory: &Path, failure: &Failure) {
    if is_gone(control) {
        let exit = Exit {
            code: failure.exit_code(),
            ..Exit::default()
        };
        let end = End {
            exit,
            started_at: now(),
            finished_at: now(),
        };
        let _ = record::write(directory, file::EXIT, &end, Durability::Synced);
    }
}

/// Whether the bridge has closed its end of the control socket.
fn is_gone(control: &OwnedFd) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(control.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// A first process that waits to be let go.
struct Born {
    pid: Pid,
    channel: OwnedFd,
    ends: Ends,
}

fn give_birth(plan: &Plan, order: &Order, directory: &Path, groups: &Groups) -> Result<Born, Failure> {
    let (ends, inner) = streams(plan.process.streams)?;
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(at(Stage::Channel, ""))?;
    let mut namespaces = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    if plan.network == NetworkPlan::Own {
        namespaces |= CloneFlags::CLONE_NEWNET;
    }
    let birth = Birth {
        plan,
        order,
        directory,
        groups,
        channel: theirs,
        streams: inner,
    };
    let pid = process::fork_into(namespaces, move || init::run(birth)).map_err(at(Stage::Clone, ""))?;
    Ok(Born {
        pid,
        channel: ours,
        ends,
    })
}

fn streams(kind: Streams) -> Result<(Ends, Option<[OwnedFd; 3]>), Failure> {
    if kind == Streams::Terminal {
        return Ok((Ends::default(), None));
    }
    let pipe = |name| pipe2(OFlag::O_CLOEXEC).map_err(at(Stage::Pipes, name));
    let (output, output_inner) = pipe("output")?;
    let (error, error_inner) = pipe("error")?;
    let (input_inner, input) = if kind == Streams::OutputAndInput {
        let (inner, outer) = pipe("input")?;
        (inner, Some(outer))
    } else {
        (
            fs::File::open("/dev/null")
                .map_err(at(Stage::Pipes, "/dev/null"))?
                .into(),
            None,
        )
    };
    let ends = Ends {
        output: Some(output),
        error: Some(error),
        input,
    };
    Ok((ends, Some([input_inner, output_inner, error_inner])))
}

/// Puts the process into its groups, lets it go, and waits until it has become the command.
fn see_through(
    control: &OwnedFd,
    directory: &Path,
    groups: &Groups,
    born: Born,
) -> Result<(Pid, Time, Ends), Failure> {
    let Born {
        pid,
        channel,
        mut ends,
    } = born;
    let released = release(control, directory, groups, pid, &channel);
    if released.is_err() {
        // It would wait for ever.
        let _ = kill(pid, Signal::SIGKILL);
    }
    // A process that has given up by itself makes everything else fail too, and knows why.
    let run = match await_execution(&channel, &mut ends).and(released) {
        Ok(run) => run,
        Err(failure) => {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = nix::sys::wait::waitpid(pid, None);
            return Err(failure);
        }
    };
    let report = Report {
        pid: run.pid,
        started_ticks: run.started_ticks,
        started_at: run.started_at,
        failure: None,
    };
    // A bridge that is gone will find the note.
    let _ = record::send_message(control, &report);
    Ok((pid, run.started_at, ends))
}

fn release(
    control: &OwnedFd,
    directory: &Path,
    groups: &Groups,
    pid: Pid,
    channel: &OwnedFd,
) -> Result<Run, Failure> {
    groups.add(pid)?;
    let number = pid.as_raw().unsigned_abs();
    let run = Run {
        pid: number,
        started_ticks: pidfd::start_ticks(number).map_err(at(Stage::Record, "/proc"))?,
        boot_id: record::boot_id(),
        started_at: now(),
    };
    // Nobody waits for this start any more, and whoever comes next must not find half of one.
    if is_gone(control) {
        return Err(Failure::system(
            Stage::Order,
            "bridge",
            &nix::errno::Errno::EPIPE.into(),
        ));
    }
    record::write(directory, file::RUN, &run, Durability::Volatile).map_err(at(Stage::Record, file::RUN))?;
    send(channel.as_raw_fd(), b"g", MsgFlags::MSG_NOSIGNAL).map_err(at(Stage::Channel, "release"))?;
    Ok(run)
}

/// Until the channel closes: the command runs. A message before that is a terminal or a failure.
fn await_execution(channel: &OwnedFd, ends: &mut Ends) -> Result<(), Failure> {
    loop {
        let mut bytes = vec![0; CHANNEL_BYTES_MAX];
        let mut terminal = Vec::new();
        let length = match descriptors::receive(channel, &mut bytes, &mut terminal) {
            // It closed with our word unread. The kernel says so once, before what it had said itself.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
            other => other.map_err(at(Stage::Channel, ""))?,
        };
        if length == 0 {
            return Ok(());
        }
        match (bytes.get(..length).unwrap_or_default(), terminal.pop()) {
            (TERMINAL_FOLLOWS, Some(master)) => ends.output = Some(master),
            (failure, _) => {
                return Err(Failure::decode(failure, Unknown::Refuse).unwrap_or_else(|_| {
                    Failure::system(Stage::Channel, "", &io::ErrorKind::InvalidData.into())
                }));
            }
        }
    }
}
