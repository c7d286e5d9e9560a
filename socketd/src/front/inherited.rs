//! Sockets that systemd, or whoever starts this program, has opened for it: `sd_listen_fds(3)`.
//!
//! `LISTEN_FDS` says how many there are, from descriptor 3 on, `LISTEN_PID` whom they are meant for, `LISTEN_FDNAMES` what
//! they are called. The variables stay where they are: the one process that this one starts gets no environment.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags,
    SocketType, getsockname, recvmsg, socketpair,
};

use crate::config::asked::{Inherited, InheritedAddress};
use crate::limits::INHERITED_MAX;

/// The number of the first.
const FIRST: RawFd = 3;
/// What a socket is called to which nobody gave a name.
const UNNAMED: &str = "unknown";

/// Why they cannot be used.
#[derive(Debug)]
pub enum TakeError {
    /// `LISTEN_FDS` is no number, or a larger one than there are listeners.
    Count(String),
    /// `LISTEN_FDNAMES` has another number of names.
    Names(usize, usize),
    /// There is no such descriptor, or it cannot be taken over.
    Missing(RawFd, io::Error),
    /// It is no socket on which connections are accepted.
    NotListening(RawFd, String),
    /// It listens neither in the file system nor on TCP.
    Family(RawFd, String),
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(text) => write!(
                f,
                "LISTEN_FDS says {text:?}: it must be a number, and at most {INHERITED_MAX}"
            ),
            Self::Names(names, sockets) => write!(
                f,
                "LISTEN_FDNAMES has {names} names for {sockets} sockets (LISTEN_FDS)"
            ),
            Self::Missing(number, error) => {
                write!(f, "descriptor {number}, which LISTEN_FDS promises: {error}")
            }
            Self::NotListening(number, name) => write!(
                f,
                "descriptor {number} ({name}) is no listening stream socket: ListenStream= without Accept=yes makes one"
            ),
            Self::Family(number, name) => write!(
                f,
                "descriptor {number} ({name}) is neither a unix socket nor one of TCP"
            ),
        }
    }
}

impl std::error::Error for TakeError {}

/// What was taken: the sockets, in the order of what there is to know about them.
#[derive(Debug, Default)]
pub struct Taken {
    /// Names and addresses.
    pub known: Vec<Inherited>,
    /// The sockets themselves. Each closes on execution.
    pub sockets: Vec<OwnedFd>,
}

/// Takes over what the environment says, if it is meant for this process. To be called before anything is
/// opened; the descriptors that they came as stay for whoever closes what is inherited.
///
/// # Errors
/// See [`TakeError`].
pub fn take() -> Result<Taken, TakeError> {
    let variable = |name| env::var_os(name);
    let (pid, count) = (variable("LISTEN_PID"), variable("LISTEN_FDS"));
    let Some(count) = meant(pid.as_deref(), count.as_deref(), std::process::id())? else {
        return Ok(Taken::default());
    };
    let names = names(variable("LISTEN_FDNAMES").as_deref(), count)?;
    let mut taken = Taken::default();
    for (number, name) in (FIRST..).zip(names) {
        let socket = own(number).map_err(|error| TakeError::Missing(number, error))?;
        taken.known.push(know(number, name, &socket)?);
        taken.sockets.push(socket);
    }
    Ok(taken)
}

/// How many there are for this process; none where they are meant for another.
fn meant(pid: Option<&OsStr>, count: Option<&OsStr>, own: u32) -> Result<Option<usize>, TakeError> {
    let (Some(pid), Some(count)) = (pid, count) else {
        return Ok(None);
    };
    if pid.to_str().and_then(|pid| pid.parse().ok()) != Some(own) {
        return Ok(None);
    }
    let number = count.to_str().and_then(|count| count.parse().ok());
    match number.filter(|number| *number <= INHERITED_MAX) {
        Some(number) => Ok(Some(number)),
        None => Err(TakeError::Count(count.to_string_lossy().into_owned())),
    }
}

/// A name for each.
fn names(text: Option<&OsStr>, count: usize) -> Result<Vec<String>, TakeError> {
    let Some(text) = text.filter(|_| count > 0) else {
        return Ok(vec![UNNAMED.to_owned(); count]);
    };
    let text = text.to_string_lossy();
    let names: Vec<String> = text
        .split(':')
        // They are written to the log.
        .map(|name| name.replace(char::is_control, "?"))
        .collect();
    if names.len() == count {
        Ok(names)
    } else {
        Err(TakeError::Names(names.len(), count))
    }
}

