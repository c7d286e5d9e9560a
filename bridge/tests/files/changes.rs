//! What differs from the image.

use crate::scene::{Scene, bind};

const SCRIPT: &str = "
    echo more >> /data/one
    rm /data/two
    rm -r /data/full && mkdir /data/full && echo new > /data/full/a2
    chmod 600 /data/plain/c
    mkdir -p /new/deep && echo x > /new/deep/file
    rm -r /sub && echo file > /sub
    touch /bin/x && rm /bin/x
";

const EXPECTED: &[&str] = &[
    "A /data/full/a2",
    "A /new",
    "A /new/deep",
    "A /new/deep/file",
    "C /data",
    "C /data/full",
    "C /data/one",
    "C /data/plain",
    "C /data/plain/c",
    "C /sub",
    "D /data/full/a",
    "D /data/full/below",
    "D /data/two",
];

fn sorted(mut changes: Vec<String>) -> Vec<String> {
    changes.sort_unstable();
    changes
}

#[test]
fn every_kind_while_it_runs_and_afterwards() {
    let mut scene = Scene::new();
    let running = scene.running(Scene::shell(SCRIPT));
    assert_eq!(sorted(scene.diff(&running)), EXPECTED);
    let ended = scene.ended(Scene::shell(SCRIPT));
    let changes = scene.diff(&ended);
    let mut paths: Vec<_> = changes.iter().map(|change| &change[2..]).collect();
    assert!(paths.is_sorted(), "{paths:?}");
    paths.dedup();
    assert_eq!(paths.len(), changes.len(), "{changes:?}");
    assert_eq!(sorted(changes), EXPECTED);
}

#[test]
fn a_fresh_container_has_changed_nothing() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("true");
    spec.process.tty = true;
    let created = scene.create(spec.clone());
    assert_eq!(scene.diff(&created), Vec::<String>::new());
    let running = scene.running(spec.clone());
    assert_eq!(scene.diff(&running), Vec::<String>::new());
    let ended = scene.ended(spec.clone());
    assert_eq!(scene.diff(&ended), Vec::<String>::new());
    // A mount point that the image does not have is made, and shown, as everywhere.
    spec.mounts = vec![bind(&scene.dir.join("shared"), "/mnt/deep")];
    let mounted = scene.ended(spec);
    assert_eq!(scene.diff(&mounted), ["A /mnt", "A /mnt/deep"]);
}

#[test]
fn odd_names_and_nothing_but_a_time() {
    let mut scene = Scene::new();
    let id = scene.ended(Scene::shell(
        "touch '/data/a\nb'; touch \"/data/$(echo -e '\\xff')\"; touch /data/one; mkdir /data/plain/d; rmdir /data/plain/d 2>/dev/null || rm -r /data/plain/d",
    ));
    assert_eq!(
        scene.diff(&id),
        ["C /data", "A /data/a\nb", "C /data/one", "A /data/\u{fffd}"]
    );
}

#[test]
fn of_the_machines_own_files() {
    let mut scene = Scene::with(true);
    let script = "mkdir /made-here && echo x > /made-here/x";
    let ended = scene.ended(Scene::shell(script));
    assert_eq!(scene.diff(&ended), ["A /made-here", "A /made-here/x"]);
    let running = scene.running(Scene::shell(script));
    assert_eq!(scene.diff(&running), ["A /made-here", "A /made-here/x"]);
}
