//! Configurations that are none, or hardly any: each is what it can be, and none is another's trouble.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use harness::droidspaces::Workspace;
use harness::{Docker, pace};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::phone::{LIMIT, Phone, listens, obedient};

const SAME: &str = "5a3e000000000000000000000000aaaa";
const UPPER: &str = "5A3E000000000000000000000000BBBB";

/// A directory, the bytes of its configuration, and what is seen of them: by the container's name.
struct Case {
    directory: &'static str,
    bytes: Vec<u8>,
    name: &'static str,
    expected: Vec<(&'static str, Value)>,
}

fn case(
    directory: &'static str,
    bytes: impl Into<Vec<u8>>,
    name: &'static str,
    expected: &[(&'static str, Value)],
) -> Case {
    Case {
        directory,
        bytes: bytes.into(),
        name,
        expected: expected.to_vec(),
    }
}

/// Lines that are not lines.
fn lines() -> Vec<Case> {
    let memory = "/HostConfig/Memory";
    let tail = |length: usize| format!("name=tail{length}\n{}memory_limit=4096\n", "x".repeat(length));
    let host = format!("name=long\nhostname={}\nmemory_limit=4096\n", "h".repeat(300));
    vec![
        case("tail2046", tail(2046), "tail2046", &[(memory, json!(0))]),
        case("tail2047", tail(2047), "tail2047", &[(memory, json!(4096))]),
        case(
            "long",
            host,
            "long",
            &[
                ("/Config/Hostname", json!("h".repeat(255))),
                (memory, json!(4096)),
            ],
        ),
        case(
            "equals",
            "name=equals\nhostname\n=\n=x\n #memory_limit=5\n",
            "equals",
            &[(memory, json!(0))],
        ),
        case(
            "twice",
            "name=first\nname=twice\nmemory_limit=1\nmemory_limit=8192\nhostname=a\nhostname=b\nenable_gpu_mode=1\nenable_gpu_mode=0",
            "twice",
            &[
                (memory, json!(8192)),
                ("/Config/Hostname", json!("b")),
                ("/Config/Labels/io.droidspaces.gpu", json!(null)),
            ],
        ),
        case(
            "crlf",
            "name=crlf\r\n\r\n\thostname = x \r\n",
            "crlf",
            &[("/Config/Hostname", json!("x"))],
        ),
        case(
            "nul",
            b"name=nul\nhostname=a\0b\nmemory_limit=4096\n\0\0\0".as_slice(),
            "nul",
            &[(memory, json!(4096))],
        ),
        case(
            "latin",
            b"name=latin\nhostname=caf\xe9\nrootfs_path=/\xff\xfe\n\xc3key=\x80\n".as_slice(),
            "latin",
            &[("/Config/Hostname", json!("caf\u{fffd}"))],
        ),
        case("empty", "", "empty", &[("/Config/Hostname", json!("empty"))]),
        case(
            "noise",
            (0..200_000_u32)
                .map(|number| (number * 31 % 251) as u8)
                .collect::<Vec<_>>(),
            "noise",
            &[],
        ),
    ]
}

/// Names and UUIDs that are none, or another's.
fn identities() -> Vec<Case> {
    let long = format!("name={}\n", "n".repeat(256));
    let uuid = |name: &str, uuid: &str| format!("name={name}\nuuid={uuid}\n");
    vec![
        case("slash", "name=a/b\n", "slash", &[]),
        case("dots", "name=..\n", "dots", &[]),
        case("letters", "name=k\u{e4}se\n", "letters", &[]),
        case("toolong", long, "toolong", &[]),
        case(
            "nameless",
            "name=\nhostname=x\n",
            "nameless",
            &[("/Config/Hostname", json!("x"))],
        ),
        case("lower", uuid("lower", SAME), "lower", &[]),
        case("same", uuid("same", SAME), "same", &[]),
        case("upper", uuid("upper", UPPER), "upper", &[]),
        case("short", uuid("short", "5a3e"), "short", &[]),
        case("path", uuid("path", "../../../../etc/passwd"), "path", &[]),
        case("hexless", uuid("hexless", &"z".repeat(40)), "hexless", &[]),
        // Both have the files of `a-b`.
        case(
            "a-b",
            "name=a-b\nmemory_limit=4096\n",
            "a-b",
            &[("/HostConfig/Memory", json!(4096))],
        ),
        case(
            "spaced",
            "name=a b\nmemory_limit=8192\n",
            "a b",
            &[("/HostConfig/Memory", json!(8192))],
        ),
        case(
            "qu\"ote",
            "hostname=x\n",
            "qu\"ote",
            &[("/Config/Hostname", json!("x"))],
        ),
    ]
}

/// Values that ask for much, or for nothing that there is.
fn values() -> Vec<Case> {
    let unknown: String = (0..5000)
        .map(|number| format!("key{number}={number}\n"))
        .collect();
    let binds = "/a:/b,".repeat(600);
    vec![
        case("rootless", "name=rootless\n", "rootless", &[]),
        case(
            "lost",
            "name=lost\nrootfs_path=/nowhere/at/all\n",
            "lost",
            &[("/Driver", json!("directory"))],
        ),
        case("device", "name=device\nrootfs_path=/dev/zero\n", "device", &[]),
        case("unknown", format!("name=unknown\n{unknown}"), "unknown", &[]),
        case(
            "ports",
            "name=ports\nnet_mode=nat\nport_forwards=1-65535,1-65535/udp\nstatic_nat_ip=8.8.8.8\n",
            "ports",
            &[(
                "/Config/Labels/io.droidspaces.port-forwards",
                json!("1-65535:1-65535/tcp,1-65535:1-65535/udp"),
            )],
        ),
        case(
            "binds",
            format!("name=binds\nbind_mounts={binds}\n"),
            "binds",
            &[],
        ),
        case(
            "numbers",
            "name=numbers\nmemory_limit=-1\ncpu_quota=x\npids_limit=99999999999999999999\ncpu_period=1e9\n",
            "numbers",
            &[
                ("/HostConfig/Memory", json!(0)),
                ("/HostConfig/CpuQuota", json!(0)),
            ],
        ),
    ]
}

fn cases() -> Vec<Case> {
    lines().into_iter().chain(identities()).chain(values()).collect()
}

/// Puts them there, and what is no configuration at all.
fn write(workspace: &Workspace) {
    let containers = workspace.root().join("Containers");
    for case in cases() {
        fs::create_dir(containers.join(case.directory)).unwrap();
        fs::write(
            containers.join(case.directory).join("container.config"),
            case.bytes,
        )
        .unwrap();
    }
    for name in ["no-file", "folder", "pipe", "link", ".hidden"] {
        fs::create_dir(containers.join(name)).unwrap();
    }
    fs::create_dir(containers.join("folder/container.config")).unwrap();
    mkfifo(&containers.join("pipe/container.config"), Mode::S_IRUSR).unwrap();
    symlink(
        containers.join("long/container.config"),
        containers.join("link/container.config"),
    )
    .unwrap();
    fs::write(containers.join(".hidden/container.config"), "name=hidden\n").unwrap();
    fs::write(containers.join("plain-file"), "name=file\n").unwrap();
    let odd = containers.join(std::ffi::OsStr::from_bytes(b"odd\xff"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("container.config"), "name=odd\n").unwrap();
    for name in ["namesake", "other"] {
        fs::create_dir(containers.join(name)).unwrap();
        fs::write(containers.join(name).join("container.config"), "name=namesake\n").unwrap();
    }
    fs::create_dir(containers.join("sparse")).unwrap();
    let mut sparse = fs::File::create(containers.join("sparse/container.config")).unwrap();
    sparse.write_all(b"name=sparse\nmemory_limit=4096\n").unwrap();
    sparse.set_len(1 << 30).unwrap();
    obedient(workspace, "good", 0);
}

/// How many are containers: besides the cases two namesakes, the sparse one and the good one.
fn count() -> usize {
    cases().len() + 4
}

fn path_of(name: &str) -> String {
    let name = name.replace(' ', "%20").replace('"', "%22");
    format!("/containers/{name}/json")
}

/// The most memory that a process ever had, in KiB.
fn peak(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn look(phone: &mut Phone) {
    let docker = phone.docker();
    let begin = Instant::now();
    let list = phone.list();
    assert_eq!(list.len(), count());
    let mut ids: Vec<&str> = list.iter().map(|item| item["Id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count(), "every one has an id of its own");
    for id in ids {
        assert!(
            id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
        docker.inspect(id);
    }
    for case in cases() {
        let whole = docker.get(&path_of(case.name)).expect(200).json();
        assert_eq!(whole["Name"], format!("/{}", case.name));
        for (place, value) in &case.expected {
            let found = whole.pointer(place).unwrap_or(&Value::Null);
            assert_eq!(found, value, "{place} of {}", case.name);
        }
    }
    for name in [
        "no-file",
        "folder",
        "pipe",
        "link",
        ".hidden",
        "hidden",
        "plain-file",
        "file",
        "odd",
        "first",
    ] {
        docker.get(&path_of(name)).expect(404);
    }
    look_at_identities(&docker, &list);
    for path in [
        "/images/json",
        "/networks",
        "/info",
        "/system/df",
        "/containers/json?all=1&size=1",
    ] {
        docker.get(path).expect(200);
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    for daemon in [phone.pair().bridge().pid(), phone.pair().socketd().pid()] {
        assert!(peak(daemon) < 128 * 1024, "{} KiB", peak(daemon));
    }
    docker.post("/containers/good/start").expect(204);
    listens(phone, "good");
    docker.post("/containers/good/stop").expect(204);
    for name in ["rootless", "lost"] {
        docker.post(&format!("/containers/{name}/start")).expect(500);
    }
}

/// What several want to be, and what one has too much of.
fn look_at_identities(docker: &Docker, list: &[Value]) {
    // Of several with the same name one has it, and the others a part of their id behind it.
    let of_name = |item: &&Value| item["Names"][0].as_str().unwrap().starts_with("/namesake");
    let mut namesakes: Vec<&str> = list
        .iter()
        .filter(of_name)
        .map(|item| item["Names"][0].as_str().unwrap())
        .collect();
    namesakes.sort_unstable();
    assert_eq!((namesakes.len(), namesakes[0]), (2, "/namesake"));
    assert_eq!(docker.inspect(&namesakes[1][1..])["Name"], namesakes[1]);
    assert_eq!(docker.inspect("sparse")["HostConfig"]["Memory"], 4096);
    let id = |name: &str| docker.inspect(name)["Id"].as_str().unwrap().to_owned();
    assert!(id("lower").starts_with(SAME) != id("same").starts_with(SAME));
    assert!(!id("upper").starts_with(&UPPER.to_ascii_lowercase()) && !id("short").starts_with("5a3e0"));
    let labels = docker.inspect("unknown")["Config"]["Labels"]
        .as_object()
        .unwrap()
        .len();
    assert!(labels > 32 && labels <= 128, "{labels}");
    let ports = docker.inspect("ports")["Config"]["ExposedPorts"]
        .as_object()
        .unwrap()
        .len();
    assert!(ports > 100 && ports <= 8192, "{ports}");
}

#[test]
fn what_is_found_at_the_start() {
    look(&mut Phone::new(write));
}

#[test]
fn what_comes_later() {
    let mut phone = Phone::new(|_| {});
    write(&phone);
    pace::until("everything is listed", LIMIT, || {
        (phone.list().len() == count()).then_some(())
    });
    phone.fence();
    fs::remove_dir_all(phone.container_file("fence", "")).unwrap();
    pace::until("the fence is gone", LIMIT, || {
        phone.docker().listed("fence").is_none().then_some(())
    });
    look(&mut phone);
    // And gone again.
    let containers = phone.root().join("Containers");
    for case in cases() {
        fs::remove_dir_all(containers.join(case.directory)).unwrap();
    }
    pace::until("the good ones are left", LIMIT, || {
        (phone.list().len() == count() - cases().len()).then_some(())
    });
}
