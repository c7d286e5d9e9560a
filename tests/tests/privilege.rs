//! Who has which power, looked up where the kernel tells it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use harness::Pair;

fn status(pid: i32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect()
}

#[test]
fn socketd_has_no_power() {
    let mut pair = Pair::start_empty();
    let pid = pair.socketd().pid();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let thread = thread
            .unwrap()
            .file_name()
            .into_string()
            .unwrap()
            .parse()
            .unwrap();
        let status = status(thread);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status[set], "0000000000000000", "{set} of thread {thread}");
        }
        for ids in ["Uid", "Gid"] {
            let own: Vec<&str> = status[ids].split_whitespace().collect();
            assert_eq!(own.len(), 4);
            assert!(own.iter().all(|id| *id == own[0] && *id != "0"), "{ids}: {own:?}");
        }
        assert_eq!(status["Groups"], "", "no further group");
        assert_eq!(status["NoNewPrivs"], "1");
    }
}

#[test]
fn the_bridge_s_sockets_are_for_socketd_alone() {
    let mut pair = Pair::start_empty();
    let group: u32 = status(pair.socketd().pid())["Gid"]
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    for name in ["watch", "control"] {
        let socket = fs::metadata(pair.bridge_socket(name)).unwrap();
        assert_eq!(socket.uid(), 0, "{name}");
        assert_eq!(socket.gid(), group, "{name}");
        assert_eq!(
            socket.permissions().mode() & 0o007,
            0,
            "{name} is open to everybody"
        );
    }
    let private = fs::metadata(pair.dir().join("bridge")).unwrap();
    assert_eq!(private.permissions().mode() & 0o777, 0o700);
    assert_eq!(private.uid(), 0);
}

#[test]
fn clients_need_the_socket_s_group() {
    let pair = Pair::start_empty();
    let harness::Address::Unix(path) = pair.unix() else {
        panic!("a unix socket was asked for")
    };
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn a_container_has_docker_s_powers_and_no_more() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run("plain", "exec sleep 100000");
    let pid = docker.inspect("plain")["State"]["Pid"].as_i64().unwrap();
    let status = status(i32::try_from(pid).unwrap());
    // chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
    // sys_chroot, mknod, audit_write, setfcap.
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(status[set], "00000000a80425fb", "{set}");
    }
    assert_eq!(status["Seccomp"], "2", "a filter is in force");
    for space in ["mnt", "pid", "uts", "ipc", "net"] {
        let own = fs::read_link(format!("/proc/{pid}/ns/{space}")).unwrap();
        let ours = fs::read_link(format!("/proc/self/ns/{space}")).unwrap();
        assert_ne!(own, ours, "{space}");
    }
}
