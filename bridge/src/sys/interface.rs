//! Network interfaces.

use std::io;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Sets an interface's flags. C libraries differ in how wide the number of a request is; this fits all.
const SIOCSIFFLAGS: u16 = 0x8914;

/// Brings up the loopback interface of this process's network namespace.
///
/// # Errors
/// What the kernel said, as on one built without networking.
pub fn loopback_up() -> io::Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: ifreq is plain numbers and arrays of them, for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = libc::c_char::try_from(*byte).unwrap_or_default();
    }
    request.ifr_ifru.ifru_flags =
        libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or_default();
    // SAFETY: the socket is open while `socket` lives; SIOCSIFFLAGS reads one ifreq, which `request`
    // is, with a name that ends in NUL because the array was zero.
    let result = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            SIOCSIFFLAGS.into(),
            std::ptr::from_ref(&request),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
