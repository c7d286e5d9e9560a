//! Points in time.

use crate::Invalid;
use crate::reader::Reader;
use crate::record::Value;

/// Nanoseconds since 1970-01-01T00:00:00Z by the wall clock; zero means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// It has not happened.
    pub const NEVER: Self = Self(0);

    /// A time so many nanoseconds after 1970; times that do not fit become the last one that does.
    #[must_use]
    pub fn since_epoch(elapsed: core::time::Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Whether it has happened at all.
    #[must_use]
    pub fn is_never(self) -> bool {
        self == Self::NEVER
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }
}

impl Value for Time {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        Ok(Self(u64::read(reader)?))
    }
}
