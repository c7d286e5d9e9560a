//! A wall clock that jumps, for the daemons that a thread starts and for nobody else.
//!
//! No namespace moves the time of day. What does is a small library that the loader puts before libc in every
//! dynamically linked program: in a list of mounts of the thread's own, `/etc/ld.so.preload` names it. So it reaches
//! the shims too, which are started without an environment. Other clocks stay as they are, as on a real machine.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;

/// What is compiled.
const SOURCE: &str = include_str!("moved_clock.c");

/// The clock of all that this thread starts from now on.
#[derive(Debug)]
pub struct MovedClock {
    seconds: File,
}

impl MovedClock {
    /// One that is right, its files in `dir`.
    ///
    /// # Panics
    /// When there is no C compiler, or this is not root.
    pub fn begin(dir: &Path) -> Self {
        let dir = dir.join("clock");
        let (place, library) = (dir.join("seconds"), dir.join("moved_clock.so"));
        fs::create_dir(&dir).unwrap();
        fs::write(&place, 0_i64.to_le_bytes()).unwrap();
        compile(&dir, &place, &library);
        preload(&dir, &library);
        let seconds = File::options().write(true).open(place).unwrap();
        Self { seconds }
    }

    /// Moves it to so many seconds after 1970.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set(&self, seconds: u64) {
        let right = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let moved = seconds.cast_signed() - right.cast_signed();
        self.seconds.write_all_at(&moved.to_le_bytes(), 0).unwrap();
    }

    /// Sets it right.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn correct(&self) {
        self.seconds.write_all_at(&0_i64.to_le_bytes(), 0).unwrap();
    }
}

fn compile(dir: &Path, place: &Path, library: &Path) {
    let source = dir.join("moved_clock.c");
    fs::write(&source, SOURCE).unwrap();
    let mut command = Command::new("cc");
    command
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror"])
        .arg(format!("-DSECONDS_FILE=\"{}\"", place.display()))
        .arg("-o")
        .args([library, &source]);
    let output = command
        .output()
        .expect("this test needs a C compiler, as Rust's linker does");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Has the loader put the library before all others, where this thread starts something.
fn preload(dir: &Path, library: &Path) {
    let (upper, work): (PathBuf, PathBuf) = (dir.join("upper"), dir.join("work"));
    for folder in [&upper, &work] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(upper.join("ld.so.preload"), format!("{}\n", library.display())).unwrap();
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).unwrap();
    let options = format!(
        "lowerdir=/etc,upperdir={},workdir={}",
        upper.display(),
        work.display()
    );
    mount(
        Some("etc"),
        "/etc",
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .unwrap();
}
