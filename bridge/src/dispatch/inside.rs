//! Requests about a container from within. Bulk bytes do not pass through here: descriptors do.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use wire::exec::{ExecCreated, InspectExec};
use wire::files::{Input, Log, Updated};
use wire::frame::Flow;
use wire::request::Nothing;
use wire::stats::Processes;
use wire::{Refusal, RefusalCode, Request, Response};

use super::{await_news, files, send_list};
use crate::Bridge;
use crate::session::{Answer, End};
use crate::supervise::LogOpening;

/// Does what is asked and answers it.
pub(super) fn answer(
    bridge: &Bridge,
    request: Request,
    descriptors: Vec<OwnedFd>,
    answer: &mut Answer<'_>,
) -> Result<(), End> {
    let supervisor = &bridge.supervisor;
    let done = |outcome: Result<(), Refusal>| outcome.map(|()| Response::Done(Nothing {}));
    let outcome = match request {
        Request::OpenLog(ask) => {
            return open_log(ask.follow, answer, |bell| {
                supervisor.open_log(&ask.reference, bell)
            });
        }
        Request::Attach(container) => {
            return open_log(true, answer, |bell| supervisor.attach(&container.reference, bell));
        }
        Request::ListProcesses(container) => {
            return send_list(supervisor.processes(&container.reference), answer, |processes| {
                Response::Processes(Processes { processes })
            });
        }
        Request::ReadStats(container) => supervisor
            .stats(&container.reference)
            .map(|stats| Response::Stats(Box::new(stats))),
        Request::InspectExec(inspect) => return inspect_exec(bridge, &inspect, answer),
        Request::Pause(container) => done(supervisor.freeze(&container.reference, true)),
        Request::Unpause(container) => done(supervisor.freeze(&container.reference, false)),
        Request::Update(update) => supervisor
            .update(&update)
            .map(|warnings| Response::Updated(Updated { warnings })),
        Request::CreateExec(create) => supervisor
            .create_exec(*create)
            .map(|id| Response::ExecCreated(ExecCreated { id })),
        Request::StartExec(start) => match supervisor.start_exec(&start) {
            Ok((started, streams)) => {
                let passed: Vec<BorrowedFd<'_>> = streams.iter().map(AsFd::as_fd).collect();
                return answer.send_with(&Response::ExecStarted(started), Flow::Last, &passed);
            }
            Err(refusal) => Err(refusal),
        },
        Request::HangUpExec(exec) => done(supervisor.hang_up_exec(&exec.id)),
        Request::OpenInput(container) => match supervisor.open_input(&container.reference) {
            Ok(input) => {
                let response = Response::Input(Input {
                    terminal: input.terminal,
                });
                return answer.send_with(&response, Flow::Last, &[input.end.as_fd()]);
            }
            Err(refusal) => Err(refusal),
        },
        Request::Resize(resize) => done(supervisor.resize(&resize)),
        other => return files::answer(bridge, other, descriptors, answer),
    };
    answer.finish(outcome)
}

/// Says what a further process is; where that is asked, not before it has ended.
fn inspect_exec(bridge: &Bridge, inspect: &InspectExec, answer: &mut Answer<'_>) -> Result<(), End> {
    let supervisor = &bridge.supervisor;
    let look = || supervisor.inspect_exec(inspect);
    if !inspect.until_ended {
        return answer.finish(look().map(|exec| Response::Exec(Box::new(exec))));
    }
    // Subscribed before looking, so that nothing falls between the two.
    let subscription = match supervisor.ledger().publisher().subscribe() {
        Ok(subscription) => subscription,
        Err(refusal) => return answer.finish(Err(refusal)),
    };
    loop {
        match look() {
            Ok(exec) if exec.running => await_news(&subscription, answer, None)?,
            seen => return answer.finish(seen.map(|exec| Response::Exec(Box::new(exec)))),
        }
        subscription.take();
    }
}

/// Opens a log; where it is followed, with a bell whose other end stays with the runtime.
fn open_log(
    follow: bool,
    answer: &mut Answer<'_>,
    open: impl FnOnce(Option<OwnedFd>) -> Result<LogOpening, Refusal>,
) -> Result<(), End> {
    let (bell, ringer) = if follow {
        match pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK) {
            Ok((bell, ringer)) => (Some(bell), Some(ringer)),
            Err(error) => {
                let refusal = Refusal::because(RefusalCode::Internal, error.to_string());
                return answer.finish(Err(refusal));
            }
        }
    } else {
        (None, None)
    };
    let LogOpening {
        files,
        tty,
        running,
        raw,
    } = match open(ringer) {
        Ok(opening) => opening,
        Err(refusal) => return answer.finish(Err(refusal)),
    };
    let mut passed: Vec<BorrowedFd<'_>> = files.iter().map(|(_, file)| file.as_fd()).collect();
    passed.extend(bell.as_ref().map(AsFd::as_fd));
    let log = Log {
        files: files.iter().map(|(file, _)| file.clone()).collect(),
        tty,
        bell: bell.is_some(),
        running,
        raw,
    };
    answer.send_with(&Response::Log(log), Flow::Last, &passed)
}
