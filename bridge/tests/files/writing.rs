//! Putting files in.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use bridge::runtime::{Runtime, RuntimeError};
use tar::EntryType;
use wire::files::WriteArchive;
use wire::spec::{Mount, MountKind};

use crate::scene::{Making, Scene, bind, sender_of};

fn small() -> Vec<u8> {
    Making::new()
        .directory("in/")
        .file("in/file", b"body")
        .symlink("in/link", "file")
        .entry(b"in/odd\n\xff", EntryType::Regular, "", b"odd")
        .entry(b"in/second", EntryType::Link, "in/file", b"")
        .end()
}

#[test]
fn a_tree_running_and_stopped() {
    let mut scene = Scene::new();
    let running = scene.running(Scene::shell("true"));
    let created = scene.create(Scene::shell("cat /data/in/second"));
    for id in [running, created] {
        scene.write(&id, "/data", small()).unwrap();
        let file = fs::symlink_metadata(scene.upper(&id, "data/in/file")).unwrap();
        assert_eq!((file.uid(), file.gid(), file.nlink()), (1234, 4321, 2));
        assert_eq!(
            (file.permissions().mode(), file.mtime()),
            (0o100_640, 1_000_000_000)
        );
        let back = scene.read(&id, "/data/in").unwrap();
        assert_eq!(back[b"in/odd\n\xff".as_slice()].data, b"odd");
        assert_eq!(back[b"in/link".as_slice()].link, b"file");
    }
    // The stopped one starts with it.
    scene.runtime.start(&created).unwrap();
    scene.await_end(&created);
    let log = fs::read(scene.directory(&created).join("log")).unwrap();
    assert!(log.windows(4).any(|part| part == b"body"));
}

#[test]
fn compressed_tars() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::shell("true"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&Making::new().file("gzip", b"1").end()).unwrap();
    scene.write(&id, "/data", gzip.finish().unwrap()).unwrap();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    xz.write_all(&Making::new().file("xz", b"1").end()).unwrap();
    scene.write(&id, "/data", xz.finish().unwrap()).unwrap();
    for name in ["gzip", "xz"] {
        assert!(scene.upper(&id, "data").join(name).exists(), "{name}");
    }
}

#[test]
fn owners_are_the_tars_or_the_users() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("true");
    spec.process.user = "ana".to_owned();
    let id = scene.create(spec);
    let ask = WriteArchive {
        path: "/data".to_owned(),
        ..WriteArchive::default()
    };
    scene
        .runtime
        .write_archive(&id, &ask, sender_of(small()))
        .unwrap();
    let file = fs::symlink_metadata(scene.upper(&id, "data/in/file")).unwrap();
    assert_eq!((file.uid(), file.gid()), (1000, 100));
}

#[test]
fn kinds_are_kept_where_that_is_asked() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::shell("true"));
    let ask = WriteArchive {
        path: "/data".to_owned(),
        keep_kinds: true,
        keep_owners: true,
        ..WriteArchive::default()
    };
    let write = |tar| scene.runtime.write_archive(&id, &ask, sender_of(tar));
    match write(Making::new().file("full", b"x").end()) {
        Err(RuntimeError::PathConflict { path, reason }) => {
            assert_eq!(path, "/data/full");
            assert_eq!(
                reason,
                r#"cannot overwrite directory "/data/full" with non-directory "/data""#
            );
        }
        other => panic!("{other:?}"),
    }
    match write(Making::new().directory("one/").end()) {
        Err(RuntimeError::PathConflict { reason, .. }) => {
            assert_eq!(
                reason,
                r#"cannot overwrite non-directory "/data/one" with directory "/data""#
            );
        }
        other => panic!("{other:?}"),
    }
    write(
        Making::new()
            .directory("./")
            .directory("full/")
            .file("one", b"other")
            .end(),
    )
    .unwrap();
    assert_eq!(scene.diff(&id), ["C /data", "C /data/full", "C /data/one"]);
    // Else the later wins.
    scene
        .write(&id, "/data", Making::new().file("full", b"x").end())
        .unwrap();
    assert_eq!(scene.diff(&id), ["C /data", "C /data/full", "C /data/one"]);
}

#[test]
fn where_nothing_can_be_put() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::shell("true"));
    assert!(matches!(
        scene.write(&id, "/nothing", small()),
        Err(RuntimeError::NoSuchPath(_))
    ));
    for path in ["/data/one", "/data/one/x", "/data/one/"] {
        assert!(
            matches!(
                scene.write(&id, path, small()),
                Err(RuntimeError::NotADirectory(_))
            ),
            "{path}"
        );
    }
    assert!(matches!(
        scene.write(&id, "/data", b"no tar".to_vec()),
        Err(RuntimeError::InvalidArchive(_))
    ));
    let mut cut = small();
    cut.truncate(1024);
    assert!(matches!(
        scene.write(&id, "/data", cut),
        Err(RuntimeError::InvalidArchive(_))
    ));
}

#[test]
fn a_read_only_root_refuses_and_what_is_mounted_in_it_does_not() {
    let mut scene = Scene::new();
    let shared = scene.dir.join("shared");
    let mut spec = Scene::shell("true");
    spec.security.read_only_rootfs = true;
    let mut closed = bind(&scene.dir.join("closed"), "/data/full");
    closed.read_only = true;
    let memory = Mount {
        kind: MountKind::Tmpfs,
        target: "/sub".to_owned(),
        ..Mount::default()
    };
    spec.mounts = vec![bind(&shared, "/data/plain"), closed, memory];
    let running = scene.running(spec.clone());
    let ended = scene.ended({
        spec.process.command = vec!["true".to_owned()];
        spec
    });
    for id in [running, ended] {
        for path in ["/data", "/data/full"] {
            let written = scene.write(&id, path, Making::new().end());
            assert!(
                matches!(written, Err(RuntimeError::ReadOnly(_))),
                "{path}: {written:?}"
            );
        }
        scene.write(&id, "/data/plain", small()).unwrap();
        assert_eq!(fs::read(shared.join("in/file")).unwrap(), b"body");
        fs::remove_dir_all(shared.join("in")).unwrap();
    }
    scene.write(&running, "/sub", small()).unwrap();
}

#[test]
fn a_sender_that_goes_is_no_end() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::shell("true"));
    let ask = WriteArchive {
        path: "/data".to_owned(),
        keep_owners: true,
        ..WriteArchive::default()
    };
    // As the front sends: a byte left lying at its end tells one that has gone from one that is done.
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(&[0]).unwrap();
    ours.write_all(&small()).unwrap();
    drop(ours);
    let written = scene.runtime.write_archive(&id, &ask, OwnedFd::from(theirs));
    match written {
        Err(RuntimeError::System { error, .. }) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        other => panic!("{other:?}"),
    }
    Scene::assert_no_packers();
}

#[test]
fn a_link_to_a_directory_is_a_place() {
    let mut scene = Scene::new();
    let id = scene.ended(Scene::shell("ln -s data/plain /way"));
    scene
        .write(&id, "/way", Making::new().file("x", b"x").end())
        .unwrap();
    assert_eq!(fs::read(scene.upper(&id, "data/plain/x")).unwrap(), b"x");
}
