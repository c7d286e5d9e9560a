//! Networks: `bridge`, `host` and `none`, which are always there.

use serde::Serialize;
use wire::{Info, Summary};

use super::error::ApiError;
use super::query::Query;

/// The three networks of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    host_id: String,
}

impl Networks {
    /// The networks of this host.
    #[must_use]
    pub fn new(info: &Info) -> Self {
        Self {
            host_id: info.host_id.clone(),
        }
    }

    /// `GET /networks`.
    ///
    /// # Errors
    /// 400 for filters that are none or are not known.
    pub fn list<'a>(
        &'a self,
        _query: &Query,
        _containers: impl Iterator<Item = &'a Summary>,
    ) -> Result<impl Serialize + 'a, ApiError> {
        Ok(vec![self.host_id.as_str()])
    }

    /// `GET /networks/{id}`.
    ///
    /// # Errors
    /// 404 `network x not found`.
    pub fn inspect<'a>(
        &'a self,
        _reference: &str,
        _query: &Query,
        _containers: impl Iterator<Item = &'a Summary>,
    ) -> Result<impl Serialize + 'a, ApiError> {
        Ok(self.host_id.as_str())
    }
}
