use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::open;
use nix::sys::stat::mkdirat;

use super::*;

/// A directory of this test's own, gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "socketd-tree-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        remove(File::open(&self.0).unwrap().as_fd(), name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let parent = File::open(self.0.parent().unwrap()).unwrap();
        remove(parent.as_fd(), self.0.file_name().unwrap()).unwrap();
    }
}

/// Makes a chain of directories with one file of a byte in each, and returns the top.
fn chain(scratch: &Scratch, depth: usize) -> PathBuf {
    let top = scratch.0.join("deep");
    fs::create_dir(&top).unwrap();
    let mut here = open(&top, directory_flags(), Mode::empty()).unwrap();
    for _ in 0..depth {
        mkdirat(&here, "d", Mode::S_IRWXU).unwrap();
        let file = nix::fcntl::openat(&here, "f", OFlag::O_CREAT | OFlag::O_WRONLY, Mode::S_IRWXU).unwrap();
        nix::unistd::write(&file, b"x").unwrap();
        here = nix::fcntl::openat(&here, "d", directory_flags(), Mode::empty()).unwrap();
    }
    top
}

#[test]
fn a_tree_of_ten_thousand_levels_is_measured_and_removed() {
    let scratch = Scratch::new();
    let top = chain(&scratch, 10_000);
    assert_eq!(directory_bytes(&top), 10_000);
    scratch.remove(OsStr::new("deep")).unwrap();
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
}

#[test]
fn odd_names_and_our_own_names_are_removed() {
    let scratch = Scratch::new();
    let top = scratch.0.join("top");
    for name in [
        &b"new\nline"[..],
        b"\xff\xfe",
        b"-rf",
        b".lifted-1",
        b".lifted-2",
        b" ",
    ] {
        let dir = top.join(OsString::from_vec(name.to_vec()));
        fs::create_dir_all(dir.join(".lifted-3/.lifted-1/x")).unwrap();
        fs::write(dir.join("...").as_path(), b"").unwrap();
    }
    fs::write(top.join(".lifted-4"), b"").unwrap();
    scratch.remove(OsStr::new("top")).unwrap();
    assert!(!top.exists());
}

#[test]
fn removal_follows_no_link() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.0.join("kept")).unwrap();
    fs::write(scratch.0.join("kept/file"), b"kept").unwrap();
    fs::create_dir(scratch.0.join("top")).unwrap();
    symlink("../kept", scratch.0.join("top/link")).unwrap();
    symlink("kept", scratch.0.join("link")).unwrap();
    scratch.remove(OsStr::new("top")).unwrap();
    scratch.remove(OsStr::new("link")).unwrap();
    assert_eq!(fs::read(scratch.0.join("kept/file")).unwrap(), b"kept");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[test]
fn what_is_not_there_is_removed_already() {
    Scratch::new().remove(OsStr::new("nothing")).unwrap();
}

#[test]
fn bytes_count_regular_files_and_hard_links_once() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.0.join("a")).unwrap();
    fs::write(scratch.0.join("a/ten"), [0; 10]).unwrap();
    fs::hard_link(scratch.0.join("a/ten"), scratch.0.join("ten")).unwrap();
    fs::write(scratch.0.join("five"), [0; 5]).unwrap();
    symlink("/etc", scratch.0.join("etc")).unwrap();
    nix::unistd::mkfifo(&scratch.0.join("pipe"), Mode::S_IRWXU).unwrap();
    assert_eq!(directory_bytes(&scratch.0), 15);
    assert_eq!(directory_bytes(&scratch.0.join("etc")), 0);
    assert_eq!(directory_bytes(&scratch.0.join("nothing")), 0);
}
