//! Archives that want out, or up, or everything: each is refused or harmless, and nothing is left.

use std::fs;

use bridge::runtime::RuntimeError;
use tar::EntryType;

use crate::formats::{gzip, xz, zstd};
use crate::scene::{Scene, Tar, exists, import, rootfs, small};

/// Imports an archive that must be refused with this sentence.
fn refused(bytes: &[u8], sentence: &str) {
    let scene = Scene::new();
    let store = scene.open();
    match import(&store, bytes) {
        Err(RuntimeError::InvalidArchive(said)) => assert_eq!(said, sentence),
        other => panic!("{sentence}: {other:?}"),
    }
    assert!(store.list().is_empty());
    scene.assert_empty();
}

#[test]
fn no_archive_at_all() {
    refused(b"", "unexpected EOF");
    refused(b"x", "unexpected EOF");
    refused(b"this is not a tar", "unexpected EOF");
    refused(&[b'x'; 4096], "archive/tar: invalid tar header");
    refused(b"\x1f\x8b", "unexpected EOF");
    refused(b"\x1f\x8bthis is not gzip", "invalid gzip data");
    refused(
        b"\xfd7zXZ\0this is not xz, though it begins so",
        "invalid xz data",
    );
    refused(
        b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        "invalid zstd data",
    );
}

#[test]
fn an_archive_cut_at_any_block() {
    let whole = small().end();
    let end = small().0.len();
    for length in (512..=end).step_by(512) {
        refused(&whole[..length], "unexpected EOF");
    }
    for length in [1, 511, 513, end - 1, end + 1, end + 511] {
        refused(&whole[..length], "unexpected EOF");
    }
}

#[test]
fn a_compressed_archive_cut_short_or_damaged() {
    for compressed in [gzip(&small().end()), xz(&small().end()), zstd(&small().end())] {
        for cut in [1, 5, compressed.len() / 2] {
            let scene = Scene::new();
            let store = scene.open();
            let cut = import(&store, &compressed[..compressed.len() - cut]);
            assert!(matches!(cut, Err(RuntimeError::InvalidArchive(_))), "{cut:?}");
            let mut damaged = compressed.clone();
            let middle = damaged.len() / 2;
            damaged[middle] ^= 0x55;
            let damaged = import(&store, &damaged);
            assert!(
                matches!(damaged, Err(RuntimeError::InvalidArchive(_))),
                "{damaged:?}"
            );
            scene.assert_empty();
        }
    }
}

#[test]
fn something_after_the_end() {
    let mut bytes = small().end();
    bytes.extend_from_slice(&small().end());
    refused(&bytes, "data after the end of the archive");
    let mut bytes = small().end();
    bytes.push(1);
    refused(&bytes, "data after the end of the archive");
    refused(
        &[gzip(&small().end()), b"more than a header of garbage".to_vec()].concat(),
        "invalid gzip data",
    );
}

#[test]
fn names_that_lead_out() {
    refused(
        &Tar::default().file("../escaped", b"x").end(),
        "invalid name ../escaped: leads out of the archive",
    );
    refused(
        &Tar::default().file("a/../../escaped", b"x").end(),
        "invalid name a/../../escaped: leads out of the archive",
    );
    refused(
        &Tar::default()
            .pax(&[("path", b"a/../../escaped")])
            .file("a", b"x")
            .end(),
        "invalid name a/../../escaped: leads out of the archive",
    );
    refused(
        &Tar::default().pax(&[("path", b"a\0b")]).file("a", b"x").end(),
        "invalid name a\\x00b: holds a NUL",
    );
    let long = b"../up\0";
    refused(
        &Tar::default()
            .entry(
                Tar::header(b"././@LongLink", EntryType::GNULongName, long.len()),
                long,
            )
            .file("a", b"x")
            .end(),
        "invalid name ../up: leads out of the archive",
    );
    refused(
        &Tar::default().file("a\x1b[2J/..", b"x").end(),
        "invalid name a\\x1b[2J/..: leads out of the archive",
    );
    let name = [b'n'; 300];
    refused(
        &Tar::default().pax(&[("path", &name)]).file("a", b"x").end(),
        &format!("invalid name {}: too long", "n".repeat(300)),
    );
    refused(
        &Tar::default().symlink("./", "x").end(),
        "invalid name : names no file",
    );
}

