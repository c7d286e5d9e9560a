//! No path and no tar leads out of the container.

use std::fs;
use std::io::Read;
use std::path::Path;

use bridge::runtime::{Runtime, RuntimeError};
use tar::EntryType;

use crate::scene::{Making, Scene, packers};

/// How often a racing link is asked for.
const ROUNDS: usize = 60;

/// A directory of the machine that no container has, with a secret in it.
fn secret(scene: &Scene) -> String {
    let place = scene.dir.join("secret");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("file"), "secret").unwrap();
    place.to_str().unwrap().to_owned()
}

fn untouched(place: &str) {
    let names: Vec<_> = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["file"]);
    assert_eq!(fs::read(Path::new(place).join("file")).unwrap(), b"secret");
}

/// Nothing is there, or it is a way of the kernel's that a packer has no power to go.
fn leads_nowhere<T>(outcome: &Result<T, RuntimeError>) -> bool {
    match outcome {
        Err(RuntimeError::NoSuchPath(_)) => true,
        Err(RuntimeError::System { error, .. }) => error.kind() == std::io::ErrorKind::PermissionDenied,
        _ => false,
    }
}

#[test]
fn links_and_dots_stay_inside() {
    let mut scene = Scene::new();
    let place = secret(&scene);
    let up = "../".repeat(30);
    let script = format!(
        "ln -s {place} /absolute; ln -s {up}{place} /relative; ln -s /proc/1/root{place} /first; ln -s /proc/self/root{place} /own; ln -s /proc/self/cwd{place} /here; ln -s {up} /up"
    );
    let running = scene.running(Scene::shell(&script));
    let ended = scene.ended(Scene::shell(&script));
    for id in [running, ended] {
        for path in ["/absolute", "/relative", "/first", "/own", "/here"] {
            for below in ["/file", "/"] {
                let read = scene.read(&id, &format!("{path}{below}"));
                assert!(leads_nowhere(&read), "{path}{below}: {read:?}");
            }
            let written = scene.write(&id, path, Making::new().file("file", b"in").end());
            assert!(leads_nowhere(&written), "{path}: {written:?}");
        }
        for path in [format!("{up}{place}/file"), format!("/up{place}/file")] {
            assert!(
                matches!(scene.read(&id, &path), Err(RuntimeError::NoSuchPath(_))),
                "{path}"
            );
        }
        assert_eq!(
            scene.read(&id, "/up/data/one").unwrap()[b"one".as_slice()].data,
            b"data/one"
        );
    }
    untouched(&place);
}

#[test]
fn hostile_tars_stay_inside() {
    let mut scene = Scene::new();
    let place = secret(&scene);
    let inside = format!("mkdir -p {place}");
    let running = scene.running(Scene::shell(&inside));
    let ended = scene.ended(Scene::shell(&inside));
    for id in [running, ended] {
        for name in ["../file", "a/../../file", "/../file"] {
            let written = scene.write(&id, "/data", Making::new().file(name, b"in").end());
            assert!(
                matches!(written, Err(RuntimeError::InvalidArchive(_))),
                "{name}: {written:?}"
            );
        }
        let absolute = format!("{place}/file");
        scene
            .write(
                &id,
                "/",
                Making::new().symlink("way", &place).file("way/file", b"in").end(),
            )
            .unwrap();
        scene
            .write(
                &id,
                "/",
                Making::new()
                    .symlink("climb", &format!("{}{place}", "../".repeat(30)))
                    .file("climb/other", b"in")
                    .end(),
            )
            .unwrap();
        let linked = Making::new()
            .entry(b"hard", EntryType::Link, &absolute, b"")
            .end();
        scene.write(&id, "/", linked).unwrap();
        // All of it went to where the container has that path.
        let below = place.trim_start_matches('/');
        assert_eq!(
            fs::read(scene.upper(&id, &format!("{below}/file"))).unwrap(),
            b"in"
        );
        assert_eq!(fs::read(scene.upper(&id, "hard")).unwrap(), b"in");
        let disk = Making::new().entry(b"disk", EntryType::Block, "", b"").end();
        assert!(matches!(
            scene.write(&id, "/", disk),
            Err(RuntimeError::InvalidArchive(_))
        ));
    }
    untouched(&place);
}

