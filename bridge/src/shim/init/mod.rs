//! The container's first process, from its birth in new namespaces to the command that was asked for.
//!
//! It is a copy of the shim, so it has one thread and may allocate. It talks to the shim through one
//! socket that closes itself when the command is executed: a [`Failure`] before that is the reason
//! why not; nothing before that means it runs.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};
use nix::sys::stat::Mode;
use nix::sys::statfs::{DEVPTS_SUPER_MAGIC, fstatfs};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, sethostname, setsid};

use super::cgroup::Groups;
use super::failure::{Failure, Stage, at};
use super::plan::{Exposure, Init, NetworkPlan, Plan, ProcessPlan, Streams, TerminalSize};
use super::record::{self, Order};
use crate::sys::{descriptors, interface, process, terminal};

pub(crate) mod binds;
mod command;
mod devices;
pub mod inside;
pub mod join;
mod kernel;
mod powers;
mod reaper;
pub mod root;
pub(crate) mod users;

/// What process 1 ends with when it could not become the command. Nobody sees it: the failure has
/// been told.
const FAILED: u8 = 255;

/// What the shim has ready for the first process.
#[derive(Debug)]
pub struct Birth<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Where.
    pub order: &'a Order,
    /// The container's directory.
    pub directory: &'a Path,
    /// Its control groups, which it has joined when it is let go.
    pub groups: &'a Groups,
    /// The socket to the shim.
    pub channel: OwnedFd,
    /// Standard input, output and error; none where they will be a terminal.
    pub streams: Option<[OwnedFd; 3]>,
}

/// Becomes the command; what comes back is the code to end with.
#[must_use]
pub fn run(birth: Birth<'_>) -> u8 {
    let Birth {
        plan,
        order,
        directory,
        groups,
        channel,
        streams,
    } = birth;
    // Nothing of the shim's is in reach of whatever an image makes of `/proc/self/fd`; and the shim sees
    // its own ends close.
    let mut kept = vec![channel.as_raw_fd()];
    kept.extend(streams.iter().flatten().map(AsRawFd::as_raw_fd));
    let mut channel = Some(channel);
    let outcome = descriptors::irrevocably_close_others(&kept)
        .map_err(at(Stage::Channel, "descriptors"))
        .and_then(|()| prepare(plan, order, directory, groups))
        .and_then(|()| become_command(plan, &mut channel, streams));
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            tell(channel.as_ref(), &failure);
            FAILED
        }
    }
}

/// Sends the reason why not. Nobody is left to be told when this fails.
fn tell(channel: Option<&OwnedFd>, failure: &Failure) {
    if let Some(channel) = channel {
        let _ = record::send_message(channel, failure);
    }
}

/// What does not depend on control groups.
fn prepare(plan: &Plan, order: &Order, directory: &Path, groups: &Groups) -> Result<(), Failure> {
    // From here on the end of the shim is the end of the container.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(at(Stage::Channel, "parent death signal"))?;
    setsid().map_err(at(Stage::Terminal, "session"))?;
    name_host(plan)?;
    if plan.network == NetworkPlan::Own {
        interface::loopback_up().map_err(at(Stage::Loopback, "lo"))?;
    }
    build_root(plan, order, directory, groups)
}

/// The channel is gone when this returns a code: somebody else has become the command.
fn become_command(
    plan: &Plan,
    channel: &mut Option<OwnedFd>,
    streams: Option<[OwnedFd; 3]>,
) -> Result<u8, Failure> {
    let Some(open) = channel.as_ref() else {
        return Err(Failure::system(
            Stage::Channel,
            "",
            &nix::errno::Errno::EBADF.into(),
        ));
    };
    // Joining control groups makes the shim wait for every processor, longer than all of the above
    // takes; so the two go on at the same time, and only what depends on the groups comes after.
    await_release(open)?;
    // A kernel before 4.6 has no such namespace; the container then sees where its groups lie.
    let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
    powers::set_limits(&plan.process)?;
    match streams {
        Some(streams) => take_streams(&streams)?,
        None => {
            let (name, terminal) = hand_over_terminal(open, plan.process.size)?;
            devices::bind_console(&name)?;
            take_terminal(terminal)?;
        }
    }
    let users = users::Users::read()?;
    let identity = users.identity(&plan.process.user, &plan.process.groups)?;
    own_terminal(&plan.process, std::io::stdin(), &identity);
    let execute = |channel: Option<&OwnedFd>| match make_ready(&plan.process, &identity)
        .and_then(|ready| irrevocably_execute(&plan.process, &ready))
    {
        Ok(never) => match never {},
        Err(failure) => {
            tell(channel, &failure);
            FAILED
        }
    };
    match plan.process.init {
        Init::Command => Ok(execute(channel.as_ref())),
        Init::Reaper => reaper::run(channel, plan.process.filtered, execute),
    }
}

/// Waits for the word that control groups are set. A shim that ended instead ends this process too.
fn await_release(channel: &OwnedFd) -> Result<(), Failure> {
    let mut word = [0];
    let length =
        recv(channel.as_raw_fd(), &mut word, MsgFlags::empty()).map_err(at(Stage::Channel, "release"))?;
    if length == 0 {
        Err(Failure::system(
            Stage::Channel,
            "release",
            &nix::errno::Errno::EPIPE.into(),
        ))
    } else {
        Ok(())
    }
}

fn name_host(plan: &Plan) -> Result<(), Failure> {
    if let Some(name) = &plan.hostname {
        sethostname(name).map_err(at(Stage::Hostname, name))?;
    }
    if !plan.domainname.is_empty() {
        // The file is that of the writer's own namespace.
        fs::write("/proc/sys/kernel/domainname", &plan.domainname)
            .map_err(at(Stage::Hostname, &plan.domainname))?;
    }
    Ok(())
}

