//! The program `socketd`: arguments, the log, and the exit code.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use socketd::config::{CertsCommand, Cli, Command, LogFormat};
use socketd::link::StockAddress;
use socketd::policy::token;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

/// Exit code of arguments that are wrong.
const WRONG_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    // `serve` starts this same program once more, and nobody else does: no command that a person is offered.
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == "dial") {
        return dial(arguments);
    }
    match Cli::parse().command {
        Command::Serve(arguments) => {
            start_log(arguments.log_format);
            exit(socketd::serve::serve(&arguments))
        }
        Command::Status(look) => tell(socketd::status::status(&look)),
        Command::Doctor(look) => {
            let is_well = socketd::doctor::doctor(&look);
            tell(is_well.map(|is_well| u8::from(!is_well)))
        }
        Command::Certs(CertsCommand::Init(arguments)) => {
            start_log(LogFormat::Text);
            exit(socketd::certs::init(&arguments))
        }
        Command::Token => {
            start_log(LogFormat::Text);
            exit(token())
        }
    }
}

fn exit(outcome: Result<(), impl Display>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Of those who look: what they found is the exit code. Nothing but standard output can have failed.
fn tell(code: std::io::Result<u8>) -> ExitCode {
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Prints a new token, and what stands for it in the configuration file.
fn token() -> std::io::Result<()> {
    let token = token::make().map_err(std::io::Error::other)?;
    let hash = token::digest(&token);
    writeln!(
        std::io::stdout(),
        "for the client, which nobody can be told again:  {token}\nfor the configuration file:  token = \"{hash}\""
    )
}

/// `socketd dial ADDRESS`. It has no log: whoever started it reads its standard error, and writes its own.
fn dial(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let complain = |error: &dyn Display, code| {
        let _ = writeln!(std::io::stderr(), "{error}");
        ExitCode::from(code)
    };
    let (Some(address), None) = (arguments.next(), arguments.next()) else {
        return complain(&"usage: socketd dial ADDRESS", WRONG_ARGUMENTS);
    };
    match address.to_string_lossy().parse::<StockAddress>() {
        Ok(address) => match socketd::dialer::dial(&address) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error, 1),
        },
        Err(error) => complain(&error, WRONG_ARGUMENTS),
    }
}

/// The log goes to standard error. `SOCKETD_LOG` may ask for more or less than `info`:
/// off, error, warn, debug, trace.
fn start_log(format: LogFormat) {
    let asked = std::env::var("SOCKETD_LOG")
        .ok()
        .and_then(|word| word.parse().ok());
    let log = fmt()
        .with_max_level(asked.unwrap_or(LevelFilter::INFO))
        .with_writer(std::io::stderr)
        // Else a line that nobody can be told is complained about where nobody hears it, and that panics.
        .log_internal_errors(false);
    match format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => log
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .init(),
    }
}
