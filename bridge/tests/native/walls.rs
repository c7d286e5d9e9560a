//! The walls of a container where others' had holes: mounts, the kernel's files, layers, control groups. See the
//! table in PRIVILEGE.md.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bridge::runtime::{Runtime, RuntimeError};

use crate::files::bind;
use crate::scene::{Scene, exchange, exchanges, options, room};

/// How often something is done while somebody races against it.
const ROUNDS: usize = 40;

/// What hides files of the kernel is the machine's own null device, whatever the container has there.
#[test]
fn what_hides_files_cannot_be_exchanged() {
    let mut scene = Scene::new();
    let shared = scene.dir.join("shared");
    for (what, target) in [
        ("a file of the kernel", "/proc/sysrq-trigger"),
        ("its settings", "/proc/sys/kernel/core_pattern"),
        ("a directory", "/etc"),
        ("nothing", "/not/there"),
    ] {
        fs::create_dir(&shared).unwrap();
        symlink(target, shared.join("null")).unwrap();
        let script = "for f in keys timer_list interrupts; do stat -c '%F %t:%T' /proc/$f; done | grep -v '^character special file 1:3$'; \
                      grep -E ' /proc/(kcore|keys|timer_list|interrupts) ' /proc/self/mountinfo | grep -v ' /null '; true";
        let mut spec = Scene::shell(script);
        spec.mounts = vec![bind(shared.to_str().unwrap(), "/dev")];
        assert_eq!(scene.output(spec), "", "{what}");
        fs::remove_dir_all(&shared).unwrap();
    }
}

/// A terminal is one of the container's own terminals, and where it is bound nothing else changes.
#[test]
fn a_terminal_is_not_led_astray() {
    let mut scene = Scene::new();
    let shared = scene.dir.join("shared");
    let watched = "/proc/sys/kernel/core_pattern";
    let before = fs::read(watched).unwrap();
    for (ptmx, slave) in [
        ("/proc/sysrq-trigger", "/proc/sysrq-trigger"),
        ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/core_pattern"),
        ("/proc/self/exe", "/proc/self/fd/0"),
        ("/dev/null", "/dev/null"),
    ] {
        fs::create_dir_all(shared.join("pts")).unwrap();
        symlink(ptmx, shared.join("pts/ptmx")).unwrap();
        for number in 0..4 {
            symlink(slave, shared.join(format!("pts/{number}"))).unwrap();
        }
        symlink(watched, shared.join("console")).unwrap();
        let mut spec = Scene::shell("echo forged > /dev/console");
        spec.process.tty = true;
        spec.mounts = vec![bind(shared.to_str().unwrap(), "/dev")];
        let failure = scene.failure(spec);
        assert!(
            matches!(
                failure,
                RuntimeError::System { .. } | RuntimeError::InvalidSpec(_)
            ),
            "{failure:?}"
        );
        fs::remove_dir_all(&shared).unwrap();
    }
    assert_eq!(fs::read(watched).unwrap(), before);
}

/// Where `/proc` is a link into a directory that somebody else fills, there is no start: what is read and
/// written there afterwards would be theirs.
#[test]
fn proc_is_the_kernels_or_there_is_no_start() {
    let mut scene = Scene::with(options(), &[("proc", "/volume/proc")]);
    let shared = scene.dir.join("shared");
    fs::create_dir_all(shared.join("proc/self")).unwrap();
    fs::write(shared.join("proc/self/oom_score_adj"), "").unwrap();
    let mut spec = Scene::shell("true");
    spec.resources.oom_score_adjustment = 77;
    spec.mounts = vec![bind(shared.to_str().unwrap(), "/volume")];
    let failure = scene.failure(spec);
    assert!(matches!(failure, RuntimeError::InvalidSpec(_)), "{failure:?}");
    assert_eq!(fs::read(shared.join("proc/self/oom_score_adj")).unwrap(), b"");
    // Without it the link is followed within the root, and what is hidden is hidden there.
    assert_eq!(scene.output(Scene::shell("wc -c < /proc/keys")).trim(), "0");
}

/// Over when this goes, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exchanges two names as fast as it can while `act` is done.
fn while_exchanged(one: &Path, other: &Path, act: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                exchange(one, other);
            }
        });
        let _over = Over(&over);
        act();
    });
}

