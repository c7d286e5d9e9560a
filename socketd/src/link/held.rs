//! A list that is asked for often: held, and asked again only whether it changed.
//!
//! Every reader gets an answer of the bridge that began after it asked, so nothing here can be
//! stale; readers that come while a call runs share the next one. The list has a connection of its
//! own, because a revision means something only to the bridge that gave it: when the connection
//! breaks, the revision is forgotten with it and the whole list is asked for again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::timeout;
use wire::request::IfNewer;
use wire::{Flow, Request, Response};

use super::{Connection, Link, LinkError, Power, refused};
use crate::limits::{ANSWER_BYTES_MAX, ASK_TIME_MAX};

/// A list of the bridge, collected frame by frame and then built once.
pub trait Listing: Send + Sync + Sized + 'static {
    /// What is collected.
    type Parts: Default + Send;
    /// What building needs beside that.
    type Around: Send + Sync;

    /// The question for it.
    fn request(if_newer: IfNewer) -> Request;

    /// Takes one frame of the answer and says which revision it shows.
    ///
    /// # Errors
    /// [`LinkError::Unexpected`] for an answer to another question.
    fn take(parts: &mut Self::Parts, frame: Response) -> Result<u64, LinkError>;

    /// Builds the list.
    ///
    /// # Errors
    /// See [`LinkError`], where building asks the bridge for more.
    fn build(
        parts: Self::Parts,
        around: &Self::Around,
    ) -> impl Future<Output = Result<Self, LinkError>> + Send;
}

type Outcome<L> = Result<Arc<L>, LinkError>;

/// The list last received, with the connection it came over.
#[derive(Debug)]
struct Kept<L> {
    connection: Connection,
    revision: u64,
    list: Arc<L>,
}

#[derive(Debug)]
struct State<L> {
    /// Whether somebody talks to the bridge at this moment; `kept` is then with them.
    running: bool,
    waiting: Vec<oneshot::Sender<Outcome<L>>>,
    kept: Option<Kept<L>>,
}

/// A list that is held.
#[derive(Debug)]
pub struct Held<L: Listing> {
    link: Arc<Link>,
    around: L::Around,
    state: Mutex<State<L>>,
}

impl<L: Listing> Held<L> {
    /// Holds nothing yet.
    #[must_use]
    pub fn new(link: Arc<Link>, around: L::Around) -> Self {
        Self {
            link,
            around,
            state: Mutex::new(State {
                running: false,
                waiting: Vec::new(),
                kept: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list as it is now.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn current(self: &Arc<Self>) -> Outcome<L> {
        let (sender, receiver) = oneshot::channel();
        let start = {
            let mut state = self.state();
            state.waiting.push(sender);
            !std::mem::replace(&mut state.running, true)
        };
        if start {
            // A task of its own: a reader that goes away must not take the others' call with it.
            tokio::spawn(Arc::clone(self).serve());
        }
        receiver.await.unwrap_or(Err(LinkError::Lost))
    }

    /// Makes calls for as long as somebody waits for one.
    async fn serve(self: Arc<Self>) {
        let mut kept = self.state().kept.take();
        loop {
            let batch = {
                let mut state = self.state();
                if state.waiting.is_empty() {
                    state.running = false;
                    state.kept = kept;
                    return;
                }
                std::mem::take(&mut state.waiting)
            };
            let outcome = timeout(ASK_TIME_MAX, self.fetch(kept.take())).await;
            let outcome = self.link.meter.note(outcome.unwrap_or(Err(LinkError::Late)));
            let answer = outcome.map(|fresh| {
                let list = Arc::clone(&fresh.list);
                kept = Some(fresh);
                list
            });
            for waiting in batch {
                // A reader that went away meanwhile needs no answer.
                let _ = waiting.send(answer.clone());
            }
        }
    }

    async fn fetch(&self, kept: Option<Kept<L>>) -> Result<Kept<L>, LinkError> {
        if let Some(kept) = kept.filter(|kept| kept.connection.is_quiet()) {
            match self.ask(kept.connection, Some((kept.revision, kept.list))).await {
                Err(LinkError::Lost) => {}
                outcome => return outcome,
            }
        }
        let connection = self.link.pool(Power::Ask).connect().await?;
        self.ask(connection, None).await
    }

    async fn ask(
        &self,
        mut connection: Connection,
        held: Option<(u64, Arc<L>)>,
    ) -> Result<Kept<L>, LinkError> {
        let than = held.as_ref().map_or(0, |(revision, _)| *revision);
        connection.send(&L::request(IfNewer { than })).await?;
        let mut parts = L::Parts::default();
        for _ in 0..ANSWER_BYTES_MAX / wire::limits::CHUNK_BYTES {
            let (flow, frame) = connection.receive().await?;
            let frame = refused(frame)?;
            if let (Response::NotModified(_), Some((revision, list))) = (&frame, &held) {
                return Ok(Kept {
                    connection,
                    revision: *revision,
                    list: Arc::clone(list),
                });
            }
            let revision = L::take(&mut parts, frame)?;
            if flow == Flow::Last {
                connection.shrink();
                return Ok(Kept {
                    connection,
                    revision,
                    list: Arc::new(L::build(parts, &self.around).await?),
                });
            }
        }
        Err(LinkError::Endless)
    }
}
