//! `socketd-bridge`: see `bridge` for what it is.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use bridge::chronicle::{self, Verdict};
use bridge::config::{Cli, Command, Journal, LogFormat};
use bridge::down;
use bridge::fence::start;
use bridge::serve::{self, StartError};
use bridge::up::{self, UpError};
use clap::Parser;

/// Exit code where root is needed.
const NOT_ROOT: u8 = 3;
/// Exit code where the journal is not as it was written.
const DAMAGED: u8 = 4;

fn main() -> ExitCode {
    // The helpers are this same program. They come first: they are started often, and read no
    // command line that a person wrote.
    let mut arguments = env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|word| word.to_str()) {
        Some("shim") => return bridge::shim::run(arguments),
        Some("unpack") => return bridge::unpack::run(),
        Some("pack") => return bridge::pack::run(),
        Some("relay") => return bridge::relay::run(),
        _ => {}
    }
    let outcome = match Cli::parse().command {
        Command::Up(arguments) => {
            if let Err(error) = begin(arguments.common.log_format) {
                return refuse(&error);
            }
            up::run(&arguments)
        }
        Command::Serve(arguments) => {
            if let Err(error) = begin(arguments.common.log_format) {
                return refuse(&error);
            }
            serve::run(&arguments).map_err(UpError::Start)
        }
        Command::Down(arguments) => {
            serve::begin_log(arguments.common.log_format);
            down::run(&arguments).map_err(UpError::Start)
        }
        Command::Journal(arguments) => return read_journal(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "socketd-bridge: {error}");
            match error {
                UpError::Start(StartError::NotRoot) => ExitCode::from(NOT_ROOT),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Gives up what it was started with, then begins the log.
fn begin(format: LogFormat) -> io::Result<()> {
    let forgotten = start::irrevocably_begin_afresh()?;
    serve::begin_log(format);
    if !forgotten {
        tracing::warn!("another thread is in this process from the start: the environment stays as it came");
    }
    Ok(())
}

/// What it was started with cannot be given up.
fn refuse(error: &io::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "socketd-bridge: cannot begin afresh: {error}");
    ExitCode::FAILURE
}

fn read_journal(arguments: &Journal) -> ExitCode {
    match chronicle::run(arguments) {
        Ok(Verdict::Whole) => ExitCode::SUCCESS,
        Ok(Verdict::Damaged) => ExitCode::from(DAMAGED),
        Err(error) => {
            let _ = writeln!(io::stderr(), "socketd-bridge: {error}");
            ExitCode::FAILURE
        }
    }
}
