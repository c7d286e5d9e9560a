//! A container's file system: busybox, as a folder.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tar::Archive;

use crate::rootfs;

/// Programs besides those that images have: what an init needs, and `su` for commands of another user.
const MORE: &[(&str, &str)] = &[
    ("bin/su", "busybox"),
    ("bin/tty", "busybox"),
    ("sbin/init", "../bin/busybox"),
    ("sbin/poweroff", "../bin/busybox"),
    ("sbin/reboot", "../bin/busybox"),
];

/// What busybox's init does: says so, and waits.
const INITTAB: &str = "::sysinit:/bin/echo booted\n";

/// A root file system in a folder.
#[derive(Debug, Clone)]
pub struct Rootfs {
    path: PathBuf,
}

impl Rootfs {
    /// Makes one, with busybox as init.
    ///
    /// # Panics
    /// When it cannot be made, or when there is no statically linked busybox.
    pub(super) fn unpack(path: &Path) -> Self {
        let mut archive = Archive::new(Cursor::new(rootfs::busybox()));
        fs::create_dir_all(path).unwrap();
        archive.set_preserve_permissions(true);
        archive.unpack(path).unwrap();
        // The program anew, by another process: see [`Rootfs::script`].
        let program = path.join("bin/busybox");
        fs::remove_file(&program).unwrap();
        let copied = Command::new("cp").arg(rootfs::BUSYBOX).arg(&program).status();
        assert!(copied.unwrap().success(), "busybox cannot be copied");
        for folder in ["run", "sbin", "var"] {
            fs::create_dir(path.join(folder)).unwrap();
        }
        for (place, target) in MORE {
            symlink(target, path.join(place)).unwrap();
        }
        let own = Self {
            path: path.to_owned(),
        };
        own.file("etc/inittab", INITTAB);
        own
    }

    /// Makes another one that shares nothing with this one but the program itself.
    pub(super) fn copy(&self, path: &Path) -> Self {
        copy(&self.path, path);
        Self {
            path: path.to_owned(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, place: &str, text: &str) {
        fs::write(self.path.join(place), text).unwrap();
    }

    /// Writes a program for the shell. Another process does: a descriptor that is open for writing in this
    /// one would find its way into the children of other threads, and a program that is open for writing
    /// does not run.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn script(&self, place: &str, text: &str) {
        let mut writer = Command::new("sh");
        writer
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(self.path.join(place));
        let mut child = writer.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input
            .write_all(format!("#!/bin/sh\n{text}\n").as_bytes())
            .unwrap();
        drop(input);
        assert!(child.wait().unwrap().success(), "{place} cannot be written");
    }

    /// Makes a script `/sbin/init`. Its kind is unknown to Droidspaces, which ends it by SIGTERM.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn init(&self, text: &str) {
        self.script("sbin/own", text);
        fs::remove_file(self.path.join("sbin/init")).unwrap();
        symlink("own", self.path.join("sbin/init")).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&source, &target);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source).unwrap(), target).unwrap();
        } else if entry.file_name() == "busybox" {
            // Two megabytes that nobody changes.
            fs::hard_link(source, target).unwrap();
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}
