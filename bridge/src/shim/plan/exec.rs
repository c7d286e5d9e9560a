//! A further process in a container that runs, planned as the container's first process was.

use wire::ExecSpec;

use super::{Init, ProcessPlan, Streams, TerminalSize, arguments, checked_directory, merge};
use crate::shim::failure::Failure;

/// A further process and its streams.
#[derive(Debug)]
pub struct ExecPlan {
    /// The process: the container's own plan, with what was asked instead.
    pub process: ProcessPlan,
    /// Whether somebody writes its standard input.
    pub input: bool,
    /// Whether somebody reads its standard output.
    pub output: bool,
    /// Whether somebody reads its standard error.
    pub error: bool,
}

impl ExecPlan {
    /// Plans a further process in the container whose first process is `first`. `detach`: nobody
    /// reads or writes, whatever `spec` says.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn new(first: &ProcessPlan, spec: &ExecSpec, detach: bool) -> Result<Self, Failure> {
        let mut process = first.clone();
        process.arguments = arguments(spec.arguments.iter())?;
        if spec.tty && !process.env.iter().any(|variable| variable.starts_with("TERM=")) {
            process.env.push("TERM=xterm".to_owned());
        }
        merge(&mut process.env, &spec.env);
        if let Some(asked) = checked_directory(&spec.working_dir)? {
            process.working_dir = asked;
        }
        if !spec.user.is_empty() {
            process.user.clone_from(&spec.user);
        }
        if spec.privileged {
            // The filter stays the container's, and lets through what these powers need.
            process.capabilities = caps::all();
            process.new_privileges = true;
        }
        process.streams = if spec.tty {
            Streams::Terminal
        } else {
            Streams::OutputAndInput
        };
        process.size = TerminalSize {
            rows: spec.rows,
            columns: spec.columns,
        };
        process.init = Init::Command;
        let attached = |asked: bool| asked && !detach && !spec.tty;
        Ok(Self {
            process,
            input: attached(spec.attach_stdin),
            output: attached(spec.attach_stdout),
            error: attached(spec.attach_stderr),
        })
    }
}
