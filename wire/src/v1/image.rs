//! What a container's root comes from.

use super::Invalid;
use super::layout::{ImageRecord, Recorded};

/// What one container's root comes from, as LIST_IMAGES shows it: one for each container, whether
/// or not several have the same path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// The container's name; at most 255 bytes are carried.
    pub name: String,
    /// Path of the image or of the root directory; at most 1023 bytes.
    pub path: String,
    /// The container's UUID; empty before its first start.
    pub uuid: String,
    /// Whether the container runs.
    pub running: bool,
    /// When it was made, in seconds since 1970; today's servers always say 0.
    pub created_at_s: i64,
}

impl Recorded for Image {
    type Record = ImageRecord;

    fn fill(&self, record: &mut ImageRecord) {
        record.name.set(&self.name);
        record.path.set(&self.path);
        record.uuid.set(&self.uuid);
        record.is_running.set(self.running.into());
        record.created_at_s.set(self.created_at_s);
    }

    fn read(record: &ImageRecord) -> Result<Self, Invalid> {
        Ok(Self {
            name: record.name.get(),
            path: record.path.get(),
            uuid: record.uuid.get(),
            running: record.is_running.get() != 0,
            created_at_s: record.created_at_s.get(),
        })
    }
}
