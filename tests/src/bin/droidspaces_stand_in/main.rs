//! What tests run where a device runs Droidspaces' own command: `<root>/bin/droidspaces`, a hard link or
//! a copy of this program, whose workspace is the folder above. It is a stand-in, not a container runtime.
//!
//! Its exit codes, files, processes and pauses are those that Droidspaces 6.5.0 was measured to have, and
//! its containers have real namespaces. Differences that are meant:
//!
//! - no settings of the machine, no control groups, no system call filter, no veth pair: `nat`, `none` and
//!   `gateway` give a network namespace with nothing in it;
//! - images cannot be started: `start` says so and exits with 255;
//! - the monitor blocks the signals that Droidspaces' ignores, and a container ends with its monitor, so
//!   that a test that ends badly leaves nothing;
//! - `enter` uses the caller's terminal instead of one of the container's own, `run` never makes one, and
//!   a command in the container that `run` started ends with it;
//! - a peer of the daemon that is refused gets a line on its standard error and exit code 1, and only user 0
//!   is let in; `droidspaces` itself forwards to a daemon without a terminal only;
//! - `-f`, `-E` and everything Android's are accepted without an effect.
//!
//! Knobs, each a file in `<root>/stand-in/`:
//!
//! - `fail-start`, `fail-stop`: the text is printed on standard error, the exit code is 255;
//! - `slow-start`: so many milliseconds pass in the container before it counts as running;
//! - `stop-timeout`: milliseconds that a stop waits, in place of 15,000;
//! - `keep-pid-file`: the monitor leaves the files in `Pids/` where they are when a container ends by itself;
//! - `argv-log`: a line for every call is appended, as JSON: `arguments` and `environment`;
//! - `daemon-socket`: the abstract name of the daemon's socket, in place of `droidspaces`.
//!
//! `@ping NAME` asks whoever serves version 1 of the protocol at an abstract socket whether it is there,
//! and prints the status of the answer: for tests of who is answered, from wherever they run it.

mod arguments;
mod boot;
mod client;
mod daemon;
mod frames;
mod init;
mod join;
mod life;
mod lock;
mod log;
mod monitor;
mod place;
mod pty;
mod show;
mod state;

use std::io::{self, Write};
use std::process::ExitCode;

use arguments::Options;
use place::Place;

/// Exit code of what failed while it was done.
const FAILED: u8 = 255;
/// Exit code of what was not even tried.
const INVALID: u8 = 1;
/// What `version` prints.
const VERSION: &str = "v6.5.0";

/// Why a command ends otherwise than it should: the exit code, and what people read.
#[derive(Debug)]
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    fn failed(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code: FAILED, text }
    }

    fn invalid(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code: INVALID, text }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<nix::Error> for Failure {
    fn from(error: nix::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        Self::failed(error.to_string())
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let mut text = failure.text;
            if !text.ends_with('\n') {
                text.push('\n');
            }
            // Whoever reads it may have gone.
            let _ = io::stderr().write_all(format!("[-] {text}").as_bytes());
            ExitCode::from(failure.code)
        }
    }
}

fn run() -> Result<u8, Failure> {
    let place = Place::own()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    // Parts of a container's start, which only this program calls; and a client for tests.
    if let Some((part, rest)) = words.split_first()
        && part.starts_with('@')
    {
        return match (part.as_str(), rest) {
            ("@monitor", [name]) => monitor::watch(&place, name),
            ("@boot", [name]) => boot::boot(&place, name),
            ("@init", [name]) => init::become_init(&place, name),
            ("@join", [pid, caller, user, command @ ..]) => join::become_command(pid, caller, user, command),
            ("@terminal", rest) => pty::become_session(&place, rest),
            ("@ping", [name]) => client::ping(name),
            _ => Err(Failure::invalid("Unknown part")),
        };
    }
    place.log_call(&words)?;
    let options = Options::parse(&words)?;
    let local = ["version", "mode", "daemon", "help"].contains(&options.command.as_str());
    if !local
        && std::env::var_os("DS_NO_PROXY").is_none_or(|value| value != "1")
        && let Some(code) = client::forward(&place, &words)?
    {
        return Ok(code);
    }
    match options.command.as_str() {
        "start" => life::start(&place, &options),
        "stop" => life::stop(&place, &options),
        "restart" => life::restart(&place, &options),
        "run" => join::run(&place, &options),
        "enter" => join::enter(&place, &options),
        "pid" => show::pid(&place, &options),
        "show" => show::show(&place, &options),
        "info" => show::info(&place, &options),
        "usage" => show::usage(&place, &options),
        "scan" => Ok(0),
        "mode" => say(if client::is_listening(&place) {
            "daemon"
        } else {
            "direct"
        }),
        "version" => say(VERSION),
        "daemon" => daemon::daemon(&place, &options),
        other => Err(Failure::invalid(format!("Unknown command: {other}"))),
    }
}

/// Prints a line and is content.
fn say(line: &str) -> Result<u8, Failure> {
    writeln!(io::stdout(), "{line}")?;
    Ok(0)
}
