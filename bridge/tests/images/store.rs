//! The store itself: names, crashes, removal, the demo image.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;

use bridge::runtime::RuntimeError;
use bridge::runtime::native::images::{IMPORTS_AT_ONCE_MAX, Rootfs, Store, StoreOptions};
use bridge::tree;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use wire::request::ImportImage;
use wire::{Image, ImageId};

use crate::scene::{Scene, exists, import, import_as, sender, small};

fn tags(store: &Store, image: &Image) -> Vec<String> {
    let images = store.list();
    let found = images.iter().find(|listed| listed.id == image.id).unwrap();
    found.tags.clone()
}

#[test]
fn images_outlive_the_store() {
    let scene = Scene::new();
    let store = scene.open();
    let (one, other) = (
        import_as(&store, "one:1", &small().end()).unwrap(),
        import(&store, &small().end()).unwrap(),
    );
    assert_ne!(one.id, other.id);
    let listed = store.list();
    assert_eq!(listed.len(), 2);
    drop(store);
    let store = scene.open();
    assert_eq!(store.list(), listed);
    let mode = fs::metadata(scene.path("")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    assert_eq!(
        store.rootfs(&one.id),
        Some(Rootfs::Directory(PathBuf::from(&one.rootfs_dir)))
    );
    assert_eq!(store.rootfs(&ImageId([9; 32])), None);
}

#[test]
fn names_move_and_stay_moved() {
    let scene = Scene::new();
    let store = scene.open();
    let one = import_as(&store, "app:1", &small().end()).unwrap();
    let other = import_as(&store, "app:1", &small().end()).unwrap();
    assert_eq!(
        (tags(&store, &one).len(), tags(&store, &other)),
        (0, vec!["app:1".to_owned()])
    );
    store.tag(&one.id, "zeta:1").unwrap();
    store.tag(&one.id, "alpha:1").unwrap();
    store.tag(&one.id, "alpha:1").unwrap();
    store.tag(&one.id, "app:1").unwrap();
    assert_eq!(tags(&store, &one), ["alpha:1", "app:1", "zeta:1"]);
    store.untag(&one.id, "alpha:1").unwrap();
    assert!(matches!(
        store.untag(&one.id, "alpha:1"),
        Err(RuntimeError::NoSuchImage(_))
    ));
    drop(store);
    let store = scene.open();
    assert_eq!(tags(&store, &one), ["app:1", "zeta:1"]);
    assert!(tags(&store, &other).is_empty());
    let long = "x".repeat(400);
    let escaping = [
        "../../a:b",
        "..",
        "/a:b",
        "a//b:c",
        "a/-rf:c",
        "a:",
        ".a:b",
        "a/./b",
    ];
    let speaking = ["a\u{1b}[2J:b", "a\u{202e}:b", "ä:b", "a%2fb", "a\0:b"];
    for bad in ["", "a b", "a\nb", &long]
        .into_iter()
        .chain(escaping)
        .chain(speaking)
    {
        assert!(
            matches!(store.tag(&one.id, bad), Err(RuntimeError::InvalidSpec(_))),
            "{bad}"
        );
    }
    store.tag(&one.id, "registry.lan:5000/team/_app-1.x:v2").unwrap();
    let nobody = store.tag(&ImageId([9; 32]), "a:b");
    assert!(matches!(nobody, Err(RuntimeError::NoSuchImage(_))));
}

#[test]
fn a_crash_between_two_records_leaves_a_name_with_the_later_holder() {
    let scene = Scene::new();
    let store = scene.open();
    let one = import_as(&store, "app:1", &small().end()).unwrap();
    let record = scene.path("store").join(one.id.to_string()).join("image");
    let before = fs::read(&record).unwrap();
    let other = import_as(&store, "app:1", &small().end()).unwrap();
    drop(store);
    // As if the second record had never been written.
    fs::write(&record, before).unwrap();
    fs::write(record.with_extension("new"), b"half").unwrap();
    for _ in 0..2 {
        let store = scene.open();
        assert!(tags(&store, &one).is_empty());
        assert_eq!(tags(&store, &other), ["app:1"]);
    }
    assert!(!exists(record.with_extension("new")));
}

#[test]
fn what_a_crash_left_is_swept_and_broken_images_are_left_out() {
    let scene = Scene::new();
    let store = scene.open();
    let good = import(&store, &small().end()).unwrap();
    let bad = import(&store, &small().end()).unwrap();
    let bare = import(&store, &small().end()).unwrap();
    drop(store);
    fs::create_dir_all(scene.path("incoming/1-1/rootfs/etc")).unwrap();
    fs::create_dir_all(scene.path("removing/x/rootfs/etc")).unwrap();
    fs::create_dir_all(scene.path("store/strange")).unwrap();
    fs::write(scene.path("store/file"), b"x").unwrap();
    let record = scene.path("store").join(bad.id.to_string()).join("image");
    let mut bytes = fs::read(&record).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(record, bytes).unwrap();
    fs::remove_file(scene.path("store").join(bare.id.to_string()).join("image")).unwrap();
    let store = scene.open();
    assert_eq!(store.list(), [good]);
    assert_eq!(fs::read_dir(scene.path("incoming")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(scene.path("removing")).unwrap().count(), 0);
    // A broken image may be all that is left of somebody's work.
    assert!(exists(scene.path("store").join(bad.id.to_string())));
}

#[test]
fn a_removed_image_is_gone() {
    let scene = Scene::new();
    let store = scene.open();
    let image = import_as(&store, "a:b", &small().end()).unwrap();
    store.remove(&image.id).unwrap();
    assert!(store.list().is_empty());
    scene.assert_empty();
    assert!(matches!(
        store.remove(&image.id),
        Err(RuntimeError::NoSuchImage(_))
    ));
}

#[test]
fn the_demo_image_is_the_machine_and_stays() {
    let scene = Scene::new();
    let store = scene.open();
    let shadowed = import_as(&store, "host:latest", &small().end()).unwrap();
    drop(store);
    let store = scene.open_demo();
    let demo = store
        .list()
        .into_iter()
        .find(|image| image.rootfs_dir == "/")
        .unwrap();
    assert_eq!(demo.tags, ["host:latest"]);
    assert!(tags(&store, &shadowed).is_empty());
    assert_eq!(store.rootfs(&demo.id), Some(Rootfs::Host));
    for refusal in [
        store.remove(&demo.id),
        store.untag(&demo.id, "host:latest"),
        store.tag(&demo.id, "a:b"),
        store.tag(&shadowed.id, "host:latest"),
        import_as(&store, "host:latest", &small().end()).map(drop),
    ] {
        assert!(
            matches!(refusal, Err(RuntimeError::Unsupported(_))),
            "{refusal:?}"
        );
    }
    drop(store);
    let again = scene
        .open_demo()
        .list()
        .into_iter()
        .find(|image| image.rootfs_dir == "/");
    assert_eq!(again.map(|image| image.id), Some(demo.id));
    assert!(scene.open().list().iter().all(|image| image.rootfs_dir != "/"));
}

#[test]
fn stalled_senders_block_nobody_and_are_bounded() {
    let scene = Scene::new();
    let store = scene.open();
    thread::scope(|scope| {
        let mut stalled = Vec::new();
        let mut imports = Vec::new();
        for _ in 0..IMPORTS_AT_ONCE_MAX {
            let (reader, writer) = io::pipe().unwrap();
            stalled.push(writer);
            let store = &store;
            imports.push(scope.spawn(move || store.import(&ImportImage::default(), reader.into())));
        }
        // Each import that began has a directory; there is no other sign of it.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while fs::read_dir(scene.path("incoming")).unwrap().count() < IMPORTS_AT_ONCE_MAX {
            assert!(std::time::Instant::now() < deadline, "imports do not begin");
            thread::yield_now();
        }
        assert!(store.list().is_empty());
        assert!(matches!(
            store.remove(&ImageId([1; 32])),
            Err(RuntimeError::NoSuchImage(_))
        ));
        let one_more = store.import(&ImportImage::default(), sender(small().end()));
        match one_more {
            Err(RuntimeError::System { error, .. }) => {
                assert_eq!(error.raw_os_error(), Some(nix::libc::EBUSY))
            }
            other => panic!("{other:?}"),
        }
        for (number, mut writer) in stalled.into_iter().enumerate() {
            if number % 2 == 0 {
                writer.write_all(&small().end()).unwrap();
            }
        }
        let done: Vec<_> = imports
            .into_iter()
            .map(|import| import.join().unwrap().is_ok())
            .collect();
        assert_eq!(done, [true, false, true, false]);
    });
    assert_eq!(store.list().len(), 2);
    assert_eq!(fs::read_dir(scene.path("incoming")).unwrap().count(), 0);
    import(&store, &small().end()).unwrap();
}

#[test]
fn an_unpacker_that_is_none_is_an_error() {
    for program in ["/nonexistent", "/bin/true", "/bin/false", "/etc/passwd"] {
        let scene = Scene::new();
        let options = StoreOptions {
            demo: false,
            unpacker: PathBuf::from(program),
        };
        let store = Store::open(&scene.path(""), options).unwrap();
        let failed = import(&store, &small().end());
        assert!(
            matches!(failed, Err(RuntimeError::System { .. })),
            "{program}: {failed:?}"
        );
        scene.assert_empty();
    }
}

#[test]
fn a_tree_with_something_mounted_in_it_is_not_entered() {
    let scene = Scene::new();
    let (top, mounted) = (scene.dir().join("top"), scene.dir().join("top/a/mounted"));
    fs::create_dir_all(&mounted).unwrap();
    fs::create_dir(scene.dir().join("kept")).unwrap();
    fs::write(scene.dir().join("kept/file"), b"kept").unwrap();
    fs::write(top.join("counted"), b"12").unwrap();
    // A mount namespace of the thread's own: nothing is left mounted whatever happens.
    let mount_and_remove = || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).unwrap();
        mount(
            Some(&scene.dir().join("kept")),
            &mounted,
            none,
            MsFlags::MS_BIND,
            none,
        )
        .unwrap();
        let parent = File::open(scene.dir()).unwrap();
        let error = tree::remove(parent.as_fd(), "top".as_ref()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::EBUSY));
        let itself = tree::remove(File::open(top.join("a")).unwrap().as_fd(), "mounted".as_ref());
        assert_eq!(itself.unwrap_err().raw_os_error(), Some(nix::libc::EBUSY));
        umount2(&mounted, MntFlags::MNT_DETACH).unwrap();
    };
    thread::scope(|scope| scope.spawn(mount_and_remove).join().unwrap());
    assert_eq!(fs::read(scene.dir().join("kept/file")).unwrap(), b"kept");
}
