//! A container's log as the bridge passes it: real files, real bells.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use wire::files::{Log, LogFile};
use wire::log::{EntryHeader, Stream, file_header};
use wire::{Request, Response, Time};

use super::{Peer, Verdict};

/// When the first entry is written; each next one is a second later.
pub(crate) const FIRST_SECOND: u64 = 1_700_000_000;

/// The log of one container.
pub(crate) struct FakeLog {
    dir: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Numbers of the files there are, oldest first. The newest is `log`, the others `log.N`.
    numbers: Vec<u64>,
    newest: File,
    entries: u64,
    bells: Vec<OwnedFd>,
    tty: bool,
    running: bool,
}

fn begin(path: &Path, number: u64) -> File {
    let mut file = OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(&file_header(number)).unwrap();
    file
}

impl FakeLog {
    /// Empty, of a container that runs. The files are made in `dir`.
    pub(crate) fn new(dir: &Path) -> Arc<Self> {
        let newest = begin(&dir.join("log"), 1);
        Arc::new(Self {
            dir: dir.to_owned(),
            inner: Mutex::new(Inner {
                numbers: vec![1],
                newest,
                entries: 0,
                bells: Vec::new(),
                tty: false,
                running: true,
            }),
        })
    }

    pub(crate) fn set_tty(&self) {
        self.inner.lock().unwrap().tty = true;
    }

    pub(crate) fn set_running(&self, running: bool) {
        self.inner.lock().unwrap().running = running;
    }

    pub(crate) fn is_running(&self) -> bool {
        self.inner.lock().unwrap().running
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Writes an entry, without a ring.
    pub(crate) fn write(&self, stream: Stream, text: &[u8]) {
        let mut inner = self.inner.lock().unwrap();
        let header = EntryHeader {
            time: Time((FIRST_SECOND + inner.entries) * 1_000_000_000),
            stream,
            partial: !text.ends_with(b"\n"),
            length: u32::try_from(text.len()).unwrap(),
        };
        inner.entries += 1;
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(&header.length.to_le_bytes());
        inner.newest.write_all(&bytes).unwrap();
    }

    /// Writes to standard output, and rings.
    pub(crate) fn say(&self, text: &str) {
        self.write(Stream::Output, text.as_bytes());
        self.ring();
    }

    pub(crate) fn ring(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.bells.retain(|bell| nix::unistd::write(bell, b"!").is_ok());
    }

    /// Puts the newest file aside and begins the next.
    pub(crate) fn rotate(&self) {
        let mut inner = self.inner.lock().unwrap();
        let number = *inner.numbers.last().unwrap();
        // One that was removed by hand is simply gone.
        if fs::rename(self.path(), self.dir.join(format!("log.{number}"))).is_err() {
            inner.numbers.pop();
        }
        inner.newest = begin(&self.path(), number + 1);
        inner.numbers.push(number + 1);
    }

    /// The run is over.
    pub(crate) fn end(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.running = false;
        inner.bells.clear();
    }

    pub(crate) fn bells(&self) -> usize {
        self.inner.lock().unwrap().bells.len()
    }

    /// Answers what is asked about the log.
    pub(crate) fn answer(&self, request: &Request, peer: &mut Peer) -> Verdict {
        let bell = match request {
            Request::OpenLog(open) => open.follow,
            Request::Attach(_) => true,
            _ => return Verdict::Pass,
        };
        let mut inner = self.inner.lock().unwrap();
        let newest = inner.numbers.last().copied();
        let opened: Vec<(u64, File)> = inner
            .numbers
            .iter()
            .filter_map(|&number| {
                let path = if Some(number) == newest {
                    self.path()
                } else {
                    self.dir.join(format!("log.{number}"))
                };
                File::open(path).ok().map(|file| (number, file))
            })
            .collect();
        let mut passed: Vec<OwnedFd> = Vec::new();
        let mut files = Vec::new();
        for (number, file) in opened {
            let bytes = file.metadata().unwrap().len();
            files.push(LogFile { number, bytes });
            passed.push(file.into());
        }
        if bell {
            let (heard, rope) = nix::unistd::pipe().unwrap();
            inner.bells.push(rope);
            passed.push(heard);
        }
        let answer = Response::Log(Log {
            files,
            tty: inner.tty,
            bell,
            running: inner.running,
            raw: false,
        });
        drop(inner);
        let passed: Vec<_> = passed.iter().map(AsFd::as_fd).collect();
        peer.answer_with(&answer, &passed);
        Verdict::Answered
    }
}
