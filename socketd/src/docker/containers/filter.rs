//! Which containers a list or a prune means.

use std::borrow::Borrow;

use wire::spec::MountKind;
use wire::{ImageId, Status, Summary, Time};

use super::health::{NONE, filter_word};
use super::list::{ListQuery, Prepared};
use super::operate::reference;
use super::ports::PortRange;
use crate::docker::error::ApiError;
use crate::docker::filters::{Filters, Patterns, invalid, pairs};
use crate::docker::images::ImageIndex;
use crate::docker::networks::{Networks, network_name};
use crate::docker::query::integer;
use crate::docker::status::{exit_code, state_word};
use crate::docker::time::parse_moment;

const PRUNE_FILTERS: &[&str] = &["label", "label!", "until"];

/// The containers a query asks for, of `all` (newest first), in the same order.
///
/// # Errors
/// 400 for a filter's value that cannot be one, 404 for a container it names that is none.
pub fn select<'a, P: Borrow<Prepared>>(
    all: &'a [P],
    query: &ListQuery,
    images: &ImageIndex,
    networks: &Networks,
) -> Result<Vec<&'a Prepared>, ApiError> {
    let criteria = Criteria::parse(all, &query.filters, images, networks)?;
    let limit = if query.limit == 0 { usize::MAX } else { query.limit };
    let selected = all
        .get(criteria.first..criteria.end)
        .unwrap_or_default()
        .iter()
        .map(Borrow::borrow)
        .filter(|one| query.all || is_up(one.summary()))
        .filter(|one| criteria.hold(one.summary()))
        .take(limit)
        .collect();
    Ok(selected)
}

/// The containers a `POST /containers/prune` removes, by its `filters=`; the caller removes them one by one.
///
/// # Errors
/// 400 for filters that are none or are not known.
pub fn select_prunable<'a, P: Borrow<Prepared>>(
    all: &'a [P],
    filters: Option<&str>,
    now: Time,
) -> Result<Vec<&'a Prepared>, ApiError> {
    let filters = Filters::parse(filters, PRUNE_FILTERS)?;
    let mut until = None;
    for text in filters.values("until") {
        if until.is_some() {
            return Err(ApiError::bad_request("more than one until filter specified"));
        }
        until = Some(parse_moment(text, now).map_err(|_| invalid("until", text))?);
    }
    let prunable = all
        .iter()
        .map(Borrow::borrow)
        .filter(|one| {
            let summary = one.summary();
            let ended = !is_up(summary) && summary.state.status != Status::Removing;
            ended
                && until.is_none_or(|until| summary.created_at < until)
                && filters.labels("label", pairs(&summary.labels))
                && filters.no_labels("label!", pairs(&summary.labels))
        })
        .collect();
    Ok(prunable)
}

/// Docker counts what will be started again as running.
fn is_up(summary: &Summary) -> bool {
    matches!(
        summary.state.status,
        Status::Running | Status::Paused | Status::Restarting
    )
}

/// Filters with every value read.
struct Criteria<'a> {
    filters: &'a Filters,
    networks: &'a Networks,
    /// The part of the list that `before` and `since` leave.
    first: usize,
    end: usize,
    names: Patterns,
    ids: Patterns,
    exited: Vec<i64>,
    expose: Vec<PortRange>,
    publish: Vec<PortRange>,
    ancestors: Option<Vec<ImageId>>,
    is_task: bool,
}

impl<'a> Criteria<'a> {
    fn parse<P: Borrow<Prepared>>(
        all: &[P],
        filters: &'a Filters,
        images: &ImageIndex,
        networks: &'a Networks,
    ) -> Result<Self, ApiError> {
        for status in filters.values("status") {
            if !Status::ALL.iter().any(|known| state_word(*known) == status) {
                return Err(invalid("status", status));
            }
        }
        for health in filters.values("health") {
            if !matches!(health.as_str(), "starting" | "healthy" | "unhealthy" | NONE) {
                return Err(invalid("health", health));
            }
        }
        let mut first = 0;
        for name in filters.values("before") {
            first = first.max(position(all, name)?.saturating_add(1));
        }
        let mut end = all.len();
        for name in filters.values("since") {
            end = end.min(position(all, name)?);
        }
        let ancestors = filters.values("ancestor").iter();
        Ok(Self {
            filters,
            networks,
            first: first.min(end),
            end,
            names: filters.patterns("name"),
            ids: filters.patterns("id"),
            exited: exit_codes(filters)?,
            expose: ranges(filters, "expose")?,
            publish: ranges(filters, "publish")?,
            // An ancestor that is no image has no descendants; Docker says no more than that.
            ancestors: filters.contains("ancestor").then(|| {
                ancestors
                    .filter_map(|name| images.resolve(name).ok())
                    .map(|image| image.id)
                    .collect()
            }),
            is_task: filters.truth("is-task")? == Some(true),
        })
    }

