//! The program `socketd`: arguments, the log, and the exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use socketd::config::{Cli, Command, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

fn main() -> ExitCode {
    let Command::Serve(arguments) = Cli::parse().command;
    start_log(arguments.log_format);
    match socketd::serve::serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The log goes to standard error. `SOCKETD_LOG` may ask for more or less than `info`.
fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_env("SOCKETD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .init(),
    }
}
