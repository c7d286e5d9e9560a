//! Taking files out.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use bridge::runtime::{Runtime, RuntimeError, Tar};
use rustix::fs::{XattrFlags, setxattr};

use crate::scene::{Scene, bind, names, packers, whole};

const SCRIPT: &str = "
    cd /data && mkdir tree && cd tree
    echo body > file && ln file second && ln -s file link && mkfifo pipe && mknod null c 1 3
    echo odd > 'a
b'; echo odd > \"$(echo -e '\\xff\\xfe')\"; chown 1000:100 file; chmod 4750 file
    long=$(for i in 1 2 3 4 5 6 7 8; do echo -n twenty-bytes-of-name/; done)
    mkdir -p $long && echo long > ${long}x
    nc -l local:/data/tree/socket >/dev/null 2>&1 &
";

fn check_tree(scene: &Scene, id: &wire::ContainerId) {
    let found = scene.read(id, "/data/tree").unwrap();
    let long = format!("tree/{}x", "twenty-bytes-of-name/".repeat(8));
    let kind = |name: &str| found[name.as_bytes()].kind;
    assert_eq!(kind("tree/"), b'5');
    let file = &found[b"tree/file".as_slice()];
    assert_eq!((file.kind, file.mode, file.owner), (b'0', 0o4750, (1000, 100)));
    assert_eq!(file.data, b"body\n");
    let second = &found[b"tree/second".as_slice()];
    assert_eq!(
        (second.kind, second.link.as_slice()),
        (b'1', b"tree/file".as_slice())
    );
    assert_eq!(found[b"tree/link".as_slice()].link, b"file");
    assert_eq!(kind("tree/pipe"), b'6');
    assert_eq!(kind("tree/null"), b'3');
    assert_eq!(found[b"tree/a\nb".as_slice()].data, b"odd\n");
    assert_eq!(found[b"tree/\xff\xfe".as_slice()].data, b"odd\n");
    assert_eq!(found[long.as_bytes()].data, b"long\n");
    assert!(!found.contains_key(b"tree/socket".as_slice()));
}

#[test]
fn a_tree_of_everything_running_and_stopped() {
    let mut scene = Scene::new();
    let running = scene.running(Scene::shell(SCRIPT));
    check_tree(&scene, &running);
    let ended = scene.ended(Scene::shell(SCRIPT));
    check_tree(&scene, &ended);
}

