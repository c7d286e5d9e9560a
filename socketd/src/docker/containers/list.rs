//! `GET /containers/json`.
//!
//! The hot path: a container is rendered once for as long as it does not change, and a list is then
//! a copy of bytes with a fresh status text between the two halves of each.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::response::ContainerUsage;
use wire::{Summary, Time};

use super::attachment::Attachment;
use super::command::command_line;
pub use super::filter::{position, select, select_prunable};
use super::mounts::{MountPoint, mount_points};
use super::open_ports::{OpenPort, open_ports};
use crate::docker::error::ApiError;
use crate::docker::filters::{Filters, pairs};
use crate::docker::images::ImageIndex;
use crate::docker::networks::Networks;
use crate::docker::query::Query;
use crate::docker::status::{state_word, status_text, write_status};
use crate::docker::time::Now;

const FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

/// What is asked of a list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Also those that do not run.
    pub all: bool,
    /// At most so many, the newest; zero means all.
    pub limit: usize,
    /// With sizes: the caller then prepares with usage.
    pub size: bool,
    /// What to leave out.
    pub filters: Filters,
}

impl ListQuery {
    /// Reads `all`, `limit`, `size`, `filters`. A limit also asks for those that do not run, and so
    /// does a status.
    ///
    /// # Errors
    /// 400 for a limit that is no number, filters that are none or are not known.
    pub fn parse(query: &Query) -> Result<Self, ApiError> {
        let limit = query.integer("limit")?.unwrap_or(0).max(0);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let filters = Filters::parse(query.text("filters"), FILTERS)?;
        Ok(Self {
            all: query.flag("all") || limit > 0 || filters.contains("status"),
            limit,
            size: query.flag("size"),
            filters,
        })
    }
}

/// One container of a list, rendered once: the bytes before and after its status text.
#[derive(Debug)]
pub struct Prepared {
    summary: Summary,
    before: Box<[u8]>,
    after: Box<[u8]>,
}

impl Prepared {
    /// Renders. With usage, the sizes are shown.
    #[must_use]
    pub fn new(
        summary: Summary,
        usage: Option<&ContainerUsage>,
        networks: &Networks,
        images: &ImageIndex,
    ) -> Self {
        let mut before = json(&Head::new(&summary, usage, images));
        // The head ends where its last field does; the status text comes next.
        before.pop();
        before.extend_from_slice(b",\"Status\":\"");
        let mut after = b"\",".to_vec();
        after.extend(json(&Tail::new(&summary, networks)).into_iter().skip(1));
        Self {
            summary,
            before: before.into_boxed_slice(),
            after: after.into_boxed_slice(),
        }
    }

    /// What was rendered.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Appends the container as it is at `now`; answers until when that is what would be appended.
    pub fn render_into(&self, now: Now, out: &mut Vec<u8>) -> Time {
        out.extend_from_slice(&self.before);
        // Status texts are letters, digits, blanks and brackets: nothing that JSON would quote.
        let valid_until = write_status(&self.summary.state, now, &mut Bytes(out));
        out.extend_from_slice(&self.after);
        valid_until
    }
}

/// Takes text as bytes, without a text in between.
struct Bytes<'a>(&'a mut Vec<u8>);

impl core::fmt::Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Appends the whole list as a JSON array; answers until when that is what would be appended.
pub fn render_list<'a>(containers: impl Iterator<Item = &'a Prepared>, now: Now, out: &mut Vec<u8>) -> Time {
    let mut valid_until = Time(u64::MAX);
    out.push(b'[');
    for (at, container) in containers.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        valid_until = valid_until.min(container.render_into(now, out));
    }
    out.push(b']');
    valid_until
}

/// None of the shapes here can fail to be written: every key is text.
fn json(shape: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(shape).unwrap_or_default()
}

/// A whole item, for answers that hold containers among other things.
#[derive(Debug, Serialize)]
pub(in crate::docker) struct Item<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    #[serde(rename = "Status")]
    status: String,
    #[serde(flatten)]
    tail: Tail<'a>,
}

impl<'a> Item<'a> {
    pub(in crate::docker) fn new(
        summary: &'a Summary,
        usage: Option<&ContainerUsage>,
        networks: &Networks,
        images: &ImageIndex,
        now: Now,
    ) -> Self {
        Self {
            head: Head::new(summary, usage, images),
            status: status_text(&summary.state, now).0,
            tail: Tail::new(summary, networks),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Head<'a> {
    id: String,
    names: [String; 1],
    image: String,
    #[serde(rename = "ImageID")]
    image_id: String,
    command: String,
    created: u64,
    ports: Vec<OpenPort<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<u64>,
    labels: BTreeMap<&'a str, &'a str>,
    state: &'static str,
}

impl<'a> Head<'a> {
    fn new(summary: &'a Summary, usage: Option<&ContainerUsage>, images: &ImageIndex) -> Self {
        let image_id = format!("sha256:{}", summary.image_id);
        // A name that leads elsewhere by now would lie; Docker then shows the id.
        let image = if images.leads_to(&summary.image, summary.image_id) {
            summary.image.clone()
        } else {
            image_id.clone()
        };
        let state = &summary.state;
        let shown = |bytes: u64| (bytes > 0).then_some(bytes);
        Self {
            id: summary.id.to_string(),
            names: [format!("/{}", summary.name)],
            image,
            image_id,
            command: command_line(&summary.arguments),
            created: summary.created_at.seconds(),
            ports: open_ports(summary.into()),
            size_rw: usage.and_then(|usage| shown(usage.upper_bytes)),
            size_root_fs: usage.and_then(|usage| shown(usage.image_bytes.saturating_add(usage.upper_bytes))),
            labels: pairs(&summary.labels).collect(),
            state: state_word(state.status),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tail<'a> {
    host_config: HostConfig<'a>,
    network_settings: NetworkSettings<'a>,
    mounts: Vec<MountPoint<'a>>,
}

impl<'a> Tail<'a> {
    fn new(summary: &'a Summary, networks: &Networks) -> Self {
        let attachment = Attachment::new(networks, summary.into());
        Self {
            host_config: HostConfig {
                network_mode: attachment.name(),
                annotations: pairs(&summary.annotations).collect(),
            },
            network_settings: NetworkSettings { networks: attachment },
            mounts: mount_points(&summary.mounts),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig<'a> {
    network_mode: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'a str, &'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings<'a> {
    networks: Attachment<'a>,
}

#[cfg(test)]
mod tests;
