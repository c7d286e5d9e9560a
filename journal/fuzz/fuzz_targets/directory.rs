//! A sound journal with bytes changed by the fuzzer: opening never panics, invents no event, and
//! loses no more events than it changed bytes and lengths.
#![no_main]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use journal::storage::{File, Storage};
use journal::surroundings::Machine;
use journal::{Journal, Options};
use libfuzzer_sys::fuzz_target;
use wire::{Action, Event, EventKind, Time};

type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Files>>);

#[derive(Debug)]
struct Open {
    disk: Disk,
    /// A renamed file keeps its descriptor.
    name: Mutex<String>,
}

impl Disk {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.0.lock().unwrap().get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Open { disk: self.clone(), name: Mutex::new(name.to_owned()) }))
    }
}

impl Open {
    fn with<T>(&self, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut files = self.disk.0.lock().unwrap();
        let mut name = self.name.lock().unwrap();
        if !files.contains_key(&*name) {
            *name = name.replace(".new", ".segment");
        }
        change(files.entry(name.clone()).or_default())
    }
}

impl Storage for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.0.lock().unwrap().insert(name.to_owned(), Vec::new());
        self.open(name)
    }
    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.open(name)
    }
    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.open(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.lock().unwrap();
        let bytes = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), bytes);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl File for Open {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.with(|bytes| bytes.len() as u64))
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|bytes| {
            let rest = bytes.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }
    fn write_at(&self, new: &[u8], offset: u64) -> io::Result<usize> {
        self.with(|bytes| {
            let offset = offset as usize;
            bytes.resize(bytes.len().max(offset + new.len()), 0);
            bytes[offset..offset + new.len()].copy_from_slice(new);
            Ok(new.len())
        })
    }
    fn truncate(&self, length: u64) -> io::Result<()> {
        self.with(|bytes| bytes.truncate(length as usize));
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn open(disk: &Disk) -> journal::Opened {
    let options = Options { segment_bytes: 1000, retain_bytes: 1 << 40, ..Options::default() };
    Journal::open_on(Arc::new(disk.clone()), Arc::new(Machine), [1; 32], options).unwrap()
}

fn read_all(journal: &Journal) -> Vec<Event> {
    journal.read(0, Time::NEVER, usize::MAX, usize::MAX).unwrap().events
}

static SOUND: LazyLock<(Files, Vec<Event>)> = LazyLock::new(|| {
    let disk = Disk::default();
    let journal = open(&disk).journal;
    for number in 0..20 {
        let event = Event {
            time: Time::since_epoch(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap()),
            kind: EventKind::Container,
            action: Action::Start,
            actor: format!("c{number}"),
            ..Event::default()
        };
        journal.append(vec![event], Box::new(|_| {})).unwrap();
    }
    let events = read_all(&journal);
    drop(journal);
    let files = disk.0.lock().unwrap().clone();
    (files, events)
});

fuzz_target!(|data: &[u8]| {
    let (files, events) = &*SOUND;
    let mut files = files.clone();
    let names: Vec<String> = files.keys().cloned().collect();
    let mut changed = 0;
    for change in data.chunks_exact(4) {
        let name = &names[change[0] as usize % names.len()];
        let bytes = files.get_mut(name).unwrap();
        let at = usize::from(u16::from_le_bytes([change[1], change[2]])) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= change[3];
            changed += 1;
        }
    }
    let heads_may_be_gone = changed > 1;
    let opened = open(&Disk(Arc::new(Mutex::new(files))));
    let left = read_all(&opened.journal);
    assert!(left.iter().all(|event| events.contains(event)));
    if !heads_may_be_gone {
        assert!(left.len() + changed >= events.len());
    }
    let fresh = opened.journal.append(vec![Event::default()], Box::new(|_| {})).unwrap();
    assert_eq!(read_all(&opened.journal).last(), fresh.last());
});