/// Everything is mounted in this process's own mount namespace, so the host's list never shows it
/// and nothing of it outlives the container.
fn build_root(plan: &Plan, order: &Order, directory: &Path, groups: &Groups) -> Result<(), Failure> {
    let files = &plan.files;
    let devices = if files.exposure == Exposure::Full {
        MsFlags::empty()
    } else {
        MsFlags::MS_NODEV
    };
    root::make_private()?;
    let inside = root::assemble(order, directory, devices)?;
    kernel::mount_proc(&inside)?;
    let sources = order.powers.sources_with(&plan.process.capabilities);
    devices::fill(&inside, files, &sources)?;
    kernel::mount_sys(&inside, groups, files.exposure)?;
    kernel::set_sysctls(&inside, &plan.sysctls)?;
    binds::mount_generated(&inside, directory, devices)?;
    binds::mount_asked(&inside, files, &sources)?;
    kernel::check_proc(&inside)?;
    if files.exposure == Exposure::Guarded {
        kernel::guard(&inside)?;
    }
    if plan.process.streams == Streams::Terminal {
        devices::prepare_console(&inside)?;
    }
    // The last moment at which it can be made: the root may refuse writing from here on.
    inside
        .resolve(&plan.process.working_dir, inside::Missing::Directory)
        .map_err(at(Stage::WorkingDir, &plan.process.working_dir))?;
    if files.read_only_root {
        root::make_read_only(&inside, devices)?;
    }
    root::irrevocably_enter(&inside)
}

fn take_streams([input, output, error]: &[OwnedFd; 3]) -> Result<(), Failure> {
    dup2_stdin(input).map_err(at(Stage::Pipes, "input"))?;
    dup2_stdout(output).map_err(at(Stage::Pipes, "output"))?;
    dup2_stderr(error).map_err(at(Stage::Pipes, "error"))
}

/// Opens a terminal of the container's own, so that its name means something inside, and hands the
/// master to the shim. What comes back is its name and the side for the process.
fn hand_over_terminal(channel: &OwnedFd, size: TerminalSize) -> Result<(String, OwnedFd), Failure> {
    let master = open_terminal("/dev/pts/ptmx")?;
    let number = terminal::unlock(&master).map_err(at(Stage::Terminal, "unlock"))?;
    let name = format!("/dev/pts/{number}");
    let slave = open_terminal(&name)?;
    if size != TerminalSize::default() {
        terminal::set_size(&slave, size.rows, size.columns).map_err(at(Stage::Terminal, "size"))?;
    }
    let descriptors = [master.as_raw_fd()];
    sendmsg::<()>(
        channel.as_raw_fd(),
        &[std::io::IoSlice::new(super::TERMINAL_FOLLOWS)],
        &[ControlMessage::ScmRights(&descriptors)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )
    .map_err(at(Stage::Terminal, "hand over"))?;
    Ok((name, slave))
}

/// Opens one side of a terminal. Where `/dev` is a volume, or the container has moved what `/dev` leads
/// to, there may be anything in its place: then it is given to nobody.
fn open_terminal(name: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let opened = open(name, flags, Mode::empty()).map_err(at(Stage::Terminal, name))?;
    let kind = fstatfs(&opened)
        .map_err(at(Stage::Terminal, name))?
        .filesystem_type();
    if kind == DEVPTS_SUPER_MAGIC {
        Ok(opened)
    } else {
        Err(Failure::invalid(format_args!("{name} is no terminal")))
    }
}

/// Makes it this session's, and its standard streams.
fn take_terminal(slave: OwnedFd) -> Result<(), Failure> {
    terminal::take_control(&slave).map_err(at(Stage::Terminal, "take control"))?;
    take_streams(&[
        slave.try_clone().map_err(at(Stage::Terminal, ""))?,
        slave.try_clone().map_err(at(Stage::Terminal, ""))?,
        slave,
    ])
}

/// Gives a terminal to the user that will be at it.
fn own_terminal(plan: &ProcessPlan, terminal: impl AsFd, identity: &users::Identity) {
    if plan.streams == Streams::Terminal {
        let _ = nix::unistd::fchown(terminal, Some(identity.uid), None);
    }
}

/// What a process that has given up all that it gives up is about to execute.
struct Ready {
    file: PathBuf,
    env: Vec<CString>,
}

/// The rest of the way but for the last step: working directory, identity, finding the command.
fn make_ready(plan: &ProcessPlan, identity: &users::Identity) -> Result<Ready, Failure> {
    chdir(plan.working_dir.as_str()).map_err(at(Stage::WorkingDir, &plan.working_dir))?;
    let mut env = plan.env.clone();
    if !env.iter().any(|variable| variable.starts_with("HOME=")) {
        env.push(format!("HOME={}", identity.home));
    }
    let variables: Vec<CString> = env
        .iter()
        .filter_map(|text| CString::new(text.as_str()).ok())
        .collect();
    powers::irrevocably_become(identity, plan)?;
    let name = plan
        .arguments
        .first()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let file = command::find(&name, &env)?;
    Ok(Ready { file, env: variables })
}

/// The last step: filter, command.
fn irrevocably_execute(plan: &ProcessPlan, ready: &Ready) -> Result<Infallible, Failure> {
    process::default_signals();
    powers::irrevocably_filter(plan)?;
    Err(command::execute(&ready.file, &plan.arguments, &ready.env))
}
