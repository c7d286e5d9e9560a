//! A container as a list shows it.

use super::layout::{ContainerRecord, Recorded, fill_slots, read_slots};
use super::limits::PORTS_MAX;
use super::{Invalid, Port};

/// How a container is connected. A number without a name survives decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NetMode {
    /// The host's own network, number 0.
    #[default]
    Host,
    /// A network of its own behind the host's address, number 1.
    Nat,
    /// No network, number 2.
    None,
    /// A network of its own behind another container, number 3. The protocol's own header does not
    /// list it, yet servers send it.
    Gateway,
    /// A number that version 1 does not have.
    Unknown(u8),
}

impl NetMode {
    /// The number in the record.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Host => 0,
            Self::Nat => 1,
            Self::None => 2,
            Self::Gateway => 3,
            Self::Unknown(number) => number,
        }
    }

    /// The mode of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Host,
            1 => Self::Nat,
            2 => Self::None,
            3 => Self::Gateway,
            other => Self::Unknown(other),
        }
    }
}

/// A container as LIST_CONTAINERS shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// Its name; at most 255 bytes are carried.
    pub name: String,
    /// 32 lower-case hexadecimal digits; empty before its first start.
    pub uuid: String,
    /// Path of its image, or of its root directory where it has no image; at most 1023 bytes.
    pub image: String,
    /// Its hostname, where it has one of its own; at most 255 bytes.
    pub hostname: String,
    /// Its IPv4 address; with [`NetMode::Nat`] only.
    pub address: String,
    /// Its first program; empty for `/sbin/init`. At most 1023 bytes.
    pub init: String,
    /// Its first process as the host sees it; 0 where it does not run.
    pub pid: i32,
    /// How it is connected.
    pub net_mode: NetMode,
    /// Its published ports; the first sixteen are carried, and nothing says that there were more.
    pub ports: Vec<Port>,
    /// When it started, in seconds since 1970; 0 where it does not run or nobody knows.
    pub started_at_s: i64,
}

impl Recorded for Container {
    type Record = ContainerRecord;

    fn fill(&self, record: &mut ContainerRecord) {
        record.name.set(&self.name);
        record.uuid.set(&self.uuid);
        record.image.set(&self.image);
        record.hostname.set(&self.hostname);
        record.address.set(&self.address);
        record.init.set(&self.init);
        record.pid.set(self.pid);
        record.net_mode = self.net_mode.number();
        record.port_count = u8::try_from(self.ports.len().min(PORTS_MAX)).unwrap_or_default();
        fill_slots(&self.ports, &mut record.ports);
        record.started_at_s.set(self.started_at_s);
    }

    fn read(record: &ContainerRecord) -> Result<Self, Invalid> {
        Ok(Self {
            name: record.name.get(),
            uuid: record.uuid.get(),
            image: record.image.get(),
            hostname: record.hostname.get(),
            address: record.address.get(),
            init: record.init.get(),
            pid: record.pid.get(),
            net_mode: NetMode::from_number(record.net_mode),
            ports: read_slots("ports", record.port_count.into(), &record.ports)?,
            started_at_s: record.started_at_s.get(),
        })
    }
}
