//! Starting a shim and hearing from it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::super::RuntimeError;
use super::program::Program;
use crate::shim::record::{self, Order, Report, Run};

/// Starts a shim for the container in `directory` and waits until it has answered. The shim lives as
/// long as its container; whoever learns of its end must reap it.
///
/// The wait has no deadline, because mounting a slow disk has none either; a shim that ends without
/// an answer ends the wait.
pub(super) fn start(
    program: &Program,
    directory: &Path,
    order: &Order,
) -> Result<(Run, Child), RuntimeError> {
    let failed = RuntimeError::system::<io::Error>;
    let (ours, theirs): (OwnedFd, OwnedFd) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(RuntimeError::system("talk to the shim"))?;
    record::send_message(&ours, order).map_err(failed("talk to the shim"))?;
    // The runtime library starts it without copying this process, threads or no threads. Arguments
    // alone: nothing of the bridge's environment or streams goes along.
    let mut child = Command::new(program.path())
        .arg0("socketd-bridge")
        .arg("shim")
        .arg(directory)
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed("start the shim"))?;
    let answer = match record::receive_message::<Report>(&ours) {
        Ok(Some(report)) => match report.failure {
            None => return Ok((Run::from(report), child)),
            Some(failure) => failure.into(),
        },
        Ok(None) => RuntimeError::System {
            attempt: "start the shim",
            error: io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer"),
        },
        Err(error) => failed("talk to the shim")(error),
    };
    // It has said all it had to say, and ends.
    let _ = child.wait();
    Err(answer)
}