#[test]
fn absolute_names_and_links_stay_inside() {
    let scene = Scene::new();
    let victim = scene.dir().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("secret"), b"secret").unwrap();
    let store = scene.open();
    let victim_text = victim.to_str().unwrap();
    // Links out of the image, to the host's directory by its real path: nothing is there inside.
    let up = "../../../../../../../../../..";
    for tar in [
        Tar::default()
            .pax(&[("linkpath", victim_text.as_bytes())])
            .symlink("out", "x")
            .file("out/new", b"x"),
        Tar::default()
            .pax(&[("linkpath", format!("{up}{victim_text}").as_bytes())])
            .symlink("out", "x")
            .file("out/new", b"x"),
        Tar::default()
            .symlink("out", "/proc/1/root")
            .file("out/new", b"x"),
        Tar::default().symlink("loop", "loop").file("loop/new", b"x"),
        Tar::default()
            .pax(&[("linkpath", format!("{victim_text}/secret").as_bytes())])
            .hard_link("mine", "x"),
        Tar::default().hard_link("mine", "/etc/passwd"),
        Tar::default().hard_link("mine", "mine"),
        Tar::default()
            .symlink("etc", "/etc")
            .hard_link("mine", "etc/passwd"),
        Tar::default().dir("d").hard_link("mine", "d"),
        Tar::default().file("f", b"x").file("f/below", b"x"),
    ] {
        let refused = import(&store, &tar.end());
        match refused {
            Err(RuntimeError::InvalidArchive(_)) => {}
            other => panic!("{other:?}"),
        }
        scene.assert_empty();
    }
    refused(
        &Tar::default().hard_link("mine", "../../etc/passwd").end(),
        "invalid name ../../etc/passwd: leads out of the archive",
    );
    // Where the link's text has a counterpart inside, that is what is written to.
    let tar = Tar::default()
        .dir("etc")
        .symlink("out", "/etc")
        .symlink("up", "../../../etc");
    let tar = tar
        .file("out/one", b"1")
        .file("up/two", b"2")
        .file("/three", b"3");
    let image = import(&store, &tar.end()).unwrap();
    let root = rootfs(&store, &image);
    assert_eq!(fs::read(root.join("etc/one")).unwrap(), b"1");
    assert_eq!(fs::read(root.join("etc/two")).unwrap(), b"2");
    assert_eq!(fs::read(root.join("three")).unwrap(), b"3");
    for outside in ["/etc/one", "/etc/two", "/three"] {
        assert!(!exists(outside));
    }
    assert_eq!(fs::read(victim.join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 1);
}

#[test]
fn devices() {
    refused(
        &Tar::default().device("sda", EntryType::Block, (8, 0)).end(),
        "sda: device 8:0 is not allowed in an image",
    );
    refused(
        &Tar::default().device("mem", EntryType::Char, (1, 1)).end(),
        "mem: device 1:1 is not allowed in an image",
    );
    // What overlayfs takes for a deleted file.
    refused(
        &Tar::default().device("gone", EntryType::Char, (0, 0)).end(),
        "gone: device 0:0 is not allowed in an image",
    );
}

#[test]
fn sizes_that_cannot_be() {
    let mut huge = Tar::header(b"huge", EntryType::Regular, 0);
    huge.set_size(1 << 50);
    refused(
        &Tar::default().entry(huge, b"").end(),
        "bytes of all files: at most 17179869184 allowed",
    );
    let mut most = Tar::header(b"most", EntryType::Regular, 0);
    most.set_size(u64::MAX);
    refused(
        &Tar::default().entry(most, b"").end(),
        "archive/tar: invalid tar header",
    );
    let mut name = Tar::header(b"name", EntryType::GNULongName, 0);
    name.set_size(1 << 40);
    refused(
        &Tar::default().entry(name, b"").end(),
        "bytes of an extended header: at most 1048576 allowed",
    );
    refused(
        &Tar::default()
            .pax(&[("size", b"99999999999999999999999")])
            .file("a", b"")
            .end(),
        "invalid PAX records",
    );
    refused(
        &Tar::default()
            .pax(&[("SCHILY.xattr.user.a", &[0; 65537])])
            .file("a", b"")
            .end(),
        "bytes of an extended attribute: at most 65536 allowed",
    );
    let mut sparse = Tar::header(b"sparse", EntryType::GNUSparse, 0);
    sparse.as_gnu_mut().unwrap().set_real_size(1 << 50);
    refused(
        &Tar::default().entry(sparse, b"").end(),
        "bytes of all files: at most 17179869184 allowed",
    );
    let mut owner = Tar::header(b"owner", EntryType::Regular, 0);
    owner.set_uid(u32::MAX.into());
    refused(
        &Tar::default().entry(owner, b"").end(),
        "archive/tar: invalid tar header",
    );
}

#[test]
fn headers_that_contradict_themselves() {
    let mut bytes = small().end();
    bytes[0] ^= 1;
    refused(&bytes, "archive/tar: invalid tar header");
    refused(&Tar::default().pax(&[("path", b"a")]).end(), "unexpected EOF");
    let mut unknown = Tar::header(b"volume", EntryType::new(b'V'), 0);
    unknown.set_mode(0);
    refused(
        &Tar::default().entry(unknown, b"").end(),
        "volume: unhandled entry type 'V'",
    );
    refused(
        &Tar::default()
            .entry(Tar::header(b"pax", EntryType::XHeader, 5), b"9 a=b")
            .end(),
        "invalid PAX records",
    );
    refused(
        &Tar::default()
            .pax(&[("GNU.sparse.map", b"0,1")])
            .file("a", b"x")
            .end(),
        "sparse file with an invalid or unknown map",
    );
}

#[test]
fn a_bomb_of_zeros() {
    let header = {
        let mut header = Tar::header(b"zeros", EntryType::Regular, 0);
        header.set_size(4 << 30);
        header
    };
    // Two members of gzip, the second repeated: a gibibyte of zeros in about a mebibyte.
    let mut bomb = gzip(&Tar::default().entry(header, b"").0);
    let zeros = gzip(&vec![0; 64 << 20]);
    for _ in 0..16 {
        bomb.extend_from_slice(&zeros);
    }
    refused(
        &bomb,
        "bytes of the archive for each byte of its compressed form: at most 250 allowed",
    );
}
