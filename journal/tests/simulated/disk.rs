//! A disk in memory that remembers every operation, so that a power cut can be played at any of
//! them, and that fails when it is told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use journal::storage::{File, Storage};

/// A torn write tears between these.
const SECTOR_BYTES: usize = 512;

/// What changes a disk, or makes changes durable.
#[derive(Debug, Clone)]
enum Op {
    Create {
        name: String,
        file: usize,
    },
    Write {
        file: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        length: usize,
    },
    Sync {
        file: usize,
    },
    Rename {
        from: String,
        to: String,
        file: usize,
    },
    Remove {
        name: String,
    },
    SyncNames,
}

/// Which calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// One call with this error.
    Once(i32),
    /// Every call from there on with this error, until [`Disk::repair`].
    Sticky(i32),
    /// One write takes half of what it is given, and the call after it fails with this error.
    Short(i32),
}

/// Which calls a countdown counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Changes,
    Reads,
}

#[derive(Debug, Clone, Copy)]
struct Fuse {
    counted: Counted,
    left: u64,
    fault: Fault,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    ops: Vec<Op>,
    /// What the disk was before the first of `ops`.
    base: BTreeMap<String, Vec<u8>>,
    fuse: Option<Fuse>,
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

/// What a power cut leaves of what was not durable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// Nothing.
    Nothing,
    /// Everything: the process was killed, the machine went on.
    Everything,
    /// Some of it, by this seed: any sectors of any write, any change of names, in any order.
    Some(u64),
}

/// A small generator, so that a failing seed can be played again.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

impl Disk {
    /// A disk with these files, all of them durable.
    pub(crate) fn with(base: BTreeMap<String, Vec<u8>>) -> Self {
        let mut state = State {
            base: base.clone(),
            ..State::default()
        };
        for (name, bytes) in base {
            state.names.insert(name, state.files.len());
            state.files.push(bytes);
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// Every file as a running process sees it.
    pub(crate) fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let file = |(name, &file): (&String, &usize)| (name.clone(), state.files[file].clone());
        state.names.iter().map(file).collect()
    }

    /// How many operations there were.
    pub(crate) fn ops(&self) -> usize {
        self.state().ops.len()
    }

    /// What a power cut before operation `at` leaves.
    pub(crate) fn cut(&self, at: usize, cut: Cut) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let mut image = Image::new(&state.base);
        for op in &state.ops[..at] {
            image.apply(op);
        }
        image.finish(cut)
    }

    /// The call after `left` further ones of the counted kind fails.
    pub(crate) fn fail(&self, counted: Counted, left: u64, fault: Fault) {
        self.state().fuse = Some(Fuse { counted, left, fault });
    }

    /// Nothing fails any more. Says whether something still would have.
    pub(crate) fn repair(&self) -> bool {
        let fuse = self.state().fuse.take();
        fuse.is_some_and(|fuse| fuse.left > 0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        self.call(Counted::Changes).map(|(state, _)| state)
    }

    /// Counts a call down. Says whether a write is to be cut short.
    fn call(&self, counted: Counted) -> io::Result<(MutexGuard<'_, State>, bool)> {
        let mut state = self.state();
        let Some(fuse) = state.fuse.filter(|fuse| fuse.counted == counted) else {
            return Ok((state, false));
        };
        if fuse.left > 0 {
            state.fuse = Some(Fuse {
                left: fuse.left - 1,
                ..fuse
            });
            return Ok((state, false));
        }
        let (next, short, errno) = match fuse.fault {
            Fault::Once(errno) => (None, false, errno),
            Fault::Sticky(errno) => (state.fuse, false, errno),
            Fault::Short(errno) => (
                Some(Fuse {
                    fault: Fault::Once(errno),
                    ..fuse
                }),
                true,
                errno,
            ),
        };
        state.fuse = next;
        if short {
            Ok((state, true))
        } else {
            Err(io::Error::from_raw_os_error(errno))
        }
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let (state, _) = self.call(Counted::Reads)?;
        let &file = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        Ok(Box::new(Open {
            disk: self.clone(),
            file,
        }))
    }
}

impl Storage for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        let (state, _) = self.call(Counted::Reads)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut state = self.change()?;
        let file = state.files.len();
        state.files.push(Vec::new());
        state.names.insert(name.to_owned(), file);
        state.ops.push(Op::Create {
            name: name.to_owned(),
            file,
        });
        drop(state);
        Ok(Box::new(Open {
            disk: self.clone(),
            file,
        }))
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.open(name)
    }

    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.change()?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        state.ops.push(Op::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            file,
        });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.change()?;
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.ops.push(Op::Remove {
            name: name.to_owned(),
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.change()?.ops.push(Op::SyncNames);
        Ok(())
    }
}

