//! Requests over a unix socket.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::Gid;
use tokio::net::{UnixListener, UnixStream};

use super::BindError;
use crate::policy::caller::Peer;

/// Owner and group may connect, nobody else.
const SOCKET_MODE: u32 = 0o660;

/// The socket's file; removed when dropped, if it still is the one that was made.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// None where somebody else made it, and keeps it.
    inode: Option<u64>,
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Some(inode) = self.inode else { return };
        // A successor may have put its own there already; that one is left alone.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(super) async fn bind(path: &Path, group: Option<Gid>) -> Result<(UnixListener, SocketFile), BindError> {
    remove_stale(path).await?;
    let listener = match UnixListener::bind(path) {
        Ok(listener) => listener,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(BindError::InUse),
        Err(error) => return Err(error.into()),
    };
    let file = SocketFile {
        path: path.to_owned(),
        inode: Some(fs::symlink_metadata(path)?.ino()),
    };
    if let Some(group) = group {
        chown(path, None, Some(group.as_raw()))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok((listener, file))
}

/// A socket that listens already. Who may connect is for whoever made it to say.
pub(super) fn inherit(path: &Path, socket: OwnedFd) -> io::Result<(UnixListener, SocketFile)> {
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    let file = SocketFile {
        path: path.to_owned(),
        inode: None,
    };
    Ok((UnixListener::from_std(listener)?, file))
}

/// Who connected, by the kernel's word.
pub(super) fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    Ok(Peer::Unix {
        uid: credentials.uid(),
        gid: credentials.gid(),
    })
}

/// Removes a socket that a process left behind: one on which nobody answers.
async fn remove_stale(path: &Path) -> Result<(), BindError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket);
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(BindError::InUse),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) => Err(error.into()),
    }
}