#[test]
fn names_are_those_of_the_path() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::shell("true"));
    let names = |path: &str| names(&scene.read(&id, path).unwrap());
    assert_eq!(names("/data/plain"), ["plain/", "plain/c"]);
    assert_eq!(names("data/plain/"), ["plain/", "plain/c"]);
    assert_eq!(names("/data/plain/."), ["./", "./c"]);
    assert_eq!(names("/data/one"), ["one"]);
    assert_eq!(names("/bin/sh"), ["sh"]);
    assert!(names("/").contains(&"/data/one".to_owned()));
    for (path, not_there) in [("/nothing", true), ("/data/one/", false), ("/data/one/x", false)] {
        match (scene.runtime.read_archive(&id, path), not_there) {
            (Err(RuntimeError::NoSuchPath(said)), true) => assert_eq!(said, path),
            (Err(RuntimeError::NotADirectory(said)), false) => assert_eq!(said, path),
            (other, _) => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn what_is_at_a_path() {
    let mut scene = Scene::new();
    let id = scene.ended(Scene::shell(
        "ln -s ../data/one /bin/up; ln -s /bin/up /abs; ln -s nowhere/x /dead; ln -s /data /dir; ln -s round /round",
    ));
    let stat = |path: &str| scene.runtime.stat_path(&id, path);
    let one = stat("/data/one").unwrap();
    assert_eq!((one.name.as_str(), one.size, one.mode), ("one", 8, 0o100_644));
    assert_eq!(one.modified_at.0, 1_000_000_000_000_000_000);
    assert_eq!(one.link_target, "");
    assert_eq!(stat("/abs").unwrap().link_target, "/data/one");
    assert_eq!(stat("/dead").unwrap().link_target, "/nowhere/x");
    assert_eq!(stat("/abs").unwrap().mode & 0o170_000, 0o120_000);
    let dir = stat("/dir/").unwrap();
    assert_eq!((dir.name.as_str(), dir.mode & 0o170_000), ("dir", 0o040_000));
    assert_eq!(stat("/dir/.").unwrap().name, ".");
    assert_eq!(stat("/").unwrap().name, "/");
    assert!(matches!(stat("/round"), Err(RuntimeError::System { .. })));
    assert!(matches!(stat("/x\0y"), Err(RuntimeError::NoSuchPath(_))));
    assert!(matches!(
        stat(&"x/".repeat(3000)),
        Err(RuntimeError::NoSuchPath(_))
    ));
}

/// The value of a file capability: `cap_net_raw+ep`.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[test]
fn attributes_come_along() {
    let mut scene = Scene::new();
    let id = scene.ended(Scene::shell("echo x > /data/new; mkdir /data/dir"));
    let set = |path: &str, name: &str, value: &[u8]| {
        setxattr(scene.upper(&id, path), name, value, XattrFlags::empty()).unwrap();
    };
    set("data/new", "security.capability", CAPABILITY);
    set("data/new", "user.note", b"a note");
    set("data/dir", "user.note", b"dir");
    set("data/new", "trusted.secret", b"not for export");
    let found = scene.read(&id, "/data").unwrap();
    let mut xattrs = found[b"data/new".as_slice()].xattrs.clone();
    xattrs.sort();
    assert_eq!(
        xattrs,
        [
            ("security.capability".to_owned(), CAPABILITY.to_vec()),
            ("user.note".to_owned(), b"a note".to_vec()),
        ]
    );
    assert_eq!(found[b"data/dir/".as_slice()].xattrs.len(), 1);
}

#[test]
fn what_is_mounted_is_read_and_not_exported() {
    let mut scene = Scene::new();
    let shared = scene.dir.join("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("mark"), "mark").unwrap();
    let mut spec = Scene::shell("echo mem > /dev/shm/mem");
    spec.mounts = vec![bind(&shared, "/data/plain")];
    let running = scene.running(spec.clone());
    assert_eq!(
        names(&scene.read(&running, "/data/plain").unwrap()),
        ["plain/", "plain/mark"]
    );
    assert_eq!(
        scene.read(&running, "/dev/shm/mem").unwrap()[b"mem".as_slice()].data,
        b"mem\n"
    );
    let ended = scene.ended({
        spec.process.command = vec!["true".to_owned()];
        spec
    });
    assert_eq!(
        names(&scene.read(&ended, "/data/plain").unwrap()),
        ["plain/", "plain/mark"]
    );
    assert!(
        !scene.read(&ended, "/etc/hosts").unwrap()[b"hosts".as_slice()]
            .data
            .is_empty()
    );
    for id in [running, ended] {
        let exported = crate::scene::entries(&whole(scene.runtime.export(&id).unwrap()));
        assert!(exported.contains_key(b"data/plain/c".as_slice()));
        assert!(exported[b"etc/hosts".as_slice()].data.is_empty());
        let inside = |directory: &[u8]| exported.keys().filter(|name| name.starts_with(directory)).count();
        assert_eq!((inside(b"proc/"), inside(b"sys/"), inside(b"dev/")), (1, 1, 1));
        assert!(!exported.contains_key(b"/".as_slice()) && !exported.contains_key(b"./".as_slice()));
    }
}

/// Most bytes in memory that a process ever had.
fn peak_bytes(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_large_sparse_file_takes_little_memory() {
    let mut scene = Scene::new();
    let id = scene.ended(Scene::shell("truncate -s 1G /data/big"));
    assert!(fs::metadata(scene.upper(&id, "data/big")).unwrap().blocks() < 100);
    let Tar { stream, end, .. } = scene.runtime.read_archive(&id, "/data/big").unwrap();
    let [pid] = packers().try_into().unwrap();
    let mut stream = File::from(stream);
    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
    while total < 1 << 29 {
        total += stream.read(&mut buffer).unwrap();
    }
    let peak = peak_bytes(&pid);
    assert!(peak < 16 << 20, "{peak} bytes");
    total += std::io::copy(&mut stream, &mut std::io::sink()).unwrap() as usize;
    assert_eq!(total, (1 << 30) + 512 + 1024);
    end().unwrap();
}

#[test]
fn a_reader_that_hangs_up_leaves_nobody() {
    let mut scene = Scene::new();
    let id = scene.running(Scene::shell("truncate -s 1G /data/big"));
    let Tar { stream, end, .. } = scene.runtime.read_archive(&id, "/data/big").unwrap();
    File::from(stream).read_exact(&mut [0; 4096]).unwrap();
    assert!(matches!(end(), Err(RuntimeError::System { .. })));
    Scene::assert_no_packers();
    // One that nobody reads and nobody waits for.
    drop(scene.runtime.read_archive(&id, "/data/big").unwrap());
    Scene::assert_no_packers();
}

#[test]
fn a_start_ends_those_at_work() {
    let mut scene = Scene::new();
    let id = scene.running(Scene::shell("truncate -s 1G /data/big"));
    let tar = scene.runtime.read_archive(&id, "/data/big").unwrap();
    scene.runtime.signal(&id, 9).unwrap();
    scene.await_end(&id);
    scene.runtime.start(&id).unwrap();
    let Tar { stream, end, .. } = tar;
    let read = std::io::copy(&mut File::from(stream), &mut std::io::sink()).unwrap();
    assert!(read < 1 << 30);
    assert!(end().is_err());
}

#[test]
fn the_end_of_who_started_it_is_its_end() {
    let mut scene = Scene::new();
    let id = scene.ended(Scene::shell("truncate -s 1G /data/big"));
    // The kernel goes by the thread.
    let Tar { stream, end, .. } = std::thread::scope(|scope| {
        let starter = scope.spawn(|| scene.runtime.read_archive(&id, "/data/big").unwrap());
        starter.join().unwrap()
    });
    let read = std::io::copy(&mut File::from(stream), &mut std::io::sink()).unwrap();
    assert!(read < 1 << 30, "{read}");
    assert!(end().is_err());
}
