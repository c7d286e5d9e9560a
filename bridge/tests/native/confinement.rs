//! What a container may not do.

use bridge::runtime::{Runtime, RuntimeError};
use nix::sched::{CloneFlags, unshare};
use wire::Container;
use wire::spec::Spec;

use crate::scene::{Scene, own_filters};

/// Dockerd's default set.
const DEFAULT_SET: &str = "00000000a80425fb";

fn status(scene: &mut Scene, mut spec: Spec, name: &str) -> String {
    let script = format!("grep ^{name}: /proc/self/status");
    spec.process.command = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let output = scene.output(spec);
    output.split_whitespace().nth(1).unwrap().to_owned()
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn capabilities() {
    let mut scene = Scene::new();
    let mut check = |added: &[&str], dropped: &[&str], user: &str, expected: [&str; 2]| {
        let mut spec = Scene::shell("");
        spec.security.capabilities_added = texts(added);
        spec.security.capabilities_dropped = texts(dropped);
        user.clone_into(&mut spec.process.user);
        for (name, expected) in ["CapEff", "CapBnd"].into_iter().zip(expected) {
            assert_eq!(
                status(&mut scene, spec.clone(), name),
                expected,
                "{name} of {added:?} {dropped:?} {user}"
            );
        }
        for name in ["CapInh", "CapAmb"] {
            assert_eq!(
                status(&mut scene, spec.clone(), name),
                "0000000000000000",
                "{name}"
            );
        }
    };
    check(&[], &[], "", [DEFAULT_SET, DEFAULT_SET]);
    check(&[], &[], "ana", ["0000000000000000", DEFAULT_SET]);
    check(
        &["net_bind_service"],
        &["ALL"],
        "",
        ["0000000000000400", "0000000000000400"],
    );
    check(
        &["CAP_NET_ADMIN"],
        &["mknod"],
        "",
        ["00000000a00435fb", "00000000a00435fb"],
    );
}

#[test]
fn no_new_privileges_and_a_filter_unless_asked_otherwise() {
    let mut scene = Scene::new();
    let mut check = |privileged, options: &[&str], expected: [&str; 2]| {
        let mut spec = Scene::shell("");
        spec.security.privileged = privileged;
        spec.security.options = texts(options);
        for (name, expected) in ["NoNewPrivs", "Seccomp"].into_iter().zip(expected) {
            assert_eq!(
                status(&mut scene, spec.clone(), name),
                expected,
                "{name} {privileged} {options:?}"
            );
        }
    };
    let none = own_filters();
    check(false, &[], ["1", "2"]);
    check(false, &["seccomp=unconfined"], ["1", &none]);
    check(false, &["no-new-privileges"], ["1", "2"]);
    check(true, &[], ["0", &none]);
}

#[test]
fn denied() {
    let mut scene = Scene::new();
    for script in [
        "mount -t tmpfs none /home",
        "umount /proc",
        "unshare -m true",
        "unshare -U true",
        "unshare -n true",
        "hostname other",
        "dmesg",
        "echo 1 > /proc/sys/kernel/panic",
        "echo b > /proc/sysrq-trigger",
        "mkdir /sys/fs/cgroup/memory/inner",
        "cat /dev/mem",
        "ip link set lo down",
    ] {
        let outcome = scene.run(Scene::shell(script));
        assert_ne!(outcome.exit.code, 0, "{script}: {outcome:?}");
        assert!(!outcome.error.contains("not found"), "{script}: {outcome:?}");
    }
}

/// Even where making the node is allowed, opening it is not: no file system it could be on opens nodes.
#[test]
fn device_nodes_made_inside_do_nothing() {
    let mut scene = Scene::new();
    let shared = scene.dir.join("shared");
    let mut spec = Scene::shell(
        "for d in / /dev /dev/shm /shared /memory; do mknod $d/node c 1 3 || exit 1; \
         if cat $d/node || echo x > $d/node; then exit 2; fi; done; cat /dev/null && echo fine > /dev/null",
    );
    spec.mounts = vec![
        crate::files::bind(shared.to_str().unwrap(), "/shared"),
        crate::files::memory("/memory", ""),
    ];
    let outcome = scene.run(spec);
    assert_eq!(outcome.exit.code, 0, "{outcome:?}");
    assert_eq!(
        outcome.error.matches("denied").count() + outcome.error.matches("not permitted").count(),
        10
    );
}

#[test]
fn kernel_files_are_masked() {
    let mut scene = Scene::new();
    let script = "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c; ls /sys/firmware /proc/acpi 2>/dev/null | grep -v : | wc -w";
    assert_eq!(
        scene
            .output(Scene::shell(script))
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["0", "0"]
    );
    let mut spec = Scene::shell("wc -c < /proc/keys");
    spec.security.options = texts(&["systempaths=unconfined"]);
    assert_ne!(scene.output(spec).trim(), "0");
}

#[test]
fn only_its_own_processes_mounts_and_groups_are_seen() {
    let mut scene = Scene::new();
    let state = scene.dir.to_str().unwrap().to_owned();
    let output = scene.output(Scene::shell(
        "echo $$; ls -d /proc/[0-9]* | wc -l; cat /proc/self/mountinfo; cat /proc/self/cgroup",
    ));
    let mut lines = output.lines();
    assert_eq!(lines.next(), Some("1"));
    assert!(
        lines.next().unwrap().trim().parse::<u32>().unwrap() <= 3,
        "{output}"
    );
    assert!(!output.contains(&format!("lowerdir={state}")), "{output}");
    assert!(
        !output.contains("/.old") && !output.contains("ext4 /dev/vda rw,discard / "),
        "{output}"
    );
    // Before 4.6 there is no namespace of groups, and the path is the machine's.
    let spaces = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWCGROUP));
    let known = spaces.join().unwrap().is_ok();
    assert_eq!(
        output.contains("/socketd/"),
        !known,
        "the group is seen as the root: {output}"
    );
}

#[test]
fn what_this_runtime_cannot_protect_is_refused() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("true");
    spec.security.options = texts(&["apparmor=mine"]);
    assert!(matches!(
        scene.try_create(spec),
        Err(RuntimeError::Unsupported(_))
    ));
    let mut spec = Scene::shell("true");
    spec.security.capabilities_added = texts(&["CAP_FLY"]);
    assert!(matches!(
        scene.try_create(spec),
        Err(RuntimeError::InvalidSpec(_))
    ));
}

#[test]
fn warnings_say_what_is_discarded() {
    let scene = Scene::new();
    let mut container = Container {
        spec: Scene::shell("true"),
        ..Container::default()
    };
    assert_eq!(scene.runtime.check(&container).unwrap(), Vec::<String>::new());
    container.spec.network.mode = wire::spec::NetworkMode::Default;
    assert_eq!(scene.runtime.check(&container).unwrap().len(), 1);
}