#[derive(Debug)]
struct Open {
    disk: Disk,
    file: usize,
}

impl File for Open {
    fn bytes(&self) -> io::Result<u64> {
        let (state, _) = self.disk.call(Counted::Reads)?;
        Ok(state.files[self.file].len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let (state, _) = self.disk.call(Counted::Reads)?;
        let rest = state.files[self.file].get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let (mut state, short) = self.disk.call(Counted::Changes)?;
        let count = if short { bytes.len() / 2 } else { bytes.len() };
        let (file, offset, bytes) = (self.file, offset as usize, bytes[..count].to_vec());
        put(&mut state.files[file], offset, &bytes);
        state.ops.push(Op::Write { file, offset, bytes });
        Ok(count)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.change()?;
        state.files[self.file].truncate(bytes as usize);
        state.ops.push(Op::Truncate {
            file: self.file,
            length: bytes as usize,
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change()?.ops.push(Op::Sync { file: self.file });
        Ok(())
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    file.resize(file.len().max(offset + bytes.len()), 0);
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// What is on the platter, and what is on its way there.
struct Image {
    names: BTreeMap<String, usize>,
    files: BTreeMap<usize, Vec<u8>>,
    /// Changes of files and of names that are not yet durable.
    file_ops: Vec<(usize, Op)>,
    name_ops: Vec<Op>,
}

impl Image {
    fn new(base: &BTreeMap<String, Vec<u8>>) -> Self {
        let names = base.keys().cloned().zip(0..).collect();
        let files = (0..).zip(base.values().cloned()).collect();
        Self {
            names,
            files,
            file_ops: Vec::new(),
            name_ops: Vec::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Write { file, .. } | Op::Truncate { file, .. } => self.file_ops.push((*file, op.clone())),
            Op::Sync { file } => {
                let (synced, rest) = std::mem::take(&mut self.file_ops)
                    .into_iter()
                    .partition(|(of, _)| of == file);
                self.file_ops = rest;
                for (_, op) in Vec::from_iter::<Vec<_>>(synced) {
                    self.write(&op, &mut || true);
                }
            }
            Op::Create { .. } | Op::Rename { .. } | Op::Remove { .. } => self.name_ops.push(op.clone()),
            Op::SyncNames => {
                for op in std::mem::take(&mut self.name_ops) {
                    self.name(&op);
                }
            }
        }
    }

    fn finish(mut self, cut: Cut) -> BTreeMap<String, Vec<u8>> {
        let mut chance = Chance::new(if let Cut::Some(seed) = cut { seed } else { 0 });
        let mut survives = || match cut {
            Cut::Nothing => false,
            Cut::Everything => true,
            Cut::Some(seed) => chance.next() % 4 < 1 + seed % 3,
        };
        for (_, op) in std::mem::take(&mut self.file_ops) {
            self.write(&op, &mut survives);
        }
        for op in std::mem::take(&mut self.name_ops) {
            if survives() {
                self.name(&op);
            }
        }
        let files = self.files;
        let file = |(name, file)| (name, files.get(&file).cloned().unwrap_or_default());
        self.names.into_iter().map(file).collect()
    }

    /// Applies the sectors of a change that survive. A file may grow without its bytes.
    fn write(&mut self, op: &Op, survives: &mut impl FnMut() -> bool) {
        match op {
            Op::Write { file, offset, bytes } => {
                let file = self.files.entry(*file).or_default();
                let mut at = 0;
                while at < bytes.len() {
                    let sector_end = (offset + at) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
                    let end = bytes.len().min(sector_end - offset);
                    if survives() {
                        put(file, offset + at, &bytes[at..end]);
                    }
                    at = end;
                }
            }
            Op::Truncate { file, length } if survives() => {
                self.files.entry(*file).or_default().truncate(*length);
            }
            _ => {}
        }
    }

    fn name(&mut self, op: &Op) {
        match op {
            Op::Create { name, file } => {
                self.names.insert(name.clone(), *file);
            }
            Op::Rename { from, to, file } => {
                self.names.remove(from);
                self.names.insert(to.clone(), *file);
            }
            Op::Remove { name } => {
                self.names.remove(name);
            }
            _ => {}
        }
    }
}
