//! A log as a stream of bytes: what there is, then what comes, across files that are put aside.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::entries::OpenFile;
use super::reader::{Step, Wanted};
use super::source::{Kept, Source};
use crate::link::Link;

/// A log on its way to one client.
#[derive(Debug)]
pub struct LogStream {
    /// Here while no thread reads with it.
    source: Option<Source>,
    job: Option<JoinHandle<(Source, io::Result<Step>)>>,
    following: Option<Following>,
    state: State,
    deadline: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// All was read; is there a newer file?
    Checking,
    Waiting,
    Over,
}

/// What one who follows needs.
#[derive(Debug)]
pub struct Following {
    link: Arc<Link>,
    container: String,
    /// None once it has ended.
    bell: Option<pipe::Receiver>,
    /// What the newest file was called before the bridge said that it is the newest: as long as it
    /// is called so, it still is. The kernel's name for it is exact at once and costs one call,
    /// where asking the bridge at every ring would cost it a descriptor a line.
    name: Option<PathBuf>,
    rang: watch::Sender<bool>,
    /// Whether no newer file will belong to what is followed.
    stays: bool,
}

impl Following {
    /// One who follows the container with this id by this bell. `stays`: whether the newest file is
    /// that of a run which keeps to it.
    ///
    /// # Errors
    /// What the system says of the descriptor.
    pub fn new(link: Arc<Link>, container: String, bell: OwnedFd, stays: bool) -> io::Result<Self> {
        Ok(Self {
            link,
            container,
            bell: Some(pipe::Receiver::from_owned_fd(bell)?),
            name: None,
            rang: watch::Sender::new(false),
            stays,
        })
    }

    /// Waits until the bell rings or ends.
    async fn rung(&mut self) {
        let Some(bell) = &self.bell else { return };
        let mut rings = [0; 512];
        loop {
            if bell.readable().await.is_err() {
                break;
            }
            // One look takes every ring so far, or leaves some for one more look.
            match bell.try_read(&mut rings) {
                Ok(0) => break,
                Ok(_) => {
                    self.rang.send_replace(true);
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        self.bell = None;
        self.rang.send_replace(true);
    }

    /// Files that came after those the source knows.
    async fn newer(&mut self, source: &Source) -> Vec<OpenFile> {
        if self.stays {
            return Vec::new();
        }
        let name = source.newest().and_then(OpenFile::name);
        let removed = name
            .as_ref()
            .is_some_and(|name| name.as_os_str().as_encoded_bytes().ends_with(b" (deleted)"));
        if self.bell.is_some() && name.is_some() && !removed && name == self.name {
            return Vec::new();
        }
        let opened = match self.link.open_log(&self.container, false).await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%error, container = self.container, "a log cannot be opened again");
                return Vec::new();
            }
        };
        let files = opened.files.into_iter().zip(&opened.log.files);
        let files = files.map(|(descriptor, told)| OpenFile::new(descriptor, told));
        let files = source.later(files.collect());
        self.name = if files.is_empty() { name } else { None };
        self.stays = !files.is_empty() && source.is_one_file_a_run();
        files
    }
}

impl LogStream {
    /// What is wanted of these files, oldest first, and of those that come.
    #[must_use]
    pub fn new(kept: Kept, files: Vec<OpenFile>, wanted: Wanted, following: Option<Following>) -> Self {
        let follow = following.is_some();
        Self {
            source: Some(Source::new(kept, files, Wanted { follow, ..wanted })),
            job: None,
            following,
            state: State::Reading,
            deadline: None,
        }
    }

    /// The same, over at some time whatever comes.
    #[must_use]
    pub fn ending_at(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// Tells when the bell has rung; none where nobody follows.
    #[must_use]
    pub fn rang(&self) -> Option<watch::Receiver<bool>> {
        self.following
            .as_ref()
            .map(|following| following.rang.subscribe())
    }

    /// What comes next; none at the end. May be dropped while it waits without losing anything.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.state {
                State::Reading => match self.step().await {
                    Ok(Step::Bytes(bytes)) if bytes.is_empty() => {}
                    Ok(Step::Bytes(bytes)) => {
                        // The next piece is read while the client takes this one.
                        self.begin_step();
                        return Some(bytes.into());
                    }
                    Ok(Step::Idle) if self.following.is_some() => self.state = State::Checking,
                    Ok(Step::Idle | Step::Over) => self.state = State::Over,
                    Err(error) => {
                        tracing::warn!(%error, "a log cannot be read");
                        self.state = State::Over;
                    }
                },
                State::Checking => self.check().await,
                State::Waiting => self.wait().await,
                State::Over => return None,
            }
        }
    }

    async fn check(&mut self) {
        let (Some(following), Some(source)) = (&mut self.following, &mut self.source) else {
            self.state = State::Over;
            return;
        };
        // Before the first ring nothing was written, so nothing was put aside.
        if following.bell.is_some() && !*following.rang.borrow() {
            self.state = State::Waiting;
            return;
        }
        let files = following.newer(source).await;
        self.state = if !files.is_empty() {
            source.extend(files);
            State::Reading
        } else if following.bell.is_some() {
            State::Waiting
        } else {
            State::Over
        };
    }

    async fn wait(&mut self) {
        let Some(following) = &mut self.following else {
            return;
        };
        self.state = tokio::select! {
            () = following.rung() => State::Reading,
            () = until(self.deadline) => State::Over,
        };
    }

    fn begin_step(&mut self) {
        if let Some(mut source) = self.source.take() {
            self.job = Some(tokio::task::spawn_blocking(move || {
                let step = source.step();
                (source, step)
            }));
        }
    }

    async fn step(&mut self) -> io::Result<Step> {
        if self.job.is_none() {
            self.begin_step();
        }
        let Some(job) = &mut self.job else {
            return Ok(Step::Over);
        };
        let finished = job.await;
        self.job = None;
        let (source, step) = finished.map_err(io::Error::other)?;
        self.source = Some(source);
        step
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
