//! Starting a shim and hearing from it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use nix::sys::time::TimeVal;

use super::super::RuntimeError;
use super::program::Program;
use crate::launcher;
use crate::shim::record::{self, Order, Report, Run};

/// Longest wait for a shim's answer: less than the front waits for a start. Stops what is mounted from a
/// file system that hangs, from keeping the container's turn, and a thread of each who asks for it.
const ANSWER_WAIT: Duration = Duration::from_secs(45);

/// Starts a shim for the container in `directory` and waits until it has answered. The shim lives as
/// long as its container; whoever learns of its end must reap it.
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
    let wait = TimeVal::new(i64::try_from(ANSWER_WAIT.as_secs()).unwrap_or_default(), 0);
    setsockopt(&ours, sockopt::ReceiveTimeout, &wait).map_err(RuntimeError::system("talk to the shim"))?;
    // The runtime library starts it without copying this process, threads or no threads. Arguments
    // alone: nothing of the bridge's environment or streams goes along.
    let mut command = Command::new(program.path());
    command
        .arg0("socketd-bridge")
        .arg("shim")
        .arg(directory)
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = launcher::spawn(command).map_err(failed("start the shim"))?;
    let answer = match record::receive_message::<Report>(&ours) {
        Ok(Some(report)) => match report.failure {
            None => return Ok((Run::from(report), child)),
            Some(failure) => failure.into(),
        },
        Ok(None) => RuntimeError::System {
            attempt: "start the shim",
            error: io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer"),
        },
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            // What it waits for may hang in the kernel. It does not itself, and with it goes what it made.
            let _ = child.kill();
            failed("start the container: what it mounts does not answer")(io::ErrorKind::TimedOut.into())
        }
        Err(error) => failed("talk to the shim")(error),
    };
    // It has said all it had to say, and ends.
    let _ = child.wait();
    Err(answer)
}
