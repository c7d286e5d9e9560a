//! Lists and inspections.

use std::collections::BTreeSet;

use wire::request::IfNewer;
use wire::response::{Containers, Images};
use wire::v1::{self, Opcode, Request, Status};
use wire::{ContainerId, Image, Refusal, RefusalCode, Response, Summary};

use super::known::{Entry, Numbered};
use super::{LinkError, Stock, identity, refused, strange};
use crate::limits::STOCK_CONTAINERS_MAX;

/// Digits of a UUID, which is also where an identifier of ours goes beyond it.
const UUID_DIGITS: usize = 32;

impl Stock {
    pub(super) async fn list_containers(&self, if_newer: IfNewer) -> Result<Response, LinkError> {
        let Numbered { revision, list } = self.containers().await?;
        Ok(if revision == if_newer.than {
            Response::NotModified(wire::request::Nothing {})
        } else {
            Response::Containers(Containers {
                revision,
                containers: list.to_vec(),
            })
        })
    }

    pub(super) async fn list_images(&self, if_newer: IfNewer) -> Result<Response, LinkError> {
        let Numbered { revision, list } = self.images().await?;
        Ok(if revision == if_newer.than {
            Response::NotModified(wire::request::Nothing {})
        } else {
            Response::Images(Images {
                revision,
                images: list.to_vec(),
            })
        })
    }

    /// Every image; those of the containers that are known where the bridge has more than it can list.
    async fn images(&self) -> Result<Numbered<Image>, LinkError> {
        let answer = self.rpc.ask(&Request::ListImages).await?;
        match answer {
            Ok(v1::Response::Images(images)) => Ok(self.known().adopt_images(images)),
            Err(Status::InternalError) => {
                if self.known().entries().is_empty() {
                    self.containers().await?;
                }
                Ok(self.known().images_of_containers())
            }
            other => Err(strange(Opcode::ListImages, &other)),
        }
    }

    /// Every container. A bridge that has more of them than it can list is asked for each by name.
    async fn containers(&self) -> Result<Numbered<Summary>, LinkError> {
        let listed = match self.rpc.ask(&Request::ListContainers { all: true }).await? {
            Ok(v1::Response::Containers(listed)) => {
                self.known().told_of_failure = false;
                listed
            }
            Err(Status::InternalError) => {
                if !std::mem::replace(&mut self.known().told_of_failure, true) {
                    tracing::warn!("the bridge cannot list all containers; each is asked for by name");
                }
                self.each_by_name().await?
            }
            other => return Err(strange(Opcode::ListContainers, &other)),
        };
        Ok(self.known().adopt(listed))
    }

    /// Containers one by one: those that run, where the bridge can list them, and then each by name.
    async fn each_by_name(&self) -> Result<Vec<v1::Container>, LinkError> {
        let mut listed = match self.rpc.ask(&Request::ListContainers { all: false }).await? {
            Ok(v1::Response::Containers(listed)) => listed,
            _ => Vec::new(),
        };
        let mut names = self.names().await?;
        for one in &listed {
            names.remove(&one.name);
        }
        for target in names.into_iter().take(STOCK_CONTAINERS_MAX) {
            match self.rpc.ask(&Request::InspectContainer { target }).await? {
                Ok(v1::Response::Container(container)) => listed.push(short(*container)),
                // It went meanwhile, or the bridge cannot say of this one.
                other => tracing::debug!(?other, "a container is left out of the list"),
            }
        }
        Ok(listed)
    }

    /// Every name that there may be: one for each image, or those heard before.
    async fn names(&self) -> Result<BTreeSet<String>, LinkError> {
        let mut names: BTreeSet<String> = match self.rpc.ask(&Request::ListImages).await? {
            Ok(v1::Response::Images(images)) => images.into_iter().map(|image| image.name).collect(),
            _ => {
                let known = self
                    .known()
                    .entries()
                    .iter()
                    .map(|entry| entry.name.clone())
                    .collect();
                let heard: BTreeSet<String> = self.history().names();
                &heard | &known
            }
        };
        names.retain(|name| is_askable(name));
        Ok(names)
    }

    pub(super) async fn inspect(&self, reference: &str) -> Result<Response, LinkError> {
        let inspected = self.inspect_target(reference).await?;
        Ok(Response::Container(Box::new(self.known().container(&inspected))))
    }

