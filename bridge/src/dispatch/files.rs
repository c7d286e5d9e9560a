//! Requests about a container's files. Tars do not pass through here: descriptors do.

use std::os::fd::{AsFd, OwnedFd};

use wire::files::{Archive, Changes};
use wire::frame::Flow;
use wire::request::Nothing;
use wire::{Refusal, RefusalCode, Request, Response};

use super::{no_descriptor, send_list};
use crate::Bridge;
use crate::runtime::Tar;
use crate::session::{Answer, End};

/// Does what is asked and answers it.
pub(super) fn answer(
    bridge: &Bridge,
    request: Request,
    descriptors: Vec<OwnedFd>,
    answer: &mut Answer<'_>,
) -> Result<(), End> {
    let supervisor = &bridge.supervisor;
    let outcome = match request {
        Request::ListChanges(container) => {
            return send_list(supervisor.changes(&container.reference), answer, |changes| {
                Response::Changes(Changes { changes })
            });
        }
        Request::Commit(commit) => supervisor
            .commit(&commit)
            .map(|image| Response::Imported(Box::new(image))),
        Request::StatPath(ask) => supervisor.stat_path(&ask).map(Response::PathStat),
        Request::ReadArchive(ask) => return pass_tar(supervisor.read_archive(&ask), answer),
        Request::Export(container) => return pass_tar(supervisor.export(&container.reference), answer),
        Request::WriteArchive(ask) => match descriptors.into_iter().next() {
            Some(tar) => supervisor
                .write_archive(&ask, tar)
                .map(|()| Response::Done(Nothing {})),
            None => Err(no_descriptor()),
        },
        other => Err(Refusal::about(
            RefusalCode::Unsupported,
            format!("{:?}", other.opcode()),
        )),
    };
    answer.finish(outcome)
}

/// Passes on where a tar comes out, and says at its end whether that was all of it.
fn pass_tar(tar: Result<Tar, Refusal>, answer: &mut Answer<'_>) -> Result<(), End> {
    let Tar { stat, stream, end } = match tar {
        Ok(tar) => tar,
        Err(refusal) => return answer.finish(Err(refusal)),
    };
    answer.send_with(
        &Response::Archive(Archive { stat }),
        Flow::More,
        &[stream.as_fd()],
    )?;
    drop(stream);
    let outcome = end().map_err(|error| Refusal::because(RefusalCode::RuntimeFailed, error.to_string()));
    answer.finish(outcome.map(|()| Response::Done(Nothing {})))
}
