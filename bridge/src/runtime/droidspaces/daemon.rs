//! The runtime's own daemon: a request on a socket that anybody could have taken the name of.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::relay::frames::ordered;
use crate::runtime::RuntimeError;

/// Bit of a request that asks for a terminal.
const TERMINAL: u32 = 1;

/// Arguments that the daemon takes; its own limit.
const ARGUMENTS_MAX: usize = 64;

/// Longest argument that it takes, in bytes; its own limit.
const ARGUMENT_BYTES_MAX: usize = 8192;

/// Longest wait for a daemon that does not let anybody in, or does not read what it is asked. Stops one
/// that hangs from holding up the container.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the daemon takes such a request. It refuses the names of two of its own commands, wherever they
/// stand, and more or longer arguments than it has room for.
pub(super) fn takes(arguments: &[String]) -> bool {
    (1..=ARGUMENTS_MAX).contains(&arguments.len())
        && arguments.iter().all(|argument| {
            argument.len() <= ARGUMENT_BYTES_MAX && !matches!(argument.as_str(), "daemon" | "client")
        })
}

/// Connects to the daemon of this abstract name; none where nobody has that name.
///
/// # Errors
/// `EACCES` where it is not root who has it; else what the kernel said.
pub(super) fn reach(name: &str) -> Result<Option<OwnedFd>, RuntimeError> {
    let failed = RuntimeError::system::<Errno>;
    let address = UnixAddr::new_abstract(name.as_bytes()).map_err(failed("name the runtime's daemon"))?;
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(failed("reach the runtime's daemon"))?;
    let wait = TimeVal::new(i64::try_from(PATIENCE.as_secs()).unwrap_or_default(), 0);
    setsockopt(&socket, sockopt::SendTimeout, &wait).map_err(failed("reach the runtime's daemon"))?;
    match connect(socket.as_raw_fd(), &address) {
        Err(Errno::ECONNREFUSED) => return Ok(None),
        other => other.map_err(failed("reach the runtime's daemon"))?,
    }
    // Whoever listens, by the kernel's word. The name is free to all, and so proves nothing.
    let who = getsockopt(&socket, sockopt::PeerCredentials).map_err(failed("know the runtime's daemon"))?;
    if who.uid() != 0 {
        tracing::warn!(
            uid = who.uid(),
            pid = who.pid(),
            "the name of the runtime's daemon is taken by somebody else"
        );
        return Err(failed("trust the runtime's daemon")(Errno::EACCES));
    }
    Ok(Some(socket))
}

/// Sends a request; from then on both speak in frames. `window`: rows and columns of a terminal.
///
/// # Errors
/// What the kernel said.
pub(super) fn ask(
    socket: OwnedFd,
    arguments: &[String],
    window: Option<(u16, u16)>,
) -> Result<OwnedFd, RuntimeError> {
    let mut stream = UnixStream::from(socket);
    stream
        .write_all(&request(arguments, window))
        .map_err(RuntimeError::system("ask the runtime's daemon"))?;
    Ok(stream.into())
}

fn request(arguments: &[String], window: Option<(u16, u16)>) -> Vec<u8> {
    let length = |length: usize| ordered(u32::try_from(length).unwrap_or(u32::MAX));
    let mut bytes = Vec::new();
    bytes.extend(ordered(if window.is_some() { TERMINAL } else { 0 }));
    bytes.extend(length(arguments.len()));
    for argument in arguments {
        bytes.extend(length(argument.len()));
        bytes.extend(argument.as_bytes());
    }
    if let Some((rows, columns)) = window {
        let [_, _, high, low] = ordered(rows.into());
        let [_, _, wide_high, wide_low] = ordered(columns.into());
        bytes.extend([high, low, wide_high, wide_low]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let arguments = ["--name=a".to_owned(), String::new(), "ls".to_owned()];
        assert_eq!(
            request(&arguments, None),
            b"\0\0\0\0\0\0\0\x03\0\0\0\x08--name=a\0\0\0\0\0\0\0\x02ls"
        );
        assert_eq!(
            request(&arguments[2..], Some((24, 258))),
            b"\0\0\0\x01\0\0\0\x01\0\0\0\x02ls\0\x18\x01\x02"
        );
    }

    #[test]
    fn what_the_daemon_takes() {
        fn check(arguments: &[&str], expected: bool) {
            let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(takes(&arguments), expected, "{arguments:?}");
        }
        check(&["run", "ls"], true);
        check(&["run", "ls", ""], true);
        check(&[], false);
        check(&["run", "systemctl", "daemon"], false);
        check(&["run", "client"], false);
        check(&["run", "daemon-reload"], true);
        check(&["x"; ARGUMENTS_MAX], true);
        check(&["x"; ARGUMENTS_MAX + 1], false);
        check(&[&"x".repeat(ARGUMENT_BYTES_MAX)], true);
        check(&[&"x".repeat(ARGUMENT_BYTES_MAX + 1)], false);
    }
}
