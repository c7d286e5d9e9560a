//! The two lists that are held: images, and containers rendered as far as time allows.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wire::request::IfNewer;
use wire::{Image, Request, Response, Summary, Time};

use crate::docker::containers::list::{Prepared, render_list};
use crate::docker::images::ImageIndex;
use crate::docker::networks::Networks;
use crate::docker::time::Now;
use crate::link::{Held, Link, LinkError, Listing};
use crate::policy::scope::Scope;

fn unexpected<T>(frame: &Response) -> Result<T, LinkError> {
    Err(LinkError::Unexpected { kind: frame.kind() })
}

/// Every image.
#[derive(Debug)]
pub(super) struct ImageList {
    pub(super) index: ImageIndex,
}

impl Listing for ImageList {
    type Parts = Vec<Image>;
    type Around = ();

    fn request(if_newer: IfNewer) -> Request {
        Request::ListImages(if_newer)
    }

    fn take(parts: &mut Self::Parts, frame: Response) -> Result<u64, LinkError> {
        match frame {
            Response::Images(part) => {
                parts.extend(part.images);
                Ok(part.revision)
            }
            other => unexpected(&other),
        }
    }

    async fn build(parts: Self::Parts, (): &()) -> Result<Self, LinkError> {
        Ok(Self {
            index: ImageIndex::new(parts),
        })
    }
}

/// What the rendering of containers needs beside them.
#[derive(Debug)]
pub(super) struct Around {
    pub(super) link: Arc<Link>,
    pub(super) images: Arc<Held<ImageList>>,
}

/// Every container, newest first.
#[derive(Debug)]
pub(super) struct ContainerList {
    pub(super) prepared: Vec<Arc<Prepared>>,
    pub(super) images: Arc<ImageList>,
    pub(super) networks: Networks,
    /// The body of the commonest question, all containers, while its texts are true.
    whole: Mutex<Option<Rendered>>,
}

/// A body, and when its status texts are what they should be.
#[derive(Debug)]
struct Rendered {
    body: Bytes,
    from: Time,
    until: Time,
}

impl Listing for ContainerList {
    type Parts = Vec<Summary>;
    type Around = Around;

    fn request(if_newer: IfNewer) -> Request {
        Request::ListContainers(if_newer)
    }

    fn take(parts: &mut Self::Parts, frame: Response) -> Result<u64, LinkError> {
        match frame {
            Response::Containers(part) => {
                parts.extend(part.containers);
                Ok(part.revision)
            }
            other => unexpected(&other),
        }
    }

    /// One revision counts changes of containers and of images, so images asked for now are never
    /// older than the containers, and a later change of theirs makes this list old too.
    async fn build(parts: Self::Parts, around: &Around) -> Result<Self, LinkError> {
        let images = around.images.current().await?;
        let networks = Networks::new(&*around.link.info().await?);
        let prepared = parts
            .into_iter()
            .map(|summary| Arc::new(Prepared::new(summary, None, &networks, &images.index)))
            .collect();
        Ok(Self {
            prepared,
            images,
            networks,
            whole: Mutex::new(None),
        })
    }
}

impl ContainerList {
    /// What the containers are, without what was rendered of them.
    pub(super) fn summaries(&self) -> impl Iterator<Item = &Summary> + Clone {
        self.prepared.iter().map(|one| one.summary())
    }

    /// The part of the list that is seen in a scope.
    pub(super) fn seen_in(&self, scope: &Scope) -> Self {
        let seen = self
            .prepared
            .iter()
            .filter(|one| scope.shows_summary(one.summary()));
        Self {
            prepared: seen.cloned().collect(),
            images: Arc::clone(&self.images),
            networks: self.networks.clone(),
            whole: Mutex::new(None),
        }
    }

    /// The body that shows every container.
    pub(super) fn whole_body(&self, now: Now) -> Bytes {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        match &*whole {
            // A clock that was set back makes a text of the future as wrong as one of the past.
            Some(rendered) if rendered.from <= now.wall && now.wall < rendered.until => rendered.body.clone(),
            _ => {
                let (body, until) = render(self.prepared.iter().map(Arc::as_ref), now);
                *whole = Some(Rendered {
                    body: body.clone(),
                    from: now.wall,
                    until,
                });
                body
            }
        }
    }
}

/// Containers as one JSON array, and until when its texts are true.
pub(super) fn render<'a>(containers: impl Iterator<Item = &'a Prepared>, now: Now) -> (Bytes, Time) {
    let mut out = Vec::new();
    let until = render_list(containers, now, &mut out);
    out.push(b'\n');
    out.shrink_to_fit();
    (out.into(), until)
}
