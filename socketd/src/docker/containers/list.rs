//! `GET /containers/json`.

use wire::response::ContainerUsage;
use wire::{Summary, Time};

use crate::docker::error::ApiError;
use crate::docker::filters::Filters;
use crate::docker::images::ImageIndex;
use crate::docker::networks::Networks;
use crate::docker::query::Query;

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
    /// Reads `all`, `limit`, `size`, `filters`.
    ///
    /// # Errors
    /// 400 for a limit that is no number, filters that are none or are not known.
    pub fn parse(_query: &Query) -> Result<Self, ApiError> {
        Ok(Self::default())
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
        _networks: &Networks,
        _images: &ImageIndex,
    ) -> Self {
        let _ = usage;
        Self {
            summary,
            before: Box::default(),
            after: Box::default(),
        }
    }

    /// What was rendered.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Appends the container as it is at `now`; answers until when that is what would be appended.
    pub fn render_into(&self, _now: Time, out: &mut Vec<u8>) -> Time {
        out.extend_from_slice(&self.before);
        out.extend_from_slice(&self.after);
        Time(u64::MAX)
    }
}

/// The containers a query asks for, of `all` (newest first), in the same order.
///
/// # Errors
/// 400 or 404 for a filter's value that cannot be one.
pub fn select<'a>(
    all: &'a [Prepared],
    _query: &ListQuery,
    _images: &ImageIndex,
    _networks: &Networks,
) -> Result<Vec<&'a Prepared>, ApiError> {
    Ok(all.iter().collect())
}

/// The containers a `POST /containers/prune` removes, by its `filters=`; the caller removes them one by one.
///
/// # Errors
/// 400 for filters that are none or are not known.
pub fn select_prunable<'a>(
    all: &'a [Prepared],
    _filters: Option<&str>,
    _now: Time,
) -> Result<Vec<&'a Prepared>, ApiError> {
    Ok(all.iter().collect())
}
