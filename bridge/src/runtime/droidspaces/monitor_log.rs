//! What a container's monitor notes of its end: the only place where its exit code stands.
//!
//! ```text
//! [2026-11-22 01:07:39.123] [monitor] Detected container SHUTDOWN (exit: 3)
//! ```

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::civil::DateTime;
use wire::Time;

use super::limits::MONITOR_LOG_BYTES_MAX;

/// What stands before the exit code.
const SHUTDOWN: &str = "Detected container SHUTDOWN (exit: ";

/// A place in a monitor's log: what comes after it is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    inode: u64,
    length: u64,
}

impl Mark {
    /// The end of the log as it is now.
    pub(super) fn end_of(path: &Path) -> Self {
        fs::metadata(path).map_or_else(
            |_| Self::default(),
            |about| Self {
                inode: about.ino(),
                length: about.len(),
            },
        )
    }

    /// The exit code of the last end that was noted since; none where none was.
    pub(super) fn exit_since(self, path: &Path) -> Option<u32> {
        let mut file = File::open(path).ok()?;
        let about = file.metadata().ok()?;
        // Another file, or one that was begun again, is news as a whole.
        let from = if about.ino() == self.inode && about.len() >= self.length {
            self.length
        } else {
            0
        };
        let from = from.max(about.len().saturating_sub(MONITOR_LOG_BYTES_MAX));
        file.seek(SeekFrom::Start(from)).ok()?;
        let mut bytes = Vec::new();
        file.take(MONITOR_LOG_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        last_exit(&String::from_utf8_lossy(&bytes)).map(|(code, _)| code)
    }
}

/// The last end that a log tells of: its exit code, and when it was; never where that cannot be told.
pub(super) fn last_end(path: &Path) -> Option<(u32, Time)> {
    let mut file = File::open(path).ok()?;
    let about = file.metadata().ok()?;
    let from = about.len().saturating_sub(MONITOR_LOG_BYTES_MAX);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.take(MONITOR_LOG_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (code, line) = last_exit(&text)?;
    let written = u64::try_from(about.mtime()).unwrap_or(0);
    let last = text.lines().rev().find_map(local_time);
    let time = match (local_time(line), last) {
        (Some(ended), Some(last)) => in_utc(ended, last, written),
        _ => Time::NEVER,
    };
    Some((code, time))
}

/// The last line that tells of an end, and its exit code.
fn last_exit(text: &str) -> Option<(u32, &str)> {
    text.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once(SHUTDOWN)?;
        let (code, _) = rest.split_once(')')?;
        Some((code.trim().parse().ok()?, line))
    })
}

/// The time that a line begins with, on the clock of its writer: milliseconds since 1970 if that clock
/// showed UTC.
fn local_time(line: &str) -> Option<i64> {
    let (text, _) = line.strip_prefix('[')?.split_once(']')?;
    let time = text.trim().parse::<DateTime>().ok()?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// Which time a local one was. The zone of the writer is nowhere written, but the last line was written
/// when the file last changed; zones lie whole quarters of an hour apart.
fn in_utc(ended_ms: i64, last_ms: i64, written_s: u64) -> Time {
    const QUARTER_MS: i64 = 15 * 60 * 1000;
    const TOLERANCE_MS: i64 = 2 * 60 * 1000;
    let written_ms = i64::try_from(written_s)
        .unwrap_or(i64::MAX / 1000)
        .saturating_mul(1000);
    let apart = last_ms.saturating_sub(written_ms);
    let quarters = apart.saturating_add(QUARTER_MS / 2).div_euclid(QUARTER_MS);
    let zone_ms = quarters.saturating_mul(QUARTER_MS);
    if apart.saturating_sub(zone_ms).abs() > TOLERANCE_MS || zone_ms.abs() > 15 * 3_600_000 {
        return Time::NEVER;
    }
    let utc_ms = u64::try_from(ended_ms.saturating_sub(zone_ms)).unwrap_or(0);
    Time(utc_ms.saturating_mul(1_000_000))
}

/// A door for the fuzzer, which comes from outside.
#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some((_, line)) = last_exit(&text)
        && let (Some(ended), Some(last)) = (local_time(line), text.lines().rev().find_map(local_time))
    {
        let _ = in_utc(ended, last, 1_700_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "[2026-11-22 03:07:39.123] [monitor] Detected container SHUTDOWN (exit: 3)";

    #[test]
    fn the_last_end_counts() {
        let text = format!("noise\n[x] [monitor] Detected container SHUTDOWN (exit: 9)\n{LINE}\nmore\n");
        assert_eq!(last_exit(&text), Some((3, LINE)));
        for none in [
            "",
            "SHUTDOWN",
            "Detected container SHUTDOWN (exit: x)",
            "Detected container SHUTDOWN (exit: 1",
        ] {
            assert_eq!(last_exit(none), None, "{none}");
        }
    }

    #[test]
    fn the_zone_of_the_writer_comes_out() {
        let local = local_time(LINE).expect("a time");
        // 2026-11-22T01:07:39.123Z, written two hours ahead, the file last changed a second later.
        let ended = in_utc(local, local + 1000, 1_795_309_660);
        assert_eq!(ended, Time(1_795_309_659_123_000_000));
        // A last line that fits no zone tells nothing.
        assert_eq!(in_utc(local, local + 1000, 1_795_309_660 + 400), Time::NEVER);
        assert_eq!(local_time("no time"), None);
    }
}