/// A volume in a volume, whose place is exchanged meanwhile by whoever has the outer one: it is mounted as
/// it was asked, or there is no start, and nothing is made on the machine.
#[test]
fn a_mount_on_a_racing_directory_has_its_flags() {
    if !exchanges() {
        return;
    }
    let mut scene = Scene::new();
    let (shared, inner, outside) = (
        scene.dir.join("shared"),
        scene.dir.join("inner"),
        scene.dir.join("outside"),
    );
    for dir in [&shared.join("a"), &shared.join("b"), &inner, &outside] {
        fs::create_dir_all(dir).unwrap();
    }
    symlink(&outside, shared.join("link")).unwrap();
    for other in ["b", "link"] {
        let mut started = 0;
        while_exchanged(&shared.join("a"), &shared.join(other), || {
            for _ in 0..ROUNDS {
                let mut spec = Scene::shell("grep /inner /proc/self/mountinfo");
                let mut read_only = bind(inner.to_str().unwrap(), "/shared/a/made");
                read_only.read_only = true;
                spec.mounts = vec![bind(shared.to_str().unwrap(), "/shared"), read_only];
                let id = scene.create(spec);
                if scene.runtime.start(&id).is_ok() {
                    scene.end(&id);
                    let found = scene.log(&id).0;
                    let guarded = |line: &str| line.contains(" ro,") && line.contains("nodev");
                    assert!(!found.is_empty() && found.lines().all(guarded), "{found}");
                    started += 1;
                }
                scene.runtime.remove(&id).unwrap();
            }
        });
        assert!(started > 0, "nothing was tried");
    }
    assert_eq!(
        fs::read_dir(&outside).unwrap().count(),
        0,
        "something was made outside"
    );
}

/// Nobody but root walks into what containers hold, whatever modes they give to it.
#[test]
fn the_layers_of_containers_are_closed_to_users_of_the_machine() {
    let mut scene = Scene::new();
    let script = "chmod 0777 /; echo '#!/bin/sh' > /tool; chmod 4755 /tool; echo logged";
    let (id, _) = scene.start(Scene::shell(script));
    scene.end(&id);
    let directory = scene.directory(&id);
    let reach = |path: &Path, user: u32| {
        let mut command = Command::new("/bin/busybox");
        command.args(["cat", path.to_str().unwrap()]).uid(user).gid(user);
        command.current_dir("/").output().unwrap().status.success()
    };
    let state = scene.dir.join("state/bridge/native");
    for path in [
        directory.join("upper/tool"),
        directory.join("log"),
        directory.join("config"),
    ] {
        assert!(reach(&path, 0), "{}", path.display());
        assert!(!reach(&path, 65_534), "{}", path.display());
    }
    for path in [
        &directory,
        directory.parent().unwrap(),
        &state.join("images"),
        &state.join("removing"),
    ] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

/// Control groups can be looked at from within, and no more.
#[test]
fn control_groups_are_not_written_from_within() {
    let mut scene = Scene::new();
    for added in [&[][..], &["SYS_ADMIN"]] {
        let script = "cd /sys/fs/cgroup; for d in . *; do test -d $d || continue; mkdir $d/made && echo made $d; \
             for f in release_agent notify_on_release cgroup.procs cgroup.subtree_control devices.allow; do \
             test -e $d/$f && { echo 1 > $d/$f; } && echo wrote $d/$f; done; done 2>/dev/null; ls -d /sys/fs/cgroup > /dev/null && echo seen";
        let mut spec = Scene::shell(script);
        spec.security.capabilities_added = added.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(scene.output(spec), "seen\n", "{added:?}");
    }
}

/// A working directory that an image has as a link is made where the link leads within the container.
#[test]
fn a_working_directory_that_is_a_link_is_made_inside() {
    let up = "../".repeat(10);
    let outside = room().join(format!("outside-{}", std::process::id()));
    fs::create_dir_all(&outside).unwrap();
    let text = outside.to_str().unwrap();
    let climbing = format!("{up}{text}");
    let mut scene = Scene::with(options(), &[("absolute", text), ("climbing", &climbing)]);
    for link in ["/absolute", "/climbing"] {
        let mut spec = Scene::shell("pwd");
        spec.process.working_dir = format!("{link}/made/here");
        let id = scene.create(spec);
        scene.runtime.start(&id).unwrap();
        assert_eq!(scene.end(&id).code, 0);
        let inside = scene
            .directory(&id)
            .join("upper")
            .join(text.trim_start_matches('/'));
        assert!(inside.join("made/here").is_dir(), "{link}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    fs::remove_dir(&outside).unwrap();
}
