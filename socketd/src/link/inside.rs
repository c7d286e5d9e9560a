//! Calls about what goes on within a container: its log, its input, further processes.
//!
//! Descriptors come beside some answers; whoever gets them reads and writes without the bridge.

use std::os::fd::OwnedFd;

use tokio::time::timeout;
use wire::exec::{CreateExec, Exec, ExecRef, ExecSpec, ExecStarted, InspectExec, StartExec};
use wire::files::{Input, Log, OpenLog, Resize};
use wire::request::ContainerRef;
use wire::{Request, Response};

use super::{Link, LinkError};
use crate::limits::{ACT_TIME_MAX, ASK_TIME_MAX};

/// A log with its files and, where it has one, its bell.
#[derive(Debug)]
pub struct OpenedLog {
    /// What the bridge says of it.
    pub log: Log,
    /// The files, oldest first.
    pub files: Vec<OwnedFd>,
    /// Rings after every write.
    pub bell: Option<OwnedFd>,
}

/// The streams of a further process, as far as somebody is to read or write them.
#[derive(Debug)]
pub struct ExecStreams {
    /// The master of its terminal.
    pub terminal: Option<OwnedFd>,
    /// Where its standard input is written.
    pub input: Option<OwnedFd>,
    /// Where its standard output is read.
    pub output: Option<OwnedFd>,
    /// Where its standard error is read.
    pub error: Option<OwnedFd>,
}

fn unexpected<T>(response: &Response) -> Result<T, LinkError> {
    Err(LinkError::Unexpected {
        kind: response.kind(),
    })
}

fn container_ref(reference: &str) -> ContainerRef {
    ContainerRef {
        reference: reference.to_owned(),
    }
}

impl Link {
    /// One answer with its descriptors, on a connection of its own so that none can stray.
    async fn call_passed(&self, request: &Request) -> Result<(Response, Vec<OwnedFd>), LinkError> {
        let time_max = match super::power(request.opcode()) {
            super::Power::Ask => ASK_TIME_MAX,
            super::Power::Act => ACT_TIME_MAX,
        };
        let answer = async { self.call_long(request).await?.receive_passed().await };
        timeout(time_max, answer).await.unwrap_or(Err(LinkError::Late))
    }

    async fn log(&self, request: &Request) -> Result<OpenedLog, LinkError> {
        let (response, mut passed) = self.call_passed(request).await?;
        let Response::Log(log) = response else {
            return unexpected(&response);
        };
        if passed.len() != log.files.len() + usize::from(log.bell) {
            return unexpected(&Response::Log(log));
        }
        let bell = if log.bell { passed.pop() } else { None };
        Ok(OpenedLog {
            log,
            files: passed,
            bell,
        })
    }

    /// Opens a container's log; with `follow`, with a bell.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn open_log(&self, reference: &str, follow: bool) -> Result<OpenedLog, LinkError> {
        let reference = reference.to_owned();
        self.log(&Request::OpenLog(OpenLog { reference, follow })).await
    }

    /// Opens a container's log as one that is attached; it need not run yet.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn attach(&self, reference: &str) -> Result<OpenedLog, LinkError> {
        self.log(&Request::Attach(container_ref(reference))).await
    }

    /// Opens the way to the standard input of a container that runs.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn open_input(&self, reference: &str) -> Result<(Input, OwnedFd), LinkError> {
        let request = Request::OpenInput(container_ref(reference));
        let (response, mut passed) = self.call_passed(&request).await?;
        match (response, passed.pop()) {
            (Response::Input(input), Some(descriptor)) => Ok((input, descriptor)),
            (other, _) => unexpected(&other),
        }
    }

    /// Gives a container's terminal a size.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn resize(&self, resize: Resize) -> Result<(), LinkError> {
        match self.call(&Request::Resize(resize)).await? {
            Response::Done(_) => Ok(()),
            other => unexpected(&other),
        }
    }

    /// Prepares a further process; its id.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn create_exec(&self, reference: &str, spec: ExecSpec) -> Result<String, LinkError> {
        let reference = reference.to_owned();
        let request = Request::CreateExec(Box::new(CreateExec { reference, spec }));
        match self.call(&request).await? {
            Response::ExecCreated(created) => Ok(created.id),
            other => unexpected(&other),
        }
    }

    /// Starts a prepared process.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn start_exec(&self, start: StartExec) -> Result<ExecStreams, LinkError> {
        let (response, passed) = self.call_passed(&Request::StartExec(start)).await?;
        let Response::ExecStarted(started) = response else {
            return unexpected(&response);
        };
        let mut passed = passed.into_iter();
        let ExecStarted {
            terminal,
            input,
            output,
            error,
            ..
        } = started;
        let mut take = |told: bool| match (told, told.then(|| passed.next()).flatten()) {
            (true, None) => unexpected(&Response::ExecStarted(ExecStarted::default())),
            (_, descriptor) => Ok(descriptor),
        };
        Ok(ExecStreams {
            terminal: take(terminal)?,
            input: take(input)?,
            output: take(output)?,
            error: take(error)?,
        })
    }

    /// What a further process is.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn inspect_exec(&self, id: &str) -> Result<Box<Exec>, LinkError> {
        let request = Request::InspectExec(InspectExec {
            id: id.to_owned(),
            until_ended: false,
        });
        match self.call(&request).await? {
            Response::Exec(exec) => Ok(exec),
            other => unexpected(&other),
        }
    }

    /// Returns once a further process no longer runs. Waits for ever: the caller may drop it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn exec_ended(&self, id: &str) -> Result<Box<Exec>, LinkError> {
        let request = Request::InspectExec(InspectExec {
            id: id.to_owned(),
            until_ended: true,
        });
        match self.call_long(&request).await?.receive().await? {
            Response::Exec(exec) => Ok(exec),
            other => unexpected(&other),
        }
    }

    /// Ends a further process whose client is gone.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn hang_up_exec(&self, id: &str) -> Result<(), LinkError> {
        match self
            .call(&Request::HangUpExec(ExecRef { id: id.to_owned() }))
            .await?
        {
            Response::Done(_) => Ok(()),
            other => unexpected(&other),
        }
    }
}
