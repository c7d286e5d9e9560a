//! The program `socketd-fleet`: arguments, the log, and the exit code.

use std::process::ExitCode;

use fleet::cli::{Cli, Command, Log};
use fleet::{coordinator, hawser, node};
use tracing_subscriber::fmt;

fn main() -> ExitCode {
    match Cli::of_process().command {
        Command::Hawser(arguments) => {
            start_log(arguments.log());
            exit(hawser::run(&arguments))
        }
        Command::Node(arguments) => {
            start_log(arguments.log());
            exit(node::run(&arguments))
        }
        Command::Coordinator(arguments) => {
            start_log(arguments.settings.log());
            exit(coordinator::run(&arguments))
        }
        Command::SelfHosted(arguments) => {
            start_log(arguments.settings.log());
            exit(coordinator::run_self_hosted(&arguments))
        }
    }
}

fn exit(outcome: Result<(), impl std::fmt::Display>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The log goes to standard error, as those of the other two programs do.
fn start_log(asked: Log) {
    let log = fmt()
        .with_max_level(asked.level)
        .with_writer(std::io::stderr)
        .with_target(false)
        // Else a line that nobody can be told is complained about where nobody hears it, and that panics.
        .log_internal_errors(false);
    if asked.is_json {
        log.json().flatten_event(true).init();
    } else {
        log.with_ansi(false).init();
    }
}
