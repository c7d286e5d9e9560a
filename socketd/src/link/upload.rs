//! Sending a tar to the bridge beside a request, without holding it.
//!
//! The bytes go through a pair of sockets whose far end is passed to the bridge: the kernel's
//! buffer is all the memory they take, and a bridge that reads slowly slows the client down.
//!
//! The end of a pipe looks the same whether the upload was complete or the client vanished. A
//! socket can tell: one that is closed while something unread lies in it resets its peer. So one
//! byte is left lying at our end from the beginning and is taken out only when the upload is
//! complete. The bridge, which does nothing but read, sees an orderly end in that case and an
//! error (`ECONNRESET`) after the last byte in every other, this process being killed included.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as BlockingStream;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;
use wire::image::Image;
use wire::request::ImportImage;
use wire::{Request, Response};

use super::{Link, LinkError, LongCall};
use crate::limits::IMPORT_TIME_MAX;

/// What went wrong while the way for the bytes was laid or used.
#[derive(Debug)]
pub enum UploadError {
    /// The bridge, or the way there.
    Link(LinkError),
    /// This process has no descriptors left, or the like.
    Local(io::ErrorKind),
}

impl From<LinkError> for UploadError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

fn local(error: io::Error) -> UploadError {
    UploadError::Local(error.kind())
}

/// An upload under way. Dropped before its end was said, it fails at the bridge.
#[derive(Debug)]
pub struct Upload {
    call: LongCall,
    way: UnixStream,
}

/// Whether the bridge still wants bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appetite {
    /// It does.
    More,
    /// It stopped reading; its answer says why.
    Enough,
}

impl Link {
    /// Begins an import: sends the request and the descriptor the bytes will come from.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub async fn import(&self, request: ImportImage) -> Result<Upload, UploadError> {
        self.upload(&Request::ImportImage(Box::new(request))).await
    }

    /// Sends a request and the descriptor its bytes will come from.
    pub(super) async fn upload(&self, request: &Request) -> Result<Upload, UploadError> {
        let (ours, theirs) = way().map_err(local)?;
        let call = self.call_long_with(request, theirs.as_fd()).await?;
        Ok(Upload {
            call,
            way: UnixStream::from_std(ours).map_err(local)?,
        })
    }
}

/// Both ends of the way for the bytes: ours with the byte that lies in it, and the bridge's.
fn way() -> io::Result<(BlockingStream, OwnedFd)> {
    let (ours, mut theirs) = BlockingStream::pair()?;
    theirs.write_all(&[0])?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs.into()))
}

impl Upload {
    /// Sends some bytes. Waits while the bridge has enough to read.
    pub async fn send(&mut self, bytes: &[u8]) -> Appetite {
        match self.way.write_all(bytes).await {
            Ok(()) => Appetite::More,
            Err(_) => Appetite::Enough,
        }
    }

    /// Says that this was all (unless the bridge had enough before) and waits for the image.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub async fn finish(self) -> Result<Box<Image>, UploadError> {
        match self.end().await? {
            Response::Imported(image) => Ok(image),
            other => Err(UploadError::Link(LinkError::Unexpected { kind: other.kind() })),
        }
    }

    /// Says that this was all (unless the bridge had enough before) and waits for its answer.
    pub(super) async fn end(self) -> Result<Response, UploadError> {
        let Self { mut call, way } = self;
        let mut ours = way.into_std().map_err(local)?;
        let mut lying = [0];
        ours.read_exact(&mut lying).map_err(local)?;
        // A bridge that has enough already hung up; there is nothing to end then.
        let _ = ours.shutdown(Shutdown::Write);
        let answer = timeout(IMPORT_TIME_MAX, call.receive()).await;
        Ok(answer.unwrap_or(Err(LinkError::Late))?)
    }
}
