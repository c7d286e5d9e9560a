//! `/version`, `/info`, `/system/df`.

use serde::Serialize;
use wire::response::ContainerUsage;
use wire::{Info, Summary, Time};

use super::error::ApiError;
use super::images::ImageIndex;
use super::query::Query;

/// The newest version of Docker's API that is spoken.
pub const API_VERSION: &str = "1.51";
/// The oldest.
pub const API_VERSION_MIN: &str = "1.24";

/// The `Server` header.
#[must_use]
pub fn server_header() -> String {
    format!("socketd/{} (linux)", env!("CARGO_PKG_VERSION"))
}

/// `GET /version`.
#[must_use]
pub fn version(info: &Info) -> impl Serialize + use<> {
    info.kernel_version.clone()
}

/// `GET /info`. `listeners`: clients that read events now.
#[must_use]
pub fn info<'a>(
    info: &'a Info,
    _containers: impl Iterator<Item = &'a Summary>,
    _images: &ImageIndex,
    _listeners: usize,
    _now: Time,
) -> impl Serialize + 'a {
    info.kernel_version.as_str()
}

/// `GET /system/df`; `type` may ask for a part.
///
/// # Errors
/// 400 for a type that is none.
pub fn disk_usage<'a>(
    _query: &Query,
    containers: &'a [Summary],
    _usage: &'a [ContainerUsage],
    _images: &'a ImageIndex,
    _now: Time,
) -> Result<impl Serialize + 'a, ApiError> {
    Ok(containers.len())
}
