//! `run` and `enter`: further processes in a container.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};

use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::arguments::Options;
use crate::place::Place;
use crate::{Failure, state};

/// Stands for "no user in particular".
const NOBODY: &str = "-";
/// Where programs are looked for in the container.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a command; its exit code is ours, unless a signal ended it.
pub(crate) fn run(place: &Place, options: &Options) -> Result<u8, Failure> {
    if options.words.is_empty() {
        return Err(Failure::invalid("No command to run"));
    }
    let user = options.user.as_deref().unwrap_or(NOBODY);
    let status = join(place, options, user, &options.words)?;
    Ok(exit_code(status))
}

/// Runs a shell in the caller's terminal; how the shell ends does not matter.
pub(crate) fn enter(place: &Place, options: &Options) -> Result<u8, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::invalid("enter needs a terminal"));
    }
    let user = options.words.first().map_or("root", String::as_str);
    join(place, options, user, &[]).map(|_| 0)
}

pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1)
}

fn join(place: &Place, options: &Options, user: &str, words: &[String]) -> Result<ExitStatus, Failure> {
    if options.name.is_empty() {
        return Err(Failure::invalid("--name is required"));
    }
    let running = place
        .config(&options.name)
        .and_then(|config| state::running(place, &config));
    let Some(pid) = running else {
        return Err(Failure::failed(format!(
            "Container '{}' is not running",
            options.name
        )));
    };
    // Only a child is in another process namespace.
    setns(
        File::open(format!("/proc/{pid}/ns/pid"))?,
        CloneFlags::CLONE_NEWPID,
    )?;
    let mut command = Command::new(place.program());
    let (pid, caller) = (pid.to_string(), std::process::id().to_string());
    command.args(["@join", &pid, &caller, user]).args(words);
    Ok(command.status()?)
}

/// Becomes a command in the other namespaces of a container.
pub(crate) fn become_command(pid: &str, caller: &str, user: &str, words: &[String]) -> Result<u8, Failure> {
    set_pdeathsig(Signal::SIGKILL)?;
    // Who started us is outside of the container, and so is whoever inherits us from a caller that was gone before
    // the line above: neither has a number here. The host's /proc tells them apart.
    if parent()? != caller {
        return Err(Failure::failed("The caller has gone"));
    }
    let open = |name: &str| File::open(format!("/proc/{pid}/ns/{name}"));
    let others = [
        (open("uts")?, CloneFlags::CLONE_NEWUTS),
        (open("ipc")?, CloneFlags::CLONE_NEWIPC),
        (open("net")?, CloneFlags::CLONE_NEWNET),
        // The last one: it takes the root with it.
        (open("mnt")?, CloneFlags::CLONE_NEWNS),
    ];
    for (namespace, kind) in others {
        setns(namespace, kind)?;
    }
    std::env::set_current_dir("/")?;
    let mut command = match (words, user) {
        ([], user) => su(user),
        ([line], NOBODY) if line.contains(' ') => shell(line),
        ([program, arguments @ ..], NOBODY) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        (words, user) => {
            let mut command = su(user);
            command.args(["-c", &quoted(words)]);
            command
        }
    };
    command.env_clear().env("PATH", PATH).env("HOME", "/root");
    command.env("TERM", "xterm").env("container", "droidspaces");
    let error = command.exec();
    Err(Failure::invalid(format!("{:?}: {error}", command.get_program())))
}

/// The number of our parent, as the host counts.
fn parent() -> Result<String, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Ok(parent.unwrap_or_default().trim().to_owned())
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]);
    command
}

fn su(user: &str) -> Command {
    let mut command = Command::new("su");
    command.args(["-l", user]);
    command
}

/// One line for a shell: a single word is a line already.
fn quoted(words: &[String]) -> String {
    if let [line] = words {
        return line.clone();
    }
    let quote = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}
