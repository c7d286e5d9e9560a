//! What is unpacked, and as what.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use flate2::Compression;
use flate2::write::GzEncoder;
use lzma_rust2::{XzOptions, XzWriter};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sha2::{Digest, Sha256};
use tar::EntryType;
use wire::ImageId;

use crate::scene::{Scene, Tar, exists, import, import_as, rootfs, small};

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn check(bytes: &[u8]) {
    let scene = Scene::new();
    let store = scene.open();
    let image = import_as(&store, "a:b", bytes).unwrap();
    assert_eq!(image.layer, ImageId(Sha256::digest(small().end()).into()));
    assert_eq!(image.size_bytes, 29);
    assert_eq!(image.tags, ["a:b"]);
    assert_eq!(image.comment, "from a test");
    assert_eq!(store.list(), std::slice::from_ref(&image));
    let root = rootfs(&store, &image);
    assert_eq!(fs::read(root.join("usr/bin/sh")).unwrap(), b"a shell");
    assert_eq!(fs::read_link(root.join("bin")).unwrap().to_str(), Some("usr/bin"));
    let (one, other) = (
        fs::metadata(root.join("bin/sh")).unwrap(),
        fs::metadata(root.join("bin/ash")).unwrap(),
    );
    assert_eq!(one.ino(), other.ino());
}

#[test]
fn plain_tar() {
    check(&small().end());
}

#[test]
fn gzip_tar() {
    check(&gzip(&small().end()));
}

#[test]
fn gzip_tar_in_two_members() {
    let bytes = small().end();
    let (one, other) = bytes.split_at(700);
    check(&[gzip(one), gzip(other)].concat());
}

#[test]
fn xz_tar() {
    check(&xz(&small().end()));
}

#[test]
fn zstd_tar() {
    check(&zstd(&small().end()));
}

#[test]
fn zstd_tar_in_frames_with_a_skippable_one_between() {
    let bytes = small().end();
    let (one, other) = bytes.split_at(700);
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    check(&[&skippable, zstd(one).as_slice(), &skippable, &zstd(other)].concat());
}

#[test]
fn an_archive_without_entries_is_an_empty_image() {
    for blocks in [1, 2, 20] {
        let scene = Scene::new();
        let store = scene.open();
        let image = import(&store, &vec![0; blocks * 512]).unwrap();
        assert_eq!(image.size_bytes, 0);
        assert_eq!(fs::read_dir(rootfs(&store, &image)).unwrap().count(), 0);
        assert_eq!(
            fs::metadata(rootfs(&store, &image)).unwrap().mode() & 0o7777,
            0o755
        );
    }
}