    /// The inspection of whatever a reference names.
    pub(super) async fn inspect_target(&self, reference: &str) -> Result<v1::Inspect, LinkError> {
        let target = self.target(reference).await?;
        let request = Request::InspectContainer {
            target: target.clone(),
        };
        let answer = match self.rpc.ask(&request).await? {
            // The bridge knows no identifier of a container without a UUID; we may.
            Err(Status::NotFound) => match self.by_identifier(reference).await? {
                Some(other) if other != target => {
                    self.rpc.ask(&Request::InspectContainer { target: other }).await?
                }
                _ => Err(Status::NotFound),
            },
            other => other,
        };
        match answer {
            Ok(v1::Response::Container(container)) => Ok(*container),
            other => Err(failed(Opcode::InspectContainer, reference, &other)),
        }
    }

    /// What the bridge knows a container by: what it was asked by, unless that goes beyond a UUID.
    pub(super) async fn target(&self, reference: &str) -> Result<String, LinkError> {
        if !is_askable(reference) {
            return Err(missing(reference));
        }
        if reference.len() <= UUID_DIGITS || !is_hex(reference) {
            return Ok(reference.to_owned());
        }
        self.by_identifier(reference)
            .await?
            .ok_or_else(|| missing(reference))
    }

    /// What the bridge knows the one container by whose identifier begins so; lists anew where no
    /// container is known to.
    pub(super) async fn by_identifier(&self, prefix: &str) -> Result<Option<String>, LinkError> {
        if !is_hex(prefix) {
            return Ok(None);
        }
        if let Some(target) = find(self.known().entries(), prefix)? {
            return Ok(Some(target));
        }
        self.containers().await?;
        find(self.known().entries(), prefix)
    }
}

/// The one container whose name is this, or whose identifier begins so.
fn find(entries: &[Entry], prefix: &str) -> Result<Option<String>, LinkError> {
    if let Some(named) = entries.iter().find(|entry| entry.name == prefix) {
        return Ok(Some(named.name.clone()));
    }
    // One that got its UUID meanwhile is still found by the identifier that it had before.
    let earlier = |entry: &&Entry| begins(identity::container("", &entry.name), prefix);
    let mut found = entries
        .iter()
        .filter(|entry| begins(entry.id, prefix) || earlier(entry));
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(entry), None) if entry.uuid.is_empty() => Ok(Some(entry.name.clone())),
        (Some(entry), None) => Ok(Some(entry.uuid.clone())),
        (Some(_), Some(_)) => Err(refused(Refusal::about(RefusalCode::AmbiguousContainer, prefix))),
    }
}

fn begins(id: ContainerId, prefix: &str) -> bool {
    id.hex().as_str().starts_with(prefix)
}

/// Whether a text can be sent as a reference at all; one that cannot names nothing.
fn is_askable(reference: &str) -> bool {
    !reference.is_empty() && reference.len() < v1::limits::NAME_BYTES && !reference.contains('\0')
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn missing(reference: &str) -> LinkError {
    refused(Refusal::about(RefusalCode::NoSuchContainer, reference))
}

/// Why a request about one container was not done.
pub(super) fn failed(asked: Opcode, reference: &str, answer: &v1::Answer) -> LinkError {
    let about = |code| refused(Refusal::about(code, reference));
    match answer {
        Err(Status::NotFound) => missing(reference),
        Err(Status::AlreadyRunning) => about(RefusalCode::AlreadyRunning),
        Err(Status::AlreadyStopped) => about(RefusalCode::NotRunning),
        // The one thing that a request of ours can have wrong, where it begins a UUID.
        Err(Status::BadRequest) if is_hex(reference) && reference.len() <= UUID_DIGITS => {
            about(RefusalCode::AmbiguousContainer)
        }
        Err(Status::BadRequest) => refused(Refusal::because(
            RefusalCode::InvalidSpec,
            format!("the bridge takes {asked:?} of {reference} for a wrong request"),
        )),
        other => strange(asked, other),
    }
}

/// What a list would say of an inspected container.
fn short(inspected: v1::Inspect) -> v1::Container {
    v1::Container {
        name: inspected.name,
        uuid: inspected.uuid,
        image: inspected.image,
        hostname: inspected.hostname,
        address: inspected.address,
        init: inspected.init,
        pid: inspected.pid,
        net_mode: inspected.net_mode,
        ports: inspected.ports,
        started_at_s: inspected.started_at_s,
    }
}
