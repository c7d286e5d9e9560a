//! Every call by name, with what it takes and what it gives.

use std::time::Duration;

use wire::request::{
    ContainerRef, Create, Kill, Nothing, PollEvents, Remove, RemoveImage, Rename, Stop, Subscribe, TagImage,
    Wait,
};
use wire::response::{Created, Events, Exited, ImageRemoved, Subscribed, Usage};
use wire::{Container, Info, Request, Response};

use super::{Link, LinkError, LongCall};
use crate::limits::{ASK_TIME_MAX, STOP_MARGIN};

/// How long a container that says nothing else is given to end.
const STOP_TIMEOUT_MAX: Duration = Duration::from_secs(wire::limits::STOP_TIMEOUT_S_MAX as u64);

pub(super) fn unexpected<T>(response: &Response) -> Result<T, LinkError> {
    Err(LinkError::Unexpected {
        kind: response.kind(),
    })
}

pub(super) fn done(response: Response) -> Result<(), LinkError> {
    match response {
        Response::Done(_) => Ok(()),
        other => unexpected(&other),
    }
}

pub(super) fn container_ref(reference: &str) -> ContainerRef {
    ContainerRef {
        reference: reference.to_owned(),
    }
}

impl Link {
    /// What host and bridge are.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn info(&self) -> Result<Box<Info>, LinkError> {
        match self.call(&Request::Info(Nothing {})).await? {
            Response::Info(info) => Ok(info),
            other => unexpected(&other),
        }
    }

    /// Everything about one container.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn inspect(&self, reference: &str) -> Result<Box<Container>, LinkError> {
        let request = Request::InspectContainer(container_ref(reference));
        match self.call(&request).await? {
            Response::Container(container) => Ok(container),
            other => unexpected(&other),
        }
    }

    /// Disk used by every container. The bridge may have to walk directories for it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn disk_usage(&self) -> Result<Usage, LinkError> {
        let mut usage = Usage::default();
        self.call_each(&Request::DiskUsage(Nothing {}), |frame| match frame {
            Response::Usage(part) => {
                usage.containers.extend(part.containers);
                Ok(())
            }
            other => unexpected(&other),
        })
        .await?;
        Ok(usage)
    }

    /// One page of the journal. Frames of one answer are put together.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn poll_events(&self, request: PollEvents) -> Result<Events, LinkError> {
        let mut page: Option<Events> = None;
        self.call_each(&Request::PollEvents(request), |frame| match frame {
            Response::Events(part) => {
                let mut events = page.take().map_or_else(Vec::new, |earlier| earlier.events);
                events.extend(part.events);
                page = Some(Events { events, ..part });
                Ok(())
            }
            other => unexpected(&other),
        })
        .await?;
        page.ok_or(LinkError::Lost)
    }

    /// Subscribes to events after `after`, or from now on, on a connection of its own.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub(crate) async fn subscribe(&self, after: Option<u64>) -> Result<(Subscribed, LongCall), LinkError> {
        let request = Request::Subscribe(Subscribe {
            after,
            ..Subscribe::default()
        });
        let mut call = self.call_long(&request).await?;
        let first = tokio::time::timeout(ASK_TIME_MAX, call.receive())
            .await
            .unwrap_or(Err(LinkError::Late))?;
        match first {
            Response::Subscribed(subscribed) => Ok((subscribed, call)),
            other => unexpected(&other),
        }
    }

    /// Begins to wait for a container and returns once the bridge says that it does.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn wait(&self, request: Wait) -> Result<LongCall, LinkError> {
        let mut call = self.call_long(&Request::Wait(request)).await?;
        let first = tokio::time::timeout(ASK_TIME_MAX, call.receive())
            .await
            .unwrap_or(Err(LinkError::Late))?;
        match first {
            Response::Waiting(_) => Ok(call),
            other => unexpected(&other),
        }
    }

    /// Makes a container.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn create(&self, create: Create) -> Result<Created, LinkError> {
        match self.call(&Request::Create(Box::new(create))).await? {
            Response::Created(created) => Ok(created),
            other => unexpected(&other),
        }
    }

    /// Starts a container.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn start(&self, reference: &str) -> Result<(), LinkError> {
        done(self.call(&Request::Start(container_ref(reference))).await?)
    }

    /// Stops a container; takes as long as its process takes to end.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn stop(&self, stop: Stop) -> Result<(), LinkError> {
        let time_max = stop_time(&stop);
        done(self.call_until(&Request::Stop(stop), time_max).await?)
    }

    /// Stops and starts a container.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn restart(&self, stop: Stop) -> Result<(), LinkError> {
        let time_max = stop_time(&stop);
        done(self.call_until(&Request::Restart(stop), time_max).await?)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn kill(&self, kill: Kill) -> Result<(), LinkError> {
        done(self.call(&Request::Kill(kill)).await?)
    }

    /// Removes a container.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn remove(&self, remove: Remove) -> Result<(), LinkError> {
        done(self.call(&Request::Remove(remove)).await?)
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn rename(&self, rename: Rename) -> Result<(), LinkError> {
        done(self.call(&Request::Rename(rename)).await?)
    }

    /// Gives an image one more name.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn tag_image(&self, request: TagImage) -> Result<(), LinkError> {
        done(self.call(&Request::TagImage(request)).await?)
    }

    /// Takes a name from an image, or the image.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn remove_image(&self, request: RemoveImage) -> Result<ImageRemoved, LinkError> {
        match self.call(&Request::RemoveImage(request)).await? {
            Response::ImageRemoved(removed) => Ok(removed),
            other => unexpected(&other),
        }
    }
}

impl LongCall {
    /// The end of a wait.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn exited(mut self) -> Result<Exited, LinkError> {
        match self.receive().await? {
            Response::Exited(exited) => Ok(exited),
            other => unexpected(&other),
        }
    }
}

/// How long a stop may take before the bridge must be stuck; `None` for one that may take for
/// ever. A container's own timeout is not known here, so the longest that is allowed stands in.
fn stop_time(stop: &Stop) -> Option<Duration> {
    match stop.timeout_s {
        Some(seconds) => u64::try_from(seconds)
            .ok()
            .map(|seconds| Duration::from_secs(seconds) + STOP_MARGIN),
        None => Some(STOP_TIMEOUT_MAX + STOP_MARGIN),
    }
}
