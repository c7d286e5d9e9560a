//! A console as another runtime keeps it and the bridge passes it: files that hold what was written
//! and nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use wire::files::{Log, LogFile};
use wire::{RefusalCode, Request, Response};

use super::{Peer, Verdict, refuse};

/// The console of one container.
pub(crate) struct FakeConsole {
    dir: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    console: File,
    bells: Vec<OwnedFd>,
    running: bool,
}

fn begin(path: &Path) -> File {
    OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(path)
        .unwrap()
}

impl FakeConsole {
    /// Empty, of a container that runs. The files are made in `dir`.
    pub(crate) fn new(dir: &Path) -> Arc<Self> {
        let console = begin(&dir.join("console"));
        Arc::new(Self {
            dir: dir.to_owned(),
            inner: Mutex::new(Inner {
                console,
                bells: Vec::new(),
                running: true,
            }),
        })
    }

    /// Writes, without a ring.
    pub(crate) fn write(&self, text: &str) {
        let mut inner = self.inner.lock().unwrap();
        inner.console.write_all(text.as_bytes()).unwrap();
    }

    /// Writes, and rings.
    pub(crate) fn say(&self, text: &str) {
        self.write(text);
        self.ring();
    }

    pub(crate) fn ring(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.bells.retain(|bell| nix::unistd::write(bell, b"!").is_ok());
    }

    /// Cuts the file to nothing.
    pub(crate) fn cut(&self) {
        self.inner.lock().unwrap().console.set_len(0).unwrap();
    }

    /// The run is over.
    pub(crate) fn end(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.running = false;
        inner.bells.clear();
    }

    /// The next run begins, with a file of its own.
    pub(crate) fn start(&self) {
        let mut inner = self.inner.lock().unwrap();
        fs::rename(self.dir.join("console"), self.dir.join("console.old")).unwrap();
        inner.console = begin(&self.dir.join("console"));
        inner.running = true;
    }

    /// Answers what is asked about the console. There is no way in.
    pub(crate) fn answer(&self, request: &Request, peer: &mut Peer) -> Verdict {
        let bell = match request {
            Request::OpenLog(open) => open.follow,
            Request::Attach(_) => true,
            Request::OpenInput(_) => {
                peer.answer(&refuse(RefusalCode::Unsupported, "c"));
                return Verdict::Answered;
            }
            _ => return Verdict::Pass,
        };
        let mut inner = self.inner.lock().unwrap();
        let mut passed: Vec<OwnedFd> = Vec::new();
        let mut files = Vec::new();
        for name in ["console.old", "console"] {
            if let Ok(file) = File::open(self.dir.join(name)) {
                files.push(LogFile {
                    number: passed.len() as u64 + 1,
                    bytes: file.metadata().unwrap().len(),
                });
                passed.push(file.into());
            }
        }
        if bell {
            let (heard, rope) = nix::unistd::pipe().unwrap();
            inner.bells.push(rope);
            passed.push(heard);
        }
        let answer = Response::Log(Log {
            files,
            tty: true,
            bell,
            running: inner.running,
            raw: true,
        });
        drop(inner);
        let passed: Vec<_> = passed.iter().map(AsFd::as_fd).collect();
        peer.answer_with(&answer, &passed);
        Verdict::Answered
    }
}
