//! A container, and the shim that it belongs to.

use harness::{Docker, Pair};

use crate::process::Process;

fn first_process(docker: &Docker, name: &str) -> Process {
    let pid = docker.inspect(name)["State"]["Pid"].as_i64().unwrap();
    Process(i32::try_from(pid).unwrap())
}

#[test]
fn a_container_has_docker_s_powers_and_no_more() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run("plain", "exec sleep 100000");
    let process = first_process(&docker, "plain");
    let status = process.status();
    // chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
    // sys_chroot, mknod, audit_write, setfcap.
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(status[set], "00000000a80425fb", "{set}");
    }
    assert_eq!(status["Seccomp"], "2", "a filter is in force");
    let ours = Process(std::process::id().cast_signed());
    for space in ["mnt", "pid", "uts", "ipc", "net"] {
        assert_ne!(process.namespace(space), ours.namespace(space), "{space}");
    }
}

#[test]
fn a_shim_has_nothing_but_its_container() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.run("held", "exec sleep 100000");
    let first = first_process(&docker, "held");
    let shim = Process(first.status()["PPid"].parse().unwrap());
    let status = shim.status();
    assert_eq!(status["Name"], "socketd-shim");
    assert_eq!(status["PPid"], pair.bridge().pid().to_string());
    assert_eq!(status["Threads"], "1");
    assert_eq!(status["Groups"], Process(pair.bridge().pid()).status()["Groups"]);
    // It must be able to give a further process all that a container can have.
    let bounding = &status["CapBnd"];
    assert_eq!(
        (&status["CapPrm"], &status["CapEff"]),
        (bounding, bounding),
        "executing gave it its powers back"
    );
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!(
        (status["Seccomp"].as_str(), status["NoNewPrivs"].as_str()),
        ("0", "0")
    );
    assert_eq!(shim.environment(), "");
    let directory = pair.dir().join("bridge/native/containers");
    for (number, target) in shim.descriptors() {
        let text = target.to_str().unwrap();
        let its_own = target.starts_with(&directory)
            || text == "/dev/null"
            || ["socket:", "pipe:", "anon_inode:"]
                .iter()
                .any(|kind| text.starts_with(kind));
        assert!(its_own, "{number}: {text}");
    }
    let core = "Max core file size";
    let ours = Process(std::process::id().cast_signed());
    assert_eq!(
        first.limit(core),
        ours.limit(core),
        "a container's dumps are its own affair"
    );
}
