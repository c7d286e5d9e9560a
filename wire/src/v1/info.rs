//! How many containers there are.

use super::Invalid;
use super::layout::{InfoPayload, Recorded};

/// How many containers there are; all that INFO says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Info {
    /// All of them.
    pub total: u32,
    /// Those that run.
    pub running: u32,
    /// Those that do not.
    pub stopped: u32,
}

impl Recorded for Info {
    type Record = InfoPayload;

    fn fill(&self, record: &mut InfoPayload) {
        record.total.set(self.total);
        record.running.set(self.running);
        record.stopped.set(self.stopped);
    }

    fn read(record: &InfoPayload) -> Result<Self, Invalid> {
        Ok(Self {
            total: record.total.get(),
            running: record.running.get(),
            stopped: record.stopped.get(),
        })
    }
}
