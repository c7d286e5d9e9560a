//! A machine for one document: what it changes below `/etc`, `/run` and `/var/lib` is gone with it, and the network is
//! its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::binaries::{self, binaries};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::tables::{REAL, STAND_INS};

/// What only the thread that made it, and what that thread starts, can see.
pub(crate) struct Machine {
    /// A folder to work in, as a reader has one.
    pub(crate) dir: PathBuf,
    mounts: Vec<PathBuf>,
}

impl Machine {
    /// Makes it, for this thread.
    pub(crate) fn new() -> Self {
        let dir = harness::pair::new_dir();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("this test needs root");
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let mut machine = Self {
            dir,
            mounts: Vec::new(),
        };
        let layers = machine.dir.join("etc-layers");
        fs::create_dir(&layers).unwrap();
        machine.in_memory(&layers);
        machine.in_memory(Path::new("/run"));
        machine.in_memory(Path::new("/var/lib"));
        machine.private_etc(&layers);
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(up.unwrap().success());
        machine.programs();
        machine
    }

    fn in_memory(&mut self, place: &Path) {
        mount(
            Some("docs"),
            place,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=755"),
        )
        .unwrap();
        self.mounts.push(place.to_owned());
    }

    /// The machine's own, and above it a layer that takes every change.
    fn private_etc(&mut self, layers: &Path) {
        let (upper, work) = (layers.join("upper"), layers.join("work"));
        fs::create_dir(&upper).unwrap();
        fs::create_dir(&work).unwrap();
        let options = format!(
            "lowerdir=/etc,upperdir={},workdir={}",
            upper.display(),
            work.display()
        );
        mount(
            Some("docs"),
            "/etc",
            Some("overlay"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        self.mounts.push("/etc".into());
        assert!(
            !Path::new("/etc/socketd").exists(),
            "this machine has a socketd of its own"
        );
        fs::create_dir("/etc/socketd").unwrap();
        let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
        fs::write(
            "/etc/hosts",
            format!("{hosts}\n127.0.0.1 localhost phone.lan fleet.lan\n"),
        )
        .unwrap();
    }

    /// A folder with every program that documents may name, and nothing else.
    fn programs(&self) {
        let folder = self.path();
        fs::create_dir(&folder).unwrap();
        for name in REAL {
            let found = std::env::var_os("PATH")
                .iter()
                .flat_map(std::env::split_paths)
                .chain(["/usr/sbin".into(), "/sbin".into()])
                .map(|place: PathBuf| place.join(name))
                .find(|path| path.is_file());
            let found = found.unwrap_or_else(|| panic!("there is no {name} on this machine"));
            symlink(found, folder.join(name)).unwrap();
        }
        for (name, script, _) in STAND_INS {
            let path = folder.join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink(&binaries().socketd, folder.join("socketd")).unwrap();
        symlink(&binaries().bridge, folder.join("socketd-bridge")).unwrap();
        symlink(binaries::fleet(), folder.join("socketd-fleet")).unwrap();
        // Where a clone has what it built.
        fs::create_dir(self.dir.join("target")).unwrap();
        let built = binaries().bridge.parent().unwrap();
        symlink(built, self.dir.join("target/release")).unwrap();
        fs::create_dir(self.dir.join("home")).unwrap();
    }

    /// The folder of programs.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("programs")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for place in self.mounts.iter().rev() {
            let _ = umount2(place, MntFlags::MNT_DETACH);
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
