//! The unpacker as seen from outside while it waits for a sender, and when things go wrong.

use std::fs;
use std::io::{self, PipeWriter, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use bridge::runtime::RuntimeError;
use bridge::runtime::native::images::Store;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wire::Image;
use wire::request::ImportImage;

use crate::scene::{Scene, Tar, import, import_as, small};

/// The unpacker at work in this scene, once it has given up all it gives up.
fn confined_unpacker(scene: &Scene) -> (i32, String) {
    let incoming = scene.path("incoming");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let root = fs::read_link(entry.path().join("root")).unwrap_or_default();
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            // The last thing it does before it reads.
            if root.starts_with(&incoming) && status.contains("NoNewPrivs:\t1") {
                return (pid, status);
            }
        }
        assert!(Instant::now() < deadline, "the unpacker never confined itself");
        thread::yield_now();
    }
}

/// Begins an import whose sender says nothing, and looks at the unpacker meanwhile.
fn with_unpacker(store: &Store, look: impl FnOnce(PipeWriter)) -> Result<Image, RuntimeError> {
    let (reader, writer) = io::pipe().unwrap();
    thread::scope(|scope| {
        let import = scope.spawn(|| store.import(&ImportImage::default(), reader.into()));
        look(writer);
        import.join().unwrap()
    })
}

#[test]
fn the_unpacker_holds_nothing_but_its_directory() {
    let scene = Scene::new();
    let store = scene.open();
    let imported = with_unpacker(&store, |mut writer| {
        let (pid, status) = confined_unpacker(&scene);
        // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP, as bits 0, 1, 3, 4, 27, 31.
        let kept = "000000008800001b";
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert!(status.contains(&format!("{set}:\t{kept}\n")), "{status}");
        }
        for set in ["CapInh", "CapAmb"] {
            assert!(status.contains(&format!("{set}:\t{:016}\n", 0)), "{status}");
        }
        let proc = PathBuf::from(format!("/proc/{pid}"));
        assert_eq!(fs::read(proc.join("environ")).unwrap(), b"");
        for entry in fs::read_dir(proc.join("fd")).unwrap() {
            let target = fs::read_link(entry.unwrap().path()).unwrap();
            let target = target.to_str().unwrap();
            assert!(target.starts_with("pipe:") || target == "/dev/null", "{target}");
        }
        assert_ne!(
            fs::read_link(proc.join("ns/net")).unwrap(),
            fs::read_link("/proc/self/ns/net").unwrap()
        );
        writer.write_all(&small().end()).unwrap();
    });
    imported.unwrap();
}

#[test]
fn a_killed_unpacker_leaves_nothing() {
    let scene = Scene::new();
    let store = scene.open();
    let imported = with_unpacker(&store, |mut writer| {
        writer.write_all(&small().0).unwrap();
        let (pid, _) = confined_unpacker(&scene);
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    });
    assert!(
        matches!(imported, Err(RuntimeError::System { .. })),
        "{imported:?}"
    );
    scene.assert_empty();
}

#[test]
fn a_full_disk_leaves_nothing() {
    let scene = Scene::new();
    // A file system of the thread's own, inherited by the unpackers it starts.
    let fill = || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).unwrap();
        fs::create_dir(scene.path("")).unwrap();
        mount(
            none,
            &scene.path(""),
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=1m"),
        )
        .unwrap();
        let store = scene.open();
        let kept = import_as(&store, "a:b", &small().end()).unwrap();
        let before = scene.count();
        match import_as(&store, "a:b", &Tar::default().file("large", &[1; 2 << 20]).end()) {
            Err(RuntimeError::System { error, .. }) => {
                assert_eq!(error.raw_os_error(), Some(nix::libc::ENOSPC))
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(store.list(), [kept]);
        assert_eq!(scene.count(), before);
        import(&store, &small().end()).unwrap();
    };
    thread::scope(|scope| scope.spawn(fill).join().unwrap());
}
