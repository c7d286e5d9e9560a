//! Which events the server has: kept on disk, so that those that happen while nobody is connected are told later.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits;

/// The file in the state directory.
const FILE: &str = "events.json";

/// An engine's events come almost in order of their times: none is later than this, in nanoseconds.
const DISORDER: i64 = 1_000_000_000;

/// A clock that was set back by less than this is followed, in nanoseconds; one further back is wrong, and will be set
/// right.
const SET_BACK: i64 = 3_600_000_000_000;

/// An event: its time in nanoseconds since 1970, and what tells it from others of the same time.
pub(super) type Mark = (i64, u64);

/// Which events the server has.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    kept: Kept,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Whatever happened before is told, or never will be.
    since: i64,
    /// What is told of the rest.
    told: BTreeSet<Mark>,
}

impl Cursor {
    /// The one that is kept in `dir`; else one that begins `now`, in nanoseconds since 1970.
    pub(super) fn load(dir: &Path, now: i64) -> Self {
        let path = dir.join(FILE);
        let text = std::fs::read(&path);
        let kept = text
            .ok()
            .and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let is_new = kept.is_none();
        let kept = kept.unwrap_or_else(|| Kept {
            since: now,
            told: BTreeSet::new(),
        });
        let cursor = Self { path, kept };
        if is_new {
            cursor.save();
        }
        cursor
    }

    /// From when on the engine is to be asked, in nanoseconds since 1970, if it is `now`.
    pub(super) fn since(&self, now: i64) -> i64 {
        let since = self.kept.since;
        if since > now && since - now < SET_BACK {
            now
        } else {
            since
        }
    }

    /// Whether the server has this event.
    pub(super) fn has(&self, mark: Mark) -> bool {
        self.kept.told.contains(&mark)
    }

    /// Remembers that the server has these, on disk.
    pub(super) fn confirm(&mut self, marks: impl IntoIterator<Item = Mark>) {
        for mark in marks {
            if mark.0 < self.kept.since && self.kept.since - mark.0 < SET_BACK {
                self.kept.since = mark.0;
            }
            self.kept.told.insert(mark);
            self.advance(mark.0);
        }
        self.save();
    }

    /// Remembers that everything up to `time` is told, but for what comes out of order.
    pub(super) fn advance(&mut self, time: i64) {
        self.kept.since = self.kept.since.max(time.saturating_sub(DISORDER));
        while let Some(first) = self.kept.told.first().copied() {
            let is_crowded = self.kept.told.len() > limits::EVENTS_RECENT_MAX;
            if !is_crowded && first.0 >= self.kept.since {
                break;
            }
            self.kept.told.remove(&first);
            self.kept.since = self.kept.since.max(first.0.saturating_add(i64::from(is_crowded)));
        }
    }

    /// Whoever looks sees all of it or what was there before. A machine that loses its power may lose the last of it:
    /// then some events are told twice.
    fn save(&self) {
        let save = || -> io::Result<()> {
            let dir = self.path.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            file.write_all(&serde_json::to_vec(&self.kept)?)?;
            file.persist(&self.path).map(drop).map_err(|error| error.error)
        };
        if let Err(error) = save() {
            tracing::warn!(%error, path = %self.path.display(), "which events are told cannot be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn what_is_told_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut cursor = Cursor::load(dir.path(), 100 * S);
        assert_eq!(cursor.since(100 * S), 100 * S);
        cursor.confirm([(101 * S, 1), (101 * S, 2), (105 * S, 1)]);
        let cursor = Cursor::load(dir.path(), 500 * S);
        let check = |mark: Mark, expected: bool| assert_eq!(cursor.has(mark), expected, "{mark:?}");
        check((105 * S, 1), true);
        // The same time, another event.
        check((105 * S, 2), false);
        check((101 * S, 1), false);
        assert_eq!(cursor.since(500 * S), 104 * S);
    }

    #[test]
    fn a_first_start_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let _ = Cursor::load(dir.path(), 100 * S);
        assert_eq!(Cursor::load(dir.path(), 500 * S).since(500 * S), 100 * S);
    }

    #[test]
    fn a_file_that_is_none_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(Cursor::load(dir.path(), 7 * S).since(9 * S), 7 * S);
    }

    #[test]
    fn clocks_that_go_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut cursor = Cursor::load(dir.path(), 10_000 * S);
        let check = |cursor: &Cursor, now: i64, expected: i64| {
            assert_eq!(cursor.since(now * S), expected * S, "{now}")
        };
        check(&cursor, 9_990, 9_990);
        // A phone without its clock begins in 1970; what it was told of is not told again.
        check(&cursor, 10, 10_000);
        cursor.confirm([(9_990 * S, 1)]);
        check(&cursor, 10_000, 9_990);
        cursor.confirm([(20 * S, 1)]);
        check(&cursor, 10_000, 9_990);
    }

    #[test]
    fn a_crowd_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut cursor = Cursor::load(dir.path(), 0);
        let max = u64::try_from(limits::EVENTS_RECENT_MAX).unwrap();
        cursor.confirm((0..max + 10).map(|mark| (i64::try_from(mark).unwrap(), mark)));
        assert_eq!(cursor.kept.told.len(), limits::EVENTS_RECENT_MAX);
        assert_eq!(cursor.since(S), 10);
    }
}
