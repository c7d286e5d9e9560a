//! Requests about a container's files. Tars do not pass through here: descriptors do.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
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

/// Waits until the maker of a tar has something to say, or the peer has gone.
fn await_either(ears: &OwnedFd, answer: &Answer<'_>) -> Result<(), End> {
    let peer = answer.stream();
    let mut fds = [
        PollFd::new(ears.as_fd(), PollFlags::POLLIN),
        PollFd::new(peer.as_fd(), PollFlags::POLLIN),
    ];
    while matches!(poll(&mut fds, PollTimeout::NONE), Err(Errno::EINTR)) {}
    let [maker, peer] = fds;
    if !maker.any().unwrap_or(true) && peer.any().unwrap_or(true) {
        return Err(End::Gone(io::ErrorKind::ConnectionAborted.into()));
    }
    Ok(())
}

/// Passes on where a tar comes out, and says at its end whether that was all of it.
fn pass_tar(tar: Result<Tar, Refusal>, answer: &mut Answer<'_>) -> Result<(), End> {
    let Tar {
        stat,
        stream,
        ears,
        end,
    } = match tar {
        Ok(tar) => tar,
        Err(refusal) => return answer.finish(Err(refusal)),
    };
    answer.send_with(
        &Response::Archive(Archive { stat }),
        Flow::More,
        &[stream.as_fd()],
    )?;
    drop(stream);
    // A maker that writes hears that its reader has gone. One that hangs in a file system does not.
    await_either(&ears, answer)?;
    let outcome = end().map_err(|error| Refusal::because(RefusalCode::RuntimeFailed, error.to_string()));
    answer.finish(outcome.map(|()| Response::Done(Nothing {})))
}
