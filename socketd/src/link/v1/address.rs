//! Where a bridge of version 1 listens.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use wire::v1::ADDRESS;

/// What an address begins with.
const SCHEME: &str = "dsap:";

/// Room for the name of a unix socket, in bytes: the kernel's, less the byte that begins or ends it.
const NAME_BYTES_MAX: usize = 107;

/// Where a bridge of version 1 listens: `dsap:@NAME` for an abstract socket, `dsap:/PATH` for one in
/// the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockAddress {
    /// As the system takes it: an abstract name begins with a NUL.
    path: PathBuf,
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// It does not begin with `dsap:`.
    Scheme,
    /// Neither an abstract name nor an absolute path follows.
    Name,
    /// The name is longer than a unix socket's can be, or holds a NUL.
    Length,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => write!(f, "it must begin with {SCHEME}, as in {SCHEME}@{ADDRESS}"),
            Self::Name => write!(
                f,
                "after {SCHEME} comes @ and the name of an abstract socket, or the absolute path of one: \
                 {SCHEME}@{ADDRESS}"
            ),
            Self::Length => write!(
                f,
                "the name of a unix socket has at most {NAME_BYTES_MAX} bytes, none of them NUL"
            ),
        }
    }
}

impl std::error::Error for AddressError {}

impl FromStr for StockAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix(SCHEME).ok_or(AddressError::Scheme)?;
        let path = match name.strip_prefix('@') {
            Some("") => return Err(AddressError::Name),
            Some(name) => format!("\0{name}"),
            None if name.starts_with('/') => name.to_owned(),
            None => return Err(AddressError::Name),
        };
        let bytes = path.strip_prefix('\0').unwrap_or(&path);
        if bytes.len() > NAME_BYTES_MAX || bytes.contains('\0') {
            return Err(AddressError::Length);
        }
        Ok(Self { path: path.into() })
    }
}

impl StockAddress {
    /// As the system takes it.
    pub(super) fn as_path(&self) -> &Path {
        &self.path
    }

    /// As the system takes it where no library stands between.
    ///
    /// # Errors
    /// The system has no room for it.
    pub(crate) fn to_socket(&self) -> Result<SocketAddrUnix, Errno> {
        match self.path.as_os_str().as_bytes().strip_prefix(b"\0") {
            Some(name) => SocketAddrUnix::new_abstract_name(name),
            None => SocketAddrUnix::new(self.path.as_path()),
        }
    }
}

impl fmt::Display for StockAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.path.as_os_str().as_bytes();
        let (mark, name) = match bytes.strip_prefix(b"\0") {
            Some(name) => ("@", name),
            None => ("", bytes),
        };
        write!(
            f,
            "{SCHEME}{mark}{}",
            Path::new(OsStr::from_bytes(name)).display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressError, StockAddress};

    fn check(text: &str, expected: Result<(), AddressError>) {
        let parsed = text.parse::<StockAddress>().map(|address| address.to_string());
        assert_eq!(parsed, expected.map(|()| text.to_owned()));
    }

    #[test]
    fn addresses() {
        check("dsap:@some-backend", Ok(()));
        check("dsap:/run/backend.sock", Ok(()));
        check("dsap:@", Err(AddressError::Name));
        check("dsap:", Err(AddressError::Name));
        check("dsap:run/backend.sock", Err(AddressError::Name));
        check("@some-backend", Err(AddressError::Scheme));
        check("unix:///run/backend.sock", Err(AddressError::Scheme));
        check(&format!("dsap:@{}", "x".repeat(107)), Ok(()));
        check(&format!("dsap:@{}", "x".repeat(108)), Err(AddressError::Length));
        check("dsap:@a\0b", Err(AddressError::Length));
    }
}
