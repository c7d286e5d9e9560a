//! `down`: every container stopped, and whoever runs them ended.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use journal::storage::Directory;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wire::request::{IfNewer, Nothing, Stop};
use wire::{RefusalCode, Request, Response, Status};

use crate::client::Client;
use crate::config::{Down, Layout, Retention, RuntimeName};
use crate::listen;
use crate::serve::{self, StartError};
use crate::sys::pidfd;

/// Longest wait for the end of a bridge that answers no more, in milliseconds.
const END_WAIT_MS: u16 = 30_000;

/// Containers stopped at the same time.
const AT_ONCE: usize = 8;

/// Stops every container; a bridge that runs is told to end, and waited for.
///
/// # Errors
/// Why nothing could be stopped.
pub fn run(arguments: &Down) -> Result<(), StartError> {
    // Half of the containers stopped is what nobody wants: Ctrl-C waits until all are.
    serve::end_signals()?;
    let layout = serve::prepare(&arguments.common)?;
    let stopped = match Client::connect(&layout.sockets().join(listen::WATCH)) {
        Ok(mut watch) => {
            let failed = |error| StartError::File(layout.sockets(), error);
            let all = sees_all(&mut watch, &layout, &arguments.common.runtimes.names).map_err(failed)?;
            let permitted = stop_through(&layout, watch).map_err(failed)?;
            if !permitted || !all {
                await_journal(&layout);
            }
            permitted && all
        }
        Err(_) => false,
    };
    if stopped {
        Ok(())
    } else {
        stop_alone(arguments, &layout)
    }
}

/// Whether a bridge that runs sees all containers of these runtimes. Of one that it was not started with it sees none.
fn sees_all(watch: &mut Client, layout: &Layout, names: &[RuntimeName]) -> io::Result<bool> {
    let answers = watch.ask(&Request::Info(Nothing::default()))?;
    let Some(Response::Info(info)) = answers.first() else {
        return Ok(false);
    };
    let sees = |name: &RuntimeName| {
        let word = name.to_possible_value();
        let knows = word.is_some_and(|word| info.runtimes.iter().any(|known| known == word.get_name()));
        knows || !layout.may_have_containers(*name)
    };
    Ok(names.iter().all(sees))
}

/// Waits until the journal of a bridge that has ended is free. Where the kernel does not tell of a process's end,
/// that may come a moment after the end of its connections.
fn await_journal(layout: &Layout) {
    const NAP: Duration = Duration::from_millis(1);
    let deadline = Instant::now() + Duration::from_millis(END_WAIT_MS.into());
    let busy = || match Directory::lock(&layout.journal()) {
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        Ok(_) => false,
    };
    while busy() && Instant::now() < deadline {
        thread::sleep(NAP);
    }
}

/// Nobody runs, or who ran might not be asked to stop, or does not see all there is: this process is the bridge for as long as it takes.
fn stop_alone(arguments: &Down, layout: &Layout) -> Result<(), StartError> {
    let ceiling = serve::ceiling(&arguments.common)?.for_root();
    let (bridge, _gate) = serve::start(&arguments.common, layout, Retention::ALL, ceiling, false)?;
    let mut running = Vec::new();
    bridge.supervisor.inventory().each(|unit| {
        if stands(&unit.container.state.status) {
            running.push(unit.container.id.to_string());
        }
    });
    in_parallel(&running, |reference| {
        match bridge.supervisor.stop(&stop(reference)) {
            Err(refusal) if refusal.code != RefusalCode::NotRunning => {
                tracing::error!(container = reference, %refusal, "could not stop a container");
            }
            _ => {}
        }
    });
    Ok(())
}

fn stop(reference: &str) -> Stop {
    Stop {
        reference: reference.to_owned(),
        ..Stop::default()
    }
}

fn stands(status: &Status) -> bool {
    matches!(status, Status::Running | Status::Paused | Status::Restarting)
}

/// Stops every container through the bridge that runs, and ends it. False where its ceiling lets nobody stop
/// containers.
fn stop_through(layout: &Layout, mut watch: Client) -> io::Result<bool> {
    let mut running = Vec::new();
    for response in watch.ask(&Request::ListContainers(IfNewer::default()))? {
        if let Response::Containers(part) = response {
            let stands = part
                .containers
                .into_iter()
                .filter(|container| stands(&container.state.status));
            running.extend(stands.map(|container| container.id.to_string()));
        }
    }
    let control = layout.sockets().join(listen::CONTROL);
    let permitted = AtomicBool::new(true);
    in_parallel(&running, |reference| stop_one(&control, reference, &permitted));
    end_of(watch)?;
    Ok(permitted.into_inner())
}

fn stop_one(control: &Path, reference: &str, permitted: &AtomicBool) {
    let answers = Client::connect(control).and_then(|mut client| client.ask(&Request::Stop(stop(reference))));
    match answers.as_deref() {
        Ok([Response::Refused(refusal)]) if refusal.code == RefusalCode::NotPermitted => {
            permitted.store(false, Ordering::Relaxed);
        }
        Ok([Response::Refused(refusal)]) if refusal.code != RefusalCode::NotRunning => {
            tracing::error!(container = reference, %refusal, "could not stop a container");
        }
        Ok(_) => {}
        Err(error) => tracing::error!(container = reference, %error, "could not stop a container"),
    }
}

/// Tells the bridge to end, and waits until its side of the connection closes.
fn end_of(mut watch: Client) -> io::Result<()> {
    let bridge = watch.peer()?;
    let process = pidfd::open(bridge.pid.unsigned_abs()).ok();
    kill(Pid::from_raw(bridge.pid), Signal::SIGTERM)?;
    // A poll that no event answers ends with the bridge.
    let ask = wire::request::PollEvents {
        after: u64::MAX,
        wait_ms: 30_000,
        ..Default::default()
    };
    match watch.ask(&Request::PollEvents(ask)) {
        Err(_) => {
            // What it held, its journal among it, is free once its last thread is gone. Before 5.3 nothing
            // tells of that; then its connections were among the last to close.
            if let Some(process) = process {
                let _ = poll(
                    &mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)],
                    END_WAIT_MS,
                );
            }
            Ok(())
        }
        Ok(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the bridge did not end")),
    }
}

fn in_parallel(references: &[String], act: impl Fn(&str) + Sync) {
    for group in references.chunks(AT_ONCE) {
        thread::scope(|scope| {
            for reference in group {
                scope.spawn(|| act(reference));
            }
        });
    }
    if !references.is_empty() {
        tracing::info!(containers = references.len(), "stopped");
    }
}