#[test]
fn owners_modes_times_and_attributes_are_kept() {
    let scene = Scene::new();
    let store = scene.open();
    // A capability record with newlines in it: cap_net_raw and others, permitted and effective.
    let capability = [1, 0, 0, 2, b'\n', b'\n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut su = Tar::header(b"su", EntryType::Regular, 2);
    su.set_mode(0o6755);
    su.set_uid(3);
    su.set_gid(4);
    let mut tmp = Tar::header(b"tmp/", EntryType::Directory, 0);
    tmp.set_mode(0o1777);
    tmp.set_uid(70_000);
    let tar = Tar::default()
        .pax(&[
            ("mtime", b"1234.5"),
            ("SCHILY.xattr.security.capability", &capability),
            ("SCHILY.xattr.user.note", b"kept"),
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ])
        .entry(su, b"su")
        .entry(tmp, b"")
        .file("tmp/later", b"")
        .device("pipe", EntryType::Fifo, (0, 0))
        .device("dev/null", EntryType::Char, (1, 3));
    let image = import(&store, &tar.end()).unwrap();
    let root = rootfs(&store, &image);
    let su = fs::metadata(root.join("su")).unwrap();
    assert_eq!((su.mode() & 0o7777, su.uid(), su.gid()), (0o6755, 3, 4));
    assert_eq!((su.mtime(), su.mtime_nsec()), (1234, 500_000_000));
    let mut value = [0; 64];
    let path = root.join("su");
    let length = rustix::fs::getxattr(&path, "security.capability", &mut value).unwrap();
    assert_eq!(value[..length], capability);
    let length = rustix::fs::getxattr(&path, "user.note", &mut value).unwrap();
    assert_eq!(&value[..length], b"kept");
    for left_out in ["trusted.overlay.opaque", "user.overlay.opaque"] {
        assert!(rustix::fs::getxattr(&path, left_out, &mut value).is_err());
    }
    let tmp = fs::metadata(root.join("tmp")).unwrap();
    assert_eq!(
        (tmp.mode() & 0o7777, tmp.uid(), tmp.mtime()),
        (0o1777, 70_000, 1_000_000_000)
    );
    assert!(fs::metadata(root.join("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(
        fs::metadata(root.join("dev/null")).unwrap().rdev(),
        nix::sys::stat::makedev(1, 3)
    );
}

#[test]
fn long_names_of_gnu_and_pax() {
    let scene = Scene::new();
    let store = scene.open();
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let pax = format!("{}/p", "e".repeat(250));
    let name = [long.as_bytes(), b"\0"].concat();
    let tar = Tar::default()
        .entry(
            Tar::header(b"././@LongLink", EntryType::GNULongName, name.len()),
            &name,
        )
        .file("cut", b"1")
        .entry(
            Tar::header(b"././@LongLink", EntryType::GNULongLink, name.len()),
            &name,
        )
        .hard_link("link", "cut")
        .pax(&[("path", pax.as_bytes()), ("linkpath", &[b'x'; 300])])
        .symlink("cut", "cut");
    let image = import(&store, &tar.end()).unwrap();
    let root = rootfs(&store, &image);
    assert_eq!(fs::read(root.join(long)).unwrap(), b"1");
    assert_eq!(fs::read(root.join("link")).unwrap(), b"1");
    assert_eq!(fs::read_link(root.join(pax)).unwrap().as_os_str().len(), 300);
    assert!(!exists(root.join("cut")));
}

#[test]
fn of_two_entries_with_one_name_the_later_wins() {
    let scene = Scene::new();
    let store = scene.open();
    let tar = Tar::default()
        .file("a", b"first")
        .hard_link("kept", "a")
        .file("a", b"second")
        .file("b/c/d", b"deep")
        .file("b", b"flat")
        .symlink("l", "kept")
        .file("l", b"own")
        .symlink("m", "/")
        .dir("m")
        .file("b2", b"x")
        .file("b", b"flatter")
        .hard_link("b", "b");
    let image = import(&store, &tar.end()).unwrap();
    let root = rootfs(&store, &image);
    let read = |name: &str| fs::read(root.join(name)).unwrap();
    assert_eq!((read("a"), read("kept")), (b"second".to_vec(), b"first".to_vec()));
    assert_eq!((read("b"), read("l")), (b"flatter".to_vec(), b"own".to_vec()));
    assert!(fs::symlink_metadata(root.join("m")).unwrap().is_dir());
}

#[test]
fn sparse_files_of_gnu_and_pax() {
    let scene = Scene::new();
    let store = scene.open();
    let mut header = Tar::header(b"gnu", EntryType::GNUSparse, 3);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(1 << 20);
    gnu.sparse[0].set_offset(1000);
    gnu.sparse[0].set_length(3);
    let mut data = b"1\n5\n3\n".to_vec();
    data.resize(512, 0);
    data.extend_from_slice(b"abc");
    let tar = Tar::default()
        .entry(header, b"xyz")
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"pax"),
            ("GNU.sparse.realsize", b"10"),
        ])
        .file("GNUSparseFile.0/pax", &data);
    let image = import(&store, &tar.end()).unwrap();
    let root = rootfs(&store, &image);
    let gnu = fs::read(root.join("gnu")).unwrap();
    assert_eq!((gnu.len(), &gnu[1000..1003]), (1 << 20, &b"xyz"[..]));
    assert_eq!(fs::read(root.join("pax")).unwrap(), b"\0\0\0\0\0abc\0\0");
    assert!(fs::metadata(root.join("gnu")).unwrap().blocks() < 100);
}
