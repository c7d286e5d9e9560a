//! Small shapes that several answers share.

use serde::Serialize;
use wire::spec::Port;

/// An object without fields.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Empty {}

/// Where the layers of a root file system lie.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GraphDriver<'a> {
    data: Option<GraphDriverData>,
    name: &'a str,
}

/// Directories on the host; those that are not known are left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GraphDriverData {
    /// Of the layers below, joined by colons.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) lower_dir: String,
    /// Of the layer of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) upper_dir: String,
}

/// Docker's name for the kernel's overlay file system.
pub(super) const STORAGE_DRIVER: &str = "overlay2";

/// How a root file system is kept, from what the bridge says of it.
pub(super) fn storage_driver(storage: &str) -> &str {
    if storage.is_empty() {
        STORAGE_DRIVER
    } else {
        storage
    }
}

impl<'a> GraphDriver<'a> {
    /// As with Docker, a driver that has nothing to say of itself says null.
    pub(super) fn new(name: &'a str, data: GraphDriverData) -> Self {
        Self {
            data: (!data.upper_dir.is_empty() || !data.lower_dir.is_empty()).then_some(data),
            name,
        }
    }
}

/// Docker shows `null` for lists that nobody set.
pub(super) fn null_if_empty<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

/// `80/tcp`.
pub(super) fn port_key(port: &Port) -> String {
    format!("{}/{}", port.container_port, port.protocol)
}
