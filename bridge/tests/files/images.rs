//! Images of containers.

use std::collections::BTreeMap;
use std::fs;

use bridge::runtime::{Runtime, RuntimeError};
use rustix::fs::{XattrFlags, setxattr};
use wire::ImageConfig;
use wire::files::Commit;
use wire::request::ImportImage;

use crate::scene::{Entry, Scene, entries, sender_of, whole};

const SCRIPT: &str = "
    rm -r /data/full; mkdir /data/tree; cd /data/tree
    echo body > file; ln file second; ln -s file link; mkfifo pipe; mknod null c 1 3; mknod disk b 8 0
    echo odd > 'a
b'; echo odd > \"$(echo -e '\\xff')\"; chown -h 1000:100 file link; chmod 4750 file; chmod 1777 .
";

fn container(scene: &mut Scene) -> wire::ContainerId {
    let id = scene.ended(Scene::shell(SCRIPT));
    let file = scene.upper(&id, "data/tree/file");
    setxattr(file, "user.note", b"two\nlines\n", XattrFlags::empty()).unwrap();
    id
}

/// The entries without one that no image holds; those of an extended attribute are read elsewhere.
fn without_disk(mut found: BTreeMap<Vec<u8>, Entry>) -> BTreeMap<Vec<u8>, Entry> {
    assert_eq!(
        found.remove(b"data/tree/disk".as_slice()).map(|entry| entry.kind),
        Some(b'4')
    );
    found
}

#[test]
fn export_and_import_give_the_same_tree() {
    let mut scene = Scene::new();
    let id = scene.ended(Scene::shell(&SCRIPT.replace("mknod disk b 8 0", "true")));
    let exported = whole(scene.runtime.export(&id).unwrap());
    let image = scene
        .runtime
        .import_image(&ImportImage::default(), sender_of(exported.clone()))
        .unwrap();
    let again = scene.create_from(image.id, Scene::shell("true"));
    let twice = whole(scene.runtime.export(&again).unwrap());
    assert_eq!(entries(&exported), entries(&twice));
}

#[test]
fn an_image_of_a_container_runs() {
    let mut scene = Scene::new();
    let id = container(&mut scene);
    let before = scene.runtime.images().len();
    let commit = Commit {
        tag: "made:here".to_owned(),
        comment: "why".to_owned(),
        author: "who".to_owned(),
        config: ImageConfig {
            command: vec!["true".to_owned()],
            ..ImageConfig::default()
        },
        ..Commit::default()
    };
    let image = scene.runtime.commit(&id, &commit).unwrap();
    assert_eq!((image.comment.as_str(), image.author.as_str()), ("why", "who"));
    assert_eq!(image.tags, ["made:here"]);
    assert_eq!(image.config, commit.config);
    assert_eq!(scene.runtime.images().len(), before + 1);
    let made = scene.create_from(
        image.id,
        Scene::shell("test ! -e /data/full && cat /data/tree/second"),
    );
    scene.runtime.start(&made).unwrap();
    scene.await_end(&made);
    let log = fs::read(scene.directory(&made).join("log")).unwrap();
    assert!(log.windows(5).any(|part| part == b"body\n"));
    assert_eq!(scene.diff(&made), Vec::<String>::new());
    let note = std::path::Path::new(&image.rootfs_dir).join("data/tree/file");
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(note, "user.note", &mut value).unwrap();
    assert_eq!(&value[..length], b"two\nlines\n");
    // And a running container gives the same image but for its time.
    let running = scene.running(Scene::shell(SCRIPT));
    let other = scene.runtime.commit(&running, &Commit::default()).unwrap();
    let tree = |id| entries_of(&scene, id);
    let again = scene
        .runtime
        .images()
        .into_iter()
        .find(|image| image.id == other.id)
        .unwrap();
    assert_eq!(again.tags, Vec::<String>::new());
    assert_eq!(without_disk(tree(&running)).len(), fs_count(&again.rootfs_dir));
}

fn entries_of(scene: &Scene, id: &wire::ContainerId) -> BTreeMap<Vec<u8>, Entry> {
    entries(&whole(scene.runtime.export(id).unwrap()))
}

/// Everything below a directory.
fn fs_count(place: &str) -> usize {
    let entries = fs::read_dir(place).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            1 + if entry.file_type().unwrap().is_dir() {
                fs_count(entry.path().to_str().unwrap())
            } else {
                0
            }
        })
        .sum()
}

#[test]
fn nothing_is_left_of_an_image_that_was_not_made() {
    let mut scene = Scene::new();
    let id = scene.ended(Scene::shell("truncate -s 17G /data/too-large"));
    let store = |below: &str| {
        fs_count(
            scene
                .dir
                .join("state/bridge/native/images")
                .join(below)
                .to_str()
                .unwrap(),
        )
    };
    let before = (store("store"), scene.runtime.images().len());
    let commit = Commit {
        tag: "never:made".to_owned(),
        ..Commit::default()
    };
    let made = scene.runtime.commit(&id, &commit);
    assert!(
        matches!(
            made,
            Err(RuntimeError::InvalidArchive(_) | RuntimeError::System { .. })
        ),
        "{made:?}"
    );
    assert_eq!((store("store"), scene.runtime.images().len()), before);
    assert_eq!((store("incoming"), store("removing")), (0, 0));
    Scene::assert_no_packers();
}
