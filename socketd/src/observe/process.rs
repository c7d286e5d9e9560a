//! What the system says of this process.
//!
//! The files are opened while they can be and read when somebody asks: later no file can be opened. What the
//! system does not say is left out.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// Where the system says it.
#[derive(Debug)]
pub(super) struct Process {
    /// Memory, in pages.
    memory: Option<File>,
    /// A folder with an entry for each open descriptor.
    descriptors: Option<File>,
    page_bytes: Option<u64>,
}

/// What this process uses now.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Usage {
    pub(super) resident_bytes: Option<u64>,
    pub(super) cpu_seconds: Option<f64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
}

impl Process {
    pub(super) fn open() -> Self {
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        Self {
            memory: File::open("/proc/self/statm").ok(),
            descriptors: File::open("/proc/self/fd").ok(),
            page_bytes: page_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            resident_bytes: self.resident_bytes(),
            cpu_seconds: clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
                .ok()
                .map(|time| Duration::from(time).as_secs_f64()),
            open_fds: self.open_fds(),
            max_fds: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft),
        }
    }

    fn resident_bytes(&self) -> Option<u64> {
        let mut text = [0; 256];
        let count = self.memory.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..count)?).ok()?;
        let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        pages.checked_mul(self.page_bytes?)
    }

    /// Kernels since 6.2 say how many entries there are; on older ones this stays unknown, for to list them takes
    /// a system call that nothing else here needs.
    fn open_fds(&self) -> Option<u64> {
        let count = self.descriptors.as_ref()?.metadata().ok()?.len();
        (count > 0).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_counted_each_time() {
        let process = Process::open();
        let before = process.usage();
        assert!(before.resident_bytes.unwrap() > 100_000);
        let is_known = std::fs::metadata("/proc/self/fd").unwrap().len() > 0;
        assert_eq!(before.open_fds.is_some(), is_known);
        let Some(count) = before.open_fds else { return };
        assert!(count >= 5, "{before:?}");
        let ends: Vec<_> = (0..512).map(|_| std::io::pipe().unwrap()).collect();
        let with = process.usage().open_fds.unwrap();
        // Other tests open and close some of their own meanwhile.
        assert!(with >= count + 900, "{with} after {before:?}");
        assert!(with <= before.max_fds.unwrap());
        drop(ends);
        assert!(process.usage().open_fds.unwrap() <= with - 900);
    }
}