/// A container that exchanges a directory and a link to the machine's as fast as it can.
#[test]
fn a_racing_link_leads_nowhere() {
    let mut scene = Scene::new();
    let place = secret(&scene);
    let script = format!(
        "mkdir -p /race/real; echo mine > /race/real/file; ln -s {place} /race/link; cd /race; echo racing
         while true; do mv real now; mv now real; mv link now; mv now link; done"
    );
    let id = scene.create(Scene::shell(&script));
    scene.runtime.start(&id).unwrap();
    scene.await_output(&id, b"racing");
    let (mut read, mut written) = (0, 0);
    for _ in 0..ROUNDS {
        if let Ok(entries) = scene.read(&id, "/race/now/file") {
            assert_eq!(entries[b"file".as_slice()].data, b"mine\n");
            read += 1;
        }
        if let Ok(entries) = scene.read(&id, "/race") {
            let files = entries.iter().filter(|(name, _)| name.ends_with(b"/file"));
            files.for_each(|(_, entry)| assert_eq!(entry.data, b"mine\n"));
        }
        if scene
            .write(&id, "/race/now", Making::new().file("written", b"x").end())
            .is_ok()
        {
            written += 1;
        }
    }
    assert!(
        read + written > 0,
        "the directory was never met: nothing was tried"
    );
    untouched(&place);
    Scene::assert_no_packers();
}

#[test]
fn a_deep_tree_is_refused_and_not_followed() {
    let mut scene = Scene::new();
    let id = scene.ended(Scene::shell("mkdir /data/d"));
    let mut here = fs::File::open(scene.upper(&id, "data/d")).unwrap();
    for _ in 0..2100 {
        nix::sys::stat::mkdirat(&here, "d", nix::sys::stat::Mode::S_IRWXU).unwrap();
        let flags = nix::fcntl::OFlag::O_DIRECTORY | nix::fcntl::OFlag::O_CLOEXEC;
        here = nix::fcntl::openat(&here, "d", flags, nix::sys::stat::Mode::empty())
            .unwrap()
            .into();
    }
    let tar = scene.runtime.read_archive(&id, "/data/d").unwrap();
    let bridge::runtime::Tar { stream, end, .. } = tar;
    std::io::copy(&mut fs::File::from(stream), &mut std::io::sink()).unwrap();
    let error = end().unwrap_err().to_string();
    assert!(error.contains("directories within each other"), "{error}");
    assert!(scene.runtime.changes(&id).is_err());
}

#[test]
fn of_the_machines_own_files_ours_are_not_shown() {
    let mut scene = Scene::with(true);
    let place = scene.dir.join("state");
    let running = scene.running(Scene::shell("true"));
    let ended = scene.ended(Scene::shell("true"));
    for id in [running, ended] {
        let path = place.join("bridge/native");
        let read = scene.read(&id, path.to_str().unwrap());
        assert!(matches!(read, Err(RuntimeError::NoSuchPath(_))), "{read:?}");
        // A whole export would be the whole machine: it begins, and that is enough.
        let tar = scene.runtime.export(&id).unwrap();
        fs::File::from(tar.stream).read_exact(&mut [0; 1 << 16]).unwrap();
        drop(tar.end);
    }
    Scene::assert_no_packers();
}

/// One that waits for its reader: by then it has given up what it gives up.
#[test]
fn a_packer_keeps_one_power() {
    let mut scene = Scene::new();
    let script = "truncate -s 1G /data/big";
    let running = scene.running(Scene::shell(script));
    let ended = scene.ended(Scene::shell(script));
    for id in [running, ended] {
        let tar = scene.runtime.read_archive(&id, "/data/big").unwrap();
        let mut stream = fs::File::from(tar.stream);
        stream.read_exact(&mut [0; 1 << 16]).unwrap();
        let [pid] = packers().try_into().unwrap();
        check_powers(&pid, "0000000000000004", "/data/big");
    }
}

fn check_powers(pid: &str, powers: &str, inside: &str) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(field(set), powers, "{set}");
    }
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(
        (field("NoNewPrivs:"), field("Seccomp:")),
        ("1".to_owned(), "2".to_owned())
    );
    // Its root is the container's, its network nobody's, and it has nothing open but the file it reads,
    // the tar, and the socket to the bridge.
    assert!(Path::new(&format!("/proc/{pid}/root{inside}")).exists());
    let links = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap();
    assert_eq!(
        links.lines().filter(|line| line.contains(':')).count(),
        1,
        "{links}"
    );
    let open: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
        .map(|path| path.to_str().unwrap().to_owned())
        .filter(|path| !path.starts_with("pipe:") && !path.starts_with("socket:") && path != "/dev/null")
        .collect();
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0].ends_with(inside), "{open:?}");
}
