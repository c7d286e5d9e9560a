//! A disk that can be cut off at any operation, and then has of what was not synced what chance leaves.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

/// The disk; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    /// As whoever reads now sees it.
    seen: Vec<u8>,
    /// As it was at the last sync.
    synced: Vec<u8>,
    /// Since then.
    since: Vec<Change>,
    /// Operations until the cut.
    left: Option<usize>,
}

#[derive(Debug, Clone)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(at, data) => {
                let end = at + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(data);
            }
        }
    }
}

impl Disk {
    /// One with these bytes.
    pub(super) fn with(bytes: Vec<u8>) -> Self {
        let platter = Platter {
            seen: bytes.clone(),
            synced: bytes,
            ..Platter::default()
        };
        Self(Arc::new(Mutex::new(platter)))
    }

    /// Is cut off after so many more writes and syncs.
    pub(super) fn cut_after(&self, operations: usize) {
        self.0.lock().unwrap().left = Some(operations);
    }

    /// What is there when only the process ended: the system still writes everything.
    pub(super) fn after_a_kill(&self) -> Vec<u8> {
        self.0.lock().unwrap().seen.clone()
    }

    /// What is there when the power went: of what was not synced, each write whole, by half, or not, as `chance` has it.
    pub(super) fn after_a_power_cut(&self, mut chance: u64) -> Vec<u8> {
        let platter = self.0.lock().unwrap();
        let mut bytes = platter.synced.clone();
        for change in &platter.since {
            // A step of a congruential generator: any that is not constant will do.
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            match (chance >> 33) % 3 {
                0 => {}
                1 => change.apply(&mut bytes),
                _ => match change {
                    Change::Write(at, data) => {
                        Change::Write(*at, data[..data.len() / 2].to_vec()).apply(&mut bytes);
                    }
                    length => length.apply(&mut bytes),
                },
            }
        }
        bytes
    }

    fn change(&self, change: Option<Change>) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        match &mut platter.left {
            Some(0) => return Err(io::Error::other("it is cut off")),
            Some(left) => *left -= 1,
            None => {}
        }
        if let Some(change) = change {
            change.apply(&mut platter.seen);
            platter.since.push(change);
        } else {
            platter.synced = platter.seen.clone();
            platter.since.clear();
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.0.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        let found = platter.seen.get(at..at + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Some(Change::Length(usize::try_from(len).unwrap())))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.change(Some(Change::Write(at, data.to_vec())))
    }
}
