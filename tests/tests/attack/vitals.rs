//! What a daemon takes of the machine, looked up where the kernel tells it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(50);

/// The most that was seen, or the most that may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Vitals {
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
}

impl Vitals {
    /// Now; none where the process is gone.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(Self {
            resident_bytes: number("VmRSS:")? * 1024,
            threads: number("Threads:")?,
            descriptors: u64::try_from(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count()).ok()?,
        })
    }

    fn most(self, other: Self) -> Self {
        Self {
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
            threads: self.threads.max(other.threads),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }

    /// The most there is of everything until `over`.
    pub(crate) fn most_until(pid: i32, over: &AtomicBool) -> Self {
        let mut most = Self::default();
        while !over.load(Ordering::Relaxed) {
            most = most.most(Self::of(pid).expect("the bridge is there"));
            thread::park_timeout(PERIOD);
        }
        most
    }

    #[track_caller]
    pub(crate) fn assert_within(self, max: Self) {
        assert!(self.most(max) == max, "it took {self:?}, and may take {max:?}");
    }
}