    fn hold(&self, summary: &Summary) -> bool {
        let filters = self.filters;
        !self.is_task
            && filters.exact("health", filter_word(&summary.state))
            && self.names_hold(summary)
            && filters.exact("status", state_word(summary.state.status))
            && filters.exact("isolation", "default")
            && filters.labels("label", pairs(&summary.labels))
            && self.exit_holds(summary)
            && self
                .ancestors
                .as_ref()
                .is_none_or(|images| images.contains(&summary.image_id))
            && filters.any("network", |value| self.is_network(value, summary))
            && filters.any("volume", |value| is_volume(value, summary))
            && self.ports_hold(summary)
    }

    fn names_hold(&self, summary: &Summary) -> bool {
        // The slash stands before names in answers, so a pattern may count on it or not.
        let slashed = format!("/{}", summary.name);
        (self.names.matches(&slashed) || self.names.matches(&summary.name))
            && self.ids.matches(summary.id.hex().as_str())
    }

    fn exit_holds(&self, summary: &Summary) -> bool {
        let state = &summary.state;
        self.exited.is_empty()
            || (!is_up(summary)
                && !state.started_at.is_never()
                && self.exited.contains(&i64::from(exit_code(state))))
    }

    /// A network by name, or by the beginning of its id once the container has one.
    fn is_network(&self, value: &str, summary: &Summary) -> bool {
        let name = network_name(summary.network_mode, &summary.network);
        let by_id = !value.is_empty()
            && !summary.state.started_at.is_never()
            && self.networks.id(name).starts_with(value);
        value == name || by_id
    }

    fn ports_hold(&self, summary: &Summary) -> bool {
        let among = |ranges: &[PortRange], ports: &[wire::spec::Port]| {
            ranges.is_empty()
                || ports
                    .iter()
                    .any(|port| ranges.iter().any(|range| range.contains(port)))
        };
        // What is published is exposed.
        let exposed = among(&self.expose, &summary.exposed) || among(&self.expose, &summary.published);
        exposed && among(&self.publish, &summary.published)
    }
}

/// A place in the container, or what is mounted there.
fn is_volume(value: &str, summary: &Summary) -> bool {
    summary
        .mounts
        .iter()
        .any(|mount| mount.kind == MountKind::Bind && (mount.target == value || mount.source == value))
}

fn exit_codes(filters: &Filters) -> Result<Vec<i64>, ApiError> {
    filters
        .values("exited")
        .iter()
        .map(|text| {
            integer(text).map_err(|error| {
                ApiError::bad_request(format!("invalid filter 'exited={text}': {}", error.message))
            })
        })
        .collect()
}

fn ranges(filters: &Filters, key: &str) -> Result<Vec<PortRange>, ApiError> {
    filters
        .values(key)
        .iter()
        .map(|text| PortRange::parse(key, text))
        .collect()
}

/// Where in a list the container is that is called so: by id, name, or unique beginning of an id.
///
/// # Errors
/// 404 where none is called so; 400 for the beginning of several ids.
pub fn position<P: Borrow<Prepared>>(all: &[P], text: &str) -> Result<usize, ApiError> {
    let name = reference(text);
    let exact = all.iter().position(|one| {
        let summary = one.borrow().summary();
        summary.name == name || summary.id.hex().as_str() == name
    });
    if let Some(at) = exact {
        return Ok(at);
    }
    let mut begun = all
        .iter()
        .map(Borrow::borrow)
        .enumerate()
        .filter(|(_, one): &(usize, &Prepared)| {
            !name.is_empty() && one.summary().id.hex().as_str().starts_with(name)
        });
    match (begun.next(), begun.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => Err(ApiError::not_found(format!("No such container: {text}"))),
        _ => Err(ApiError::bad_request(format!(
            "multiple IDs found with provided prefix: {text}"
        ))),
    }
}

#[cfg(test)]
mod tests;