/// Makes a descriptor that is known by its number alone our own: it is sent to ourselves. What arrives is
/// another descriptor of the same socket, and closes on execution.
fn own(number: RawFd) -> io::Result<OwnedFd> {
    let (to, from) = socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let sent = [number];
    sendmsg::<()>(
        to.as_raw_fd(),
        &[IoSlice::new(&[0])],
        &[ControlMessage::ScmRights(&sent)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let parts = &mut [IoSliceMut::new(&mut byte)];
    recvmsg(&from, parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut received = control.drain().filter_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.next().ok_or_else(|| Errno::EBADF.into())
}

/// What kind of socket it is, by the kernel's word.
fn know(number: RawFd, name: String, socket: &OwnedFd) -> Result<Inherited, TakeError> {
    let listens = socket_type(socket) == Ok(SocketType::STREAM) && socket_acceptconn(socket) == Ok(true);
    if !listens {
        return Err(TakeError::NotListening(number, name));
    }
    match address(socket) {
        Some(address) => Ok(Inherited { name, address }),
        None => Err(TakeError::Family(number, name)),
    }
}

fn address(socket: &OwnedFd) -> Option<InheritedAddress> {
    let any = getsockname(socket).ok()?;
    if any.address_family() != AddressFamily::UNIX {
        return SocketAddr::try_from(any).ok().map(InheritedAddress::Tcp);
    }
    let unix = SocketAddrUnix::try_from(any).ok()?;
    let path = match unix.abstract_name() {
        Some(name) => [b"@", name].concat(),
        None => unix.path_bytes()?.to_vec(),
    };
    Some(InheritedAddress::Unix(PathBuf::from(OsStr::from_bytes(&path))))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[track_caller]
    fn check(pid: Option<&str>, count: Option<&str>, expected: Result<Option<usize>, &str>) {
        let got = meant(pid.map(OsStr::new), count.map(OsStr::new), 7);
        let got = got.map_err(|error| error.to_string());
        let fits = match (&got, expected) {
            (Ok(got), Ok(expected)) => *got == expected,
            (Err(got), Err(expected)) => got.contains(expected),
            _ => false,
        };
        assert!(fits, "{pid:?} {count:?}: {got:?}");
    }

    #[test]
    fn whom_they_are_meant_for() {
        check(Some("7"), Some("2"), Ok(Some(2)));
        check(Some("7"), Some("0"), Ok(Some(0)));
        check(Some("8"), Some("2"), Ok(None));
        check(Some("8"), Some("many"), Ok(None));
        check(Some(""), Some("2"), Ok(None));
        check(None, Some("2"), Ok(None));
        check(Some("7"), None, Ok(None));
        check(Some("7"), Some("many"), Err("LISTEN_FDS says \"many\""));
        check(Some("7"), Some("-1"), Err("at most 64"));
        check(Some("7"), Some("65"), Err("at most 64"));
    }

    #[track_caller]
    fn check_names(text: Option<&str>, count: usize, expected: Option<&[&str]>) {
        let got = names(text.map(OsStr::new), count).ok();
        let expected = expected.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(got, expected, "{text:?}");
    }

    #[test]
    fn what_they_are_called() {
        check_names(Some("a:b.socket"), 2, Some(&["a", "b.socket"]));
        check_names(Some("a:"), 2, Some(&["a", ""]));
        check_names(Some("a\nb"), 1, Some(&["a?b"]));
        check_names(None, 2, Some(&["unknown", "unknown"]));
        check_names(Some(""), 0, Some(&[]));
        check_names(Some("a"), 2, None);
        check_names(Some("a:b"), 1, None);
    }

    #[test]
    fn a_descriptor_becomes_our_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = own(listener.as_raw_fd()).unwrap();
        assert_ne!(socket.as_raw_fd(), listener.as_raw_fd());
        let known = know(3, "a".to_owned(), &socket).unwrap();
        assert_eq!(
            known.address,
            InheritedAddress::Tcp(listener.local_addr().unwrap())
        );
        assert_eq!(own(-1).unwrap_err().raw_os_error(), Some(Errno::EBADF as i32));
    }

    #[track_caller]
    fn check_refused(socket: impl Into<OwnedFd>, sentence: &str) {
        let error = know(3, "a".to_owned(), &socket.into()).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let not_listening = "descriptor 3 (a) is no listening stream socket";
        check_refused(UdpSocket::bind("127.0.0.1:0").unwrap(), not_listening);
        check_refused(UnixStream::pair().unwrap().0, not_listening);
        check_refused(std::fs::File::open("/dev/null").unwrap(), not_listening);
    }
}
