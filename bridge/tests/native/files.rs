//! The file system a container is given.

use std::fs;
use std::os::unix::fs::symlink;

use bridge::runtime::RuntimeError;
use bridge::runtime::native::NativeOptions;
use wire::spec::{Mount, MountKind};

use crate::scene::{Scene, options};

pub(crate) fn bind(source: &str, target: &str) -> Mount {
    Mount {
        kind: MountKind::Bind,
        source: source.to_owned(),
        target: target.to_owned(),
        create_source: true,
        ..Mount::default()
    }
}

pub(crate) fn memory(target: &str, options: &str) -> Mount {
    Mount {
        kind: MountKind::Tmpfs,
        target: target.to_owned(),
        options: options.to_owned(),
        ..Mount::default()
    }
}

#[test]
fn binds_write_through_unless_read_only() {
    let mut scene = Scene::new();
    let shared = scene.dir.join("shared: with, odd name");
    let mut spec = Scene::shell(
        "echo in > /mnt/deep/file && ! echo no > /mnt/ro/file && cat /mnt/ro/file && ls -d /mnt/one",
    );
    let mut read_only = bind(shared.to_str().unwrap(), "/mnt/ro");
    read_only.read_only = true;
    let file = scene.dir.join("one");
    fs::write(&file, "a file").unwrap();
    spec.mounts = vec![
        read_only,
        bind(shared.to_str().unwrap(), "/mnt/deep"),
        bind(file.to_str().unwrap(), "/mnt/one"),
    ];
    assert_eq!(scene.output(spec), "in\n/mnt/one\n");
    assert_eq!(fs::read_to_string(shared.join("file")).unwrap(), "in\n");
}

#[test]
fn a_source_that_is_not_there() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("true");
    let mut mount = bind("/nowhere/at/all", "/mnt");
    mount.create_source = false;
    spec.mounts = vec![mount];
    match scene.failure(spec) {
        RuntimeError::InvalidSpec(text) => {
            assert_eq!(text, "bind source path does not exist: /nowhere/at/all")
        }
        other => panic!("{other:?}"),
    }
}

/// The image's links lead where the host's directories are; what is mounted must stay inside.
#[test]
fn links_of_an_image_do_not_lead_out() {
    let scene_dir = |scene: &Scene| scene.dir.join("outside");
    let links = [
        ("mnt", "/etc"),
        ("up", "../../../../../../../../../../etc"),
        ("self", "/proc/self/root/etc"),
        ("fd", "/proc/self/fd/3"),
        ("loop", "loop"),
    ];
    let mut scene = Scene::with(options(), &links);
    let source = scene_dir(&scene);
    fs::create_dir(&source).unwrap();
    fs::write(source.join("mark"), "mark").unwrap();
    let before: Vec<_> = fs::read_dir("/etc")
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    for target in ["/mnt/inner", "/up/inner", "/self/inner"] {
        let mut spec = Scene::shell("cat /etc/inner/mark");
        spec.mounts = vec![bind(source.to_str().unwrap(), target)];
        let id = scene.create(spec);
        match bridge::runtime::Runtime::start(&scene.runtime, &id) {
            Ok(_) => {
                assert_eq!(scene.end(&id).code, 0, "{target}: {:?}", scene.log(&id));
                assert_eq!(scene.log(&id).0, "mark");
            }
            Err(error) => assert!(
                matches!(error, RuntimeError::InvalidSpec(_)),
                "{target}: {error:?}"
            ),
        }
    }
    for target in ["/loop/x", "/fd/x", "/proc/self/attr", "/proc/1"] {
        let mut spec = Scene::shell("true");
        spec.mounts = vec![bind(source.to_str().unwrap(), target)];
        let failure = scene.failure(spec);
        assert!(
            matches!(failure, RuntimeError::InvalidSpec(_)),
            "{target}: {failure:?}"
        );
    }
    let after: Vec<_> = fs::read_dir("/etc")
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(before, after, "the host's /etc");
}

#[test]
fn a_link_in_a_shared_directory_does_not_lead_out_either() {
    let mut scene = Scene::new();
    let shared = scene.dir.join("shared");
    let outside = scene.dir.join("outside");
    fs::create_dir(&shared).unwrap();
    fs::create_dir(&outside).unwrap();
    symlink(&outside, shared.join("link")).unwrap();
    let mut spec = Scene::shell("true");
    spec.mounts = vec![
        bind(shared.to_str().unwrap(), "/shared"),
        bind("/etc", "/shared/link/deeper"),
    ];
    assert_eq!(scene.run(spec).exit.code, 0);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn memory_file_systems() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell(
        "df -k /run/mem | tail -1 | awk '{print $2}'; df -k /dev/shm | tail -1 | awk '{print $2}'; stat -c %a /run/mem",
    );
    spec.mounts = vec![memory("/run/mem", "size=1m,mode=700,rw")];
    spec.shm_bytes = 2 * 1024 * 1024;
    assert_eq!(scene.output(spec), "1024\n2048\n700\n");
    let mut spec = Scene::shell("true");
    spec.mounts = vec![memory("/run/mem", "dev,size=1m")];
    assert!(matches!(
        scene.try_create(spec),
        Err(RuntimeError::InvalidSpec(_))
    ));
}

#[test]
fn a_read_only_root_still_has_writable_mounts() {
    let mut scene = Scene::new();
    let mut spec =
        Scene::shell("! touch /file && ! touch /etc/x && touch /run/mem/file && touch /dev/shm/file");
    spec.security.read_only_rootfs = true;
    spec.mounts = vec![memory("/run/mem", "")];
    assert_eq!(scene.run(spec).exit.code, 0);
}

#[test]
fn the_own_layer_holds_only_what_was_written() {
    let mut scene = Scene::new();
    let (id, _) = scene.start(Scene::shell(
        "cat /etc/hostname /etc/hosts /etc/resolv.conf > /dev/null && ls /tmp /proc /sys > /dev/null",
    ));
    assert_eq!(scene.end(&id).code, 0);
    assert_eq!(
        fs::read_dir(scene.directory(&id).join("upper")).unwrap().count(),
        0
    );
}

#[test]
fn devices() {
    let mut scene = Scene::new();
    let output = scene.output(Scene::shell(
        "head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; ls /dev; echo to > /dev/stderr",
    ));
    assert_eq!(
        output.split_whitespace().collect::<Vec<_>>(),
        [
            "4", "4", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
            "stdin", "stdout", "tty", "urandom", "zero"
        ]
    );
}

#[test]
fn the_machine_itself_as_an_image() {
    let mut scene = Scene::with(
        NativeOptions {
            demo: true,
            ..options()
        },
        &[],
    );
    scene.image = bridge::runtime::Runtime::images(&scene.runtime)
        .into_iter()
        .find(|image| image.tags.iter().any(|tag| tag == "host:latest"))
        .expect("the demo image")
        .id;
    let state = scene.dir.join("state");
    let own = ["/etc/os-release", "/system/build.prop"]
        .into_iter()
        .find(|file| std::path::Path::new(file).exists());
    let script = format!(
        "cat {} > /dev/null && touch /written && ls -A {} 2>/dev/null | wc -l",
        own.unwrap(),
        state.display()
    );
    assert_eq!(scene.output(Scene::shell(&script)).trim(), "0");
    assert!(!std::path::Path::new("/written").exists());
}
