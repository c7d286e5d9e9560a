//! A published port.

use super::Invalid;
use super::layout::{PortRecord, Recorded};

/// What a published port carries. A number without a name survives decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// TCP, number 0.
    #[default]
    Tcp,
    /// UDP, number 1.
    Udp,
    /// A number that version 1 does not have.
    Unknown(u8),
}

impl Protocol {
    /// The number in the record.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 0,
            Self::Udp => 1,
            Self::Unknown(number) => number,
        }
    }

    /// The protocol of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Tcp,
            1 => Self::Udp,
            other => Self::Unknown(other),
        }
    }
}

/// A published port, or a range of them of equal width on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Port {
    /// The first port of the host.
    pub host: u16,
    /// The last port of the host; 0 where there is one only.
    pub host_end: u16,
    /// The first port of the container.
    pub container: u16,
    /// The last port of the container; 0 where there is one only.
    pub container_end: u16,
    /// What it carries.
    pub protocol: Protocol,
}

impl Recorded for Port {
    type Record = PortRecord;

    fn fill(&self, record: &mut PortRecord) {
        record.host.set(self.host);
        record.host_end.set(self.host_end);
        record.container.set(self.container);
        record.container_end.set(self.container_end);
        record.protocol = self.protocol.number();
    }

    fn read(record: &PortRecord) -> Result<Self, Invalid> {
        Ok(Self {
            host: record.host.get(),
            host_end: record.host_end.get(),
            container: record.container.get(),
            container_end: record.container_end.get(),
            protocol: Protocol::from_number(record.protocol),
        })
    }
}
