//! Volumes: none yet, in Docker's shape.

use serde::Serialize;

use super::error::ApiError;
use super::query::Query;

/// `GET /volumes`.
#[derive(Debug, Default, Serialize)]
pub struct VolumeList {
    /// Always an array.
    #[serde(rename = "Volumes")]
    pub volumes: [(); 0],
    /// Null, as Docker leaves it.
    #[serde(rename = "Warnings")]
    pub warnings: Option<Vec<String>>,
}

/// `GET /volumes`.
///
/// # Errors
/// 400 for filters that are none or are not known.
pub fn list(_query: &Query) -> Result<VolumeList, ApiError> {
    Ok(VolumeList::default())
}

/// What is answered about any one volume: 404.
#[must_use]
pub fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("get {name}: no such volume"))
}
