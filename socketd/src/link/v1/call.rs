//! One call, as a connection of the link makes it.

use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinHandle;
use wire::{Flow, Request, Response};

use super::{LinkError, Stock};

/// Frames that may wait to be taken. A reader that is slow makes the call wait.
const FRAMES_AHEAD_MAX: usize = 1;

/// A place for one call at a time; dropping it ends the call.
#[derive(Debug)]
pub(in crate::link) struct Call {
    bridge: Arc<Stock>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    frames: Receiver<Result<(Flow, Response), LinkError>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Call {
    pub(in crate::link) fn new(bridge: Arc<Stock>) -> Self {
        Self {
            bridge,
            running: None,
        }
    }

    /// Whether nothing more comes of the last call.
    pub(in crate::link) fn is_over(&self) -> bool {
        self.running.is_none()
    }

    /// Begins a call. One that runs still ends.
    pub(in crate::link) fn begin(&mut self, request: Request) {
        let (sender, frames) = mpsc::channel(FRAMES_AHEAD_MAX);
        let task = tokio::spawn(Arc::clone(&self.bridge).serve(request, sender));
        self.running = Some(Running { frames, task });
    }

    /// The next frame of the answer. May be dropped while it waits without losing a frame.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(in crate::link) async fn receive(&mut self) -> Result<(Flow, Response), LinkError> {
        let running = self.running.as_mut().ok_or(LinkError::Lost)?;
        let frame = running.frames.recv().await.unwrap_or(Err(LinkError::Lost));
        // Of an answer in several messages, the last one alone ends a frame so.
        if !matches!(&frame, Ok((Flow::More, _))) {
            self.running = None;
        }
        frame
    }
}
