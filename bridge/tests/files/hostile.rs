//! A container that wants to be loaded, run or led to by who looks after its files.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bridge::runtime::Runtime;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::scene::{Making, Scene, bind, packers};

/// How often something is done while somebody races against it.
const ROUNDS: usize = 60;

/// Libraries that a program with a library of names loads, and programs that unpack, all of them the
/// container's own; and something to read that takes a while.
const TRAPS: &str = "truncate -s 1G /data/big
    for d in lib lib64 usr/lib lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu lib/aarch64-linux-gnu; do
        mkdir -p /$d
        for l in libc.so.6 libnss_files.so.2 libgcc_s.so.1 ld-linux-x86-64.so.2; do cp /bin/busybox /$d/$l; done
    done
    mkdir -p /usr/bin
    for p in unpigz gzip xz zstd tar; do
        echo '#!/bin/sh' > /bin/$p; echo 'echo ran >> /ran' >> /bin/$p
        chmod 755 /bin/$p; cp /bin/$p /usr/bin/$p
    done
    echo ready; exec sleep 1000000";

/// Files that a process has in memory, by device and number: their paths depend on who looks.
fn mapped(pid: &str) -> BTreeSet<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let files = maps.lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().skip(3).take(2).collect();
        words.join(" ")
    });
    files.filter(|file| file != "00:00 0").collect()
}

fn parent(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit(')').next().unwrap();
    rest.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn nothing_of_the_container_is_loaded_or_run() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::shell(TRAPS));
    let started = scene.runtime.start(&id).unwrap();
    scene.await_output(&id, b"ready");
    // The shim is the same program, and was never inside.
    let expected = mapped(&parent(started.pid));
    assert!(expected.len() > 1, "{expected:?}");
    let look = |scene: &Scene, name: &str| {
        let tar = scene.runtime.read_archive(&id, "/data/big").unwrap();
        let mut stream = fs::File::from(tar.stream);
        stream.read_exact(&mut [0; 1 << 16]).unwrap();
        let [pid] = packers().try_into().unwrap();
        let found = mapped(&pid);
        assert!(found.is_subset(&expected), "{found:?} {expected:?}");
        drop((stream, tar.end));
        let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        compressed
            .write_all(&Making::new().file(name, b"in").end())
            .unwrap();
        scene.write(&id, "/data", compressed.finish().unwrap()).unwrap();
        assert_eq!(fs::read(scene.upper(&id, "data").join(name)).unwrap(), b"in");
        assert!(
            !scene.upper(&id, "ran").exists(),
            "a program of the container ran"
        );
    };
    look(&scene, "running");
    scene.runtime.signal(&id, 9).unwrap();
    scene.await_end(&id);
    look(&scene, "ended");
}

/// Over when this goes, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A volume in a volume, whose place somebody exchanges with a link to the machine's, while packers put
/// the root of a container that does not run together.
#[test]
fn a_racing_volume_leads_nowhere() {
    let mut scene = Scene::new();
    let (shared, inner, outside) = (
        scene.dir.join("shared"),
        scene.dir.join("inner"),
        scene.dir.join("outside"),
    );
    for dir in [&shared.join("a/in"), &inner, &outside.join("in")] {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(inner.join("mine"), "mine").unwrap();
    fs::write(outside.join("in/mine"), "secret").unwrap();
    symlink(&outside, shared.join("link")).unwrap();
    let mut spec = Scene::shell("true");
    spec.mounts = vec![bind(&shared, "/shared"), bind(&inner, "/shared/a/in")];
    let id = scene.ended(spec);
    let exchange = |one: &Path, other: &Path| {
        renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
    };
    let over = AtomicBool::new(false);
    let mut met = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                exchange(&shared.join("a"), &shared.join("link"));
            }
        });
        let _over = Over(&over);
        for _ in 0..ROUNDS {
            if let Ok(entries) = scene.read(&id, "/shared/a/in/mine") {
                assert_eq!(entries[b"mine".as_slice()].data, b"mine");
                met += 1;
            }
            let tar = Making::new().file("written", b"x").end();
            met += usize::from(scene.write(&id, "/shared/a/in", tar).is_ok());
        }
    });
    assert!(met > 0, "the volume was never met: nothing was tried");
    let names: Vec<_> = fs::read_dir(outside.join("in"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["mine"]);
}
