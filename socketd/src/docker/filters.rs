//! Docker's `filters=` parameter.

use std::collections::BTreeMap;

use super::error::ApiError;

/// Filters by key; the values of one key are alternatives unless the key says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    values: BTreeMap<String, Vec<String>>,
}

impl Filters {
    /// Reads `{"key":["value"]}` or the older `{"key":{"value":true}}`.
    ///
    /// # Errors
    /// 400 when it is neither, or names a key that is not accepted here.
    pub fn parse(_text: Option<&str>, _accepted: &[&str]) -> Result<Self, ApiError> {
        Ok(Self::default())
    }

    /// The values of a key; empty when it is not filtered by.
    #[must_use]
    pub fn values(&self, key: &str) -> &[String] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }
}
