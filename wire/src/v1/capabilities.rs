//! What a server can do.

use super::Invalid;
use super::layout::{CapabilitiesPayload, Recorded};

/// What a server can do, as a bit mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// It speaks version 1.
    pub const VERSION_1: Self = Self(0x001);
    /// PING.
    pub const PING: Self = Self(0x002);
    /// CAPABILITIES.
    pub const CAPABILITIES: Self = Self(0x004);
    /// INFO.
    pub const INFO: Self = Self(0x008);
    /// LIST_CONTAINERS.
    pub const LIST_CONTAINERS: Self = Self(0x010);
    /// INSPECT_CONTAINER.
    pub const INSPECT: Self = Self(0x020);
    /// START_CONTAINER, STOP_CONTAINER and RESTART_CONTAINER.
    pub const LIFECYCLE: Self = Self(0x040);
    /// LIST_IMAGES.
    pub const LIST_IMAGES: Self = Self(0x080);
    /// POLL_EVENTS.
    pub const POLL_EVENTS: Self = Self(0x100);
    /// All of the above, which is what a server of today answers.
    pub const ALL: Self = Self(0x1ff);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Recorded for Capabilities {
    type Record = CapabilitiesPayload;

    fn fill(&self, record: &mut CapabilitiesPayload) {
        record.mask.set(self.0);
    }

    fn read(record: &CapabilitiesPayload) -> Result<Self, Invalid> {
        Ok(Self(record.mask.get()))
    }
}
