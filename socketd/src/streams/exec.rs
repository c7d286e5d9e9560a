//! Streams of a further process, and the terminals of those that run.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use tokio::net::unix::pipe;
use wire::log::Stream;

use super::{Input, Terminal};
use crate::docker::attach::frame_header;
use crate::limits::{SIZES_MAX, STREAM_BYTES};
use crate::link::{ExecStreams, Link};

/// Sizes of terminals: of those that are open, and of those yet to be.
#[derive(Debug, Default)]
pub struct Execs {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<String, Weak<Terminal>>,
    /// Oldest first.
    sizes: VecDeque<(String, u16, u16)>,
}

impl Execs {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an open terminal a size; none where there is none open.
    #[must_use]
    pub fn resize(&self, id: &str, rows: u16, columns: u16) -> Option<io::Result<()>> {
        let terminal = self.inner().open.get(id)?.upgrade()?;
        Some(terminal.resize(rows, columns))
    }

    /// Keeps the size of a terminal that is yet to be opened.
    pub fn keep_size(&self, id: &str, rows: u16, columns: u16) {
        let mut inner = self.inner();
        inner.sizes.retain(|(known, ..)| known != id);
        if inner.sizes.len() >= SIZES_MAX {
            inner.sizes.pop_front();
        }
        inner.sizes.push_back((id.to_owned(), rows, columns));
    }

    /// Takes the size that was kept.
    #[must_use]
    pub fn take_size(&self, id: &str) -> Option<(u16, u16)> {
        let mut inner = self.inner();
        let at = inner.sizes.iter().position(|(known, ..)| known == id)?;
        inner.sizes.remove(at).map(|(_, rows, columns)| (rows, columns))
    }
}

/// Hangs a process up when whoever was to read it goes away.
#[derive(Debug)]
struct HangUp {
    link: Arc<Link>,
    id: String,
    execs: Arc<Execs>,
    armed: bool,
}

impl Drop for HangUp {
    fn drop(&mut self) {
        self.execs.inner().open.remove(&self.id);
        if !self.armed {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (link, id) = (Arc::clone(&self.link), std::mem::take(&mut self.id));
        runtime.spawn(async move {
            if let Err(error) = link.hang_up_exec(&id).await {
                tracing::debug!(%error, exec = id, "a process whose client is gone was not hung up");
            }
        });
    }
}

/// What a further process writes. Dropped before its end, the process is hung up.
#[derive(Debug)]
pub struct ExecOutput {
    terminal: Option<Arc<Terminal>>,
    output: Option<pipe::Receiver>,
    error: Option<pipe::Receiver>,
    ended: bool,
    hang_up: HangUp,
}

impl ExecOutput {
    /// The output, and the way to the input where there is one.
    ///
    /// # Errors
    /// What the system says of the descriptors; the process is hung up then.
    pub fn new(
        streams: ExecStreams,
        link: Arc<Link>,
        id: String,
        execs: Arc<Execs>,
    ) -> io::Result<(Self, Option<Input>)> {
        let hang_up = HangUp {
            link,
            id,
            execs,
            armed: true,
        };
        let terminal = match streams.terminal {
            Some(master) => Some(Arc::new(Terminal::new(master)?)),
            None => None,
        };
        let receiver = |end: Option<_>| end.map(pipe::Receiver::from_owned_fd).transpose();
        let input = match (&terminal, streams.input) {
            (Some(terminal), _) => Some(Input::Terminal(Arc::clone(terminal))),
            (None, Some(end)) => Some(Input::new(end, false)?),
            (None, None) => None,
        };
        if let Some(terminal) = &terminal {
            let mut inner = hang_up.execs.inner();
            inner.open.insert(hang_up.id.clone(), Arc::downgrade(terminal));
        }
        let output = Self {
            terminal,
            output: receiver(streams.output)?,
            error: receiver(streams.error)?,
            ended: false,
            hang_up,
        };
        Ok((output, input))
    }

    /// What comes next; none once the process has ended and everything was read.
    pub async fn next(&mut self) -> Option<Bytes> {
        while !self.ended {
            if let Some(terminal) = &self.terminal {
                let mut buffer = vec![0; STREAM_BYTES];
                match terminal.read(&mut buffer).await {
                    Ok(count) if count > 0 => {
                        buffer.truncate(count);
                        return Some(buffer.into());
                    }
                    _ => self.terminal = None,
                }
                continue;
            }
            let part = tokio::select! {
                part = frame(&mut self.output, Stream::Output), if self.output.is_some() => part,
                part = frame(&mut self.error, Stream::Error), if self.error.is_some() => part,
                else => {
                    self.end().await;
                    None
                }
            };
            if part.is_some() {
                return part;
            }
        }
        None
    }

    /// Waits for the process, so that its exit code is known when the stream ends.
    async fn end(&mut self) {
        if let Err(error) = self.hang_up.link.exec_ended(&self.hang_up.id).await {
            tracing::debug!(%error, exec = self.hang_up.id, "the end of a process was not seen");
        }
        self.hang_up.armed = false;
        self.ended = true;
    }
}

/// The next frame of a pipe; none, and no pipe, at its end.
async fn frame(pipe: &mut Option<pipe::Receiver>, stream: Stream) -> Option<Bytes> {
    let reader = pipe.as_ref()?;
    let head = frame_header(stream, 0).len();
    while reader.readable().await.is_ok() {
        let mut buffer = vec![0; head.saturating_add(STREAM_BYTES)];
        match reader.try_read(buffer.get_mut(head..).unwrap_or_default()) {
            Ok(count) if count > 0 => {
                buffer.truncate(head.saturating_add(count));
                if let Some(space) = buffer.get_mut(..head) {
                    space.copy_from_slice(&frame_header(stream, count));
                }
                return Some(buffer.into());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => break,
        }
    }
    *pipe = None;
    None
}
