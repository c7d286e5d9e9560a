//! `Logs/socketd-events.bin`: records of 369 bytes, one after the other, nothing else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of one record.
pub const EVENT_BYTES: usize = 369;
/// More records than this are cut to the newest [`KEPT`].
const RECORDS_MAX: usize = 128;
/// Records that are left after a cut.
const KEPT: usize = 64;
/// Fields of text with their widths, in their order behind the two times.
const TYPE_BYTES: usize = 32;
const ACTION_BYTES: usize = 32;
const ID_BYTES: usize = 33;
const NAME_BYTES: usize = 256;
/// Nanoseconds of a second.
const SECOND_NS: i64 = 1_000_000_000;

/// What happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    pub time_ns: i64,
    /// What: `start`, `die` or `restart`.
    pub action: String,
    /// The container's uuid.
    pub uuid: String,
    /// The container's name.
    pub name: String,
}

impl Event {
    /// One that happens now.
    ///
    /// # Panics
    /// When the clock is before 1970 or after 2262.
    pub fn now(action: &str, uuid: &str, name: &str) -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            time_ns: i64::try_from(time.as_nanos()).unwrap(),
            action: action.to_owned(),
            uuid: uuid.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Appends it to a file, and cuts the file in place where it has grown too long: between the two steps
    /// of that a reader finds it empty.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).mode(0o644).open(path)?;
        file.write_all(&self.encode())?;
        drop(file);
        let bytes = fs::read(path)?;
        if bytes.len() > RECORDS_MAX * EVENT_BYTES {
            let records: Vec<&[u8]> = bytes.chunks_exact(EVENT_BYTES).collect();
            let newest = records[records.len() - KEPT..].concat();
            // As there: emptied first, then written, with nobody locked out.
            let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
            file.write_all(&newest)?;
        }
        Ok(())
    }

    /// Its record.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(EVENT_BYTES);
        put(&mut bytes, self.time_ns.div_euclid(SECOND_NS));
        put(&mut bytes, self.time_ns);
        for (text, width) in [
            ("container", TYPE_BYTES),
            (&self.action, ACTION_BYTES),
            (&self.uuid, ID_BYTES),
            (&self.name, NAME_BYTES),
        ] {
            let end = bytes.len() + width;
            // The last byte is always 0.
            bytes.extend(text.bytes().take(width - 1));
            bytes.resize(end, 0);
        }
        bytes
    }

    /// Reads a record; the second half of a torn one gives nonsense, as it does there.
    fn decode(bytes: &[u8]) -> Self {
        let (times, text) = bytes.split_at(16);
        let text = &text[TYPE_BYTES..];
        let (action, text) = text.split_at(ACTION_BYTES);
        let (uuid, name) = text.split_at(ID_BYTES);
        Self {
            time_ns: take(&times[8..]),
            action: string(action),
            uuid: string(uuid),
            name: string(name),
        }
    }
}

/// Every event of a file, oldest first; none where there is no file.
pub(super) fn read(path: &Path) -> Vec<Event> {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.chunks_exact(EVENT_BYTES).map(Event::decode).collect()
}

/// The most significant byte comes first, on every machine.
fn put(bytes: &mut Vec<u8>, number: i64) {
    for shift in (0..8).rev() {
        bytes.push(u8::try_from((number >> (8 * shift)) & 0xff).unwrap_or_default());
    }
}

fn take(bytes: &[u8]) -> i64 {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

fn string(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{EVENT_BYTES, Event, KEPT, RECORDS_MAX, read};
    use crate::pair::new_dir;

    #[test]
    fn an_event_is_369_bytes() {
        let event = Event {
            time_ns: 1_795_309_630_204_501_482,
            action: "start".to_owned(),
            uuid: "d5d1e1acf44a0207bba262457d5e36f9".to_owned(),
            name: "tiny".to_owned(),
        };
        let bytes = event.encode();
        assert_eq!(bytes.len(), EVENT_BYTES);
        assert_eq!(bytes[..8], [0x00, 0x00, 0x00, 0x00, 0x6b, 0x02, 0x40, 0x3e]);
        assert_eq!(&bytes[16..25], b"container");
        assert_eq!(&bytes[48..53], b"start");
        assert_eq!(&bytes[80..84], b"d5d1");
        assert_eq!(&bytes[113..117], b"tiny");
        assert_eq!(Event::decode(&bytes), event);
    }

    #[test]
    fn a_long_file_is_cut() {
        let dir = new_dir();
        let path = dir.join("events");
        for number in 0..=RECORDS_MAX {
            let event = Event::now("start", "", &format!("n{number}"));
            event.append(&path).unwrap();
        }
        let left = read(&path);
        assert_eq!(left.len(), KEPT);
        assert_eq!(left[KEPT - 1].name, format!("n{RECORDS_MAX}"));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
