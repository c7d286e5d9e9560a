//! The stand-in does what Droidspaces was measured to do.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

use harness::droidspaces::{Workspace, inside};
use harness::{pace, pair};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Time for a container to do what it is about to do.
const LIMIT: Duration = Duration::from_secs(20);

/// A workspace in a folder that goes away with it.
pub(crate) struct Ground {
    pub(crate) workspace: Option<Workspace>,
    dir: PathBuf,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let dir = pair::new_dir();
        Self {
            workspace: Some(Workspace::new(&dir)),
            dir,
        }
    }
}

impl std::ops::Deref for Ground {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        self.workspace.as_ref().unwrap()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        drop(self.workspace.take());
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Runs a command and expects an exit code.
#[track_caller]
pub(crate) fn expect(workspace: &Workspace, words: &[&str], expected: i32) -> String {
    let output = workspace.run(words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(code(&output), expected, "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn actions(workspace: &Workspace) -> Vec<String> {
    let events = workspace.events().into_iter();
    events.map(|event| event.action).collect()
}

/// An init that ends at once when it is told to, with this exit code.
fn obedient(workspace: &Workspace, name: &str, exit: u8) {
    let script = format!("trap 'exit {exit}' TERM\necho up\nwhile :; do sleep 1000 & wait; done");
    workspace
        .container(name)
        .rootfs(|rootfs| rootfs.init(&script))
        .write();
}

#[test]
fn a_container_starts_and_stops() {
    let ground = Ground::new();
    obedient(&ground, "media box", 0);
    expect(&ground, &["--name=media box", "start"], 0);
    let pid = ground.pid("media box").unwrap();
    let inside = |file: &str| fs::read_to_string(inside(pid, "/run/droidspaces").join(file)).unwrap();
    let uuid = ground.config("media box").value("uuid").to_owned();
    assert_eq!(uuid.len(), 32);
    assert_eq!(inside("name"), "media box");
    assert_eq!(inside("version"), "v6.5.0");
    assert_eq!(inside(&uuid), "");
    assert!(inside("container.config").contains(&format!("uuid={uuid}\n")));
    assert_eq!(
        fs::read_to_string(ground.sidecar("media box", "init")).unwrap(),
        "unknown"
    );
    assert!(ground.sidecar("media-box", "pid").is_file(), "a space is a dash");
    // Namespaces of its own, the network excepted.
    for (namespace, own) in [
        ("pid", true),
        ("mnt", true),
        ("uts", true),
        ("ipc", true),
        ("net", false),
    ] {
        let inode = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/{namespace}")).unwrap().ino();
        assert_eq!(inode(&pid.to_string()) != inode("self"), own, "{namespace}");
    }
    expect(&ground, &["--name=media box", "start"], 255);
    assert_eq!(
        expect(&ground, &["--name=media box", "pid"], 0),
        format!("{pid}\n")
    );
    let shown = expect(&ground, &["show", "--format"], 0);
    assert_eq!(
        shown,
        format!("TOTAL_CONTAINERS=1\nRUN_CONTAINERS=1\nCONT_media box={pid}\n")
    );
    expect(&ground, &["--name=media box", "stop"], 0);
    assert_eq!(ground.pid("media box"), None);
    assert!(!ground.sidecar("media box", "lock").exists());
    expect(&ground, &["--name=media box", "stop"], 255);
    assert_eq!(expect(&ground, &["--name=media box", "pid"], 1), "NONE\n");
    assert_eq!(ground.log("media box", "console"), "up\r\n");
    assert_eq!(actions(&ground), ["start", "die"]);
    let events = ground.events();
    assert!(
        events
            .iter()
            .all(|event| event.uuid == uuid && event.name == "media box")
    );
}

#[test]
fn exit_codes_are_those_of_the_table() {
    let ground = Ground::new();
    ground.container("image").image(1 << 20).write();
    ground
        .container("nowhere")
        .rootfs_at(&ground.root().join("none"))
        .write();
    let check = |words: &[&str], expected: i32| drop(expect(&ground, words, expected));
    check(&["version"], 0);
    check(&["mode"], 0);
    check(&["show"], 0);
    check(&["scan"], 0);
    check(&[], 1);
    check(&["status"], 1);
    check(&["ps"], 1);
    check(&["--nonsense=1", "start"], 1);
    check(&["start"], 1);
    check(&["--name=a/b", "start"], 1);
    check(&["--name=unknown", "start"], 1);
    check(&["--name=nowhere", "start"], 255);
    check(&["--name=image", "start"], 255);
    check(&["--name=unknown", "stop"], 255);
    check(&["--name=unknown,image", "stop"], 1);
    check(&["stop"], 1);
    check(&["--name=image", "run", "true"], 255);
    check(&["--name=image", "info"], 255);
    check(&["--name=image", "usage"], 255);
    check(&["--name=image", "enter"], 1);
    assert_eq!(actions(&ground), [""; 0]);
}

#[test]
fn an_init_without_a_program_does_not_start() {
    let ground = Ground::new();
    ground
        .container("a")
        .set("custom_init", "/bin/missing")
        .rootfs(|_| ())
        .write();
    expect(&ground, &["--name=a", "start"], 255);
    pace::until("the log says so", LIMIT, || {
        ground
            .log("a", "log")
            .contains("[monitor] Detected container SHUTDOWN (exit: 255)")
            .then_some(())
    });
    assert_eq!(actions(&ground), [""; 0]);
}

/// Lets a container end by itself and gives what its log says.
fn ended(ground: &Workspace, name: &str) -> String {
    pace::until("its files go", LIMIT, || ground.pid(name).is_none().then_some(()));
    let log = ground.log(name, "log");
    let line = log
        .lines()
        .find(|line| line.contains("SHUTDOWN"))
        .unwrap()
        .to_owned();
    let (time, text) = line.split_at("[2026-11-22 01:07:09.123] ".len());
    let shape: String = time
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
        .collect();
    assert_eq!(shape, "[0000-00-00 00:00:00.000] ");
    text.to_owned()
}

#[test]
fn an_end_by_itself_is_in_the_log_alone() {
    fn check(end: impl Fn(&Workspace, i32), exit: u8) {
        let ground = Ground::new();
        obedient(&ground, "a", 7);
        expect(&ground, &["--name=a", "start"], 0);
        pace::until("it is up", LIMIT, || {
            ground.log("a", "console").contains("up").then_some(())
        });
        end(&ground, ground.pid("a").unwrap());
        let line = format!("[monitor] Detected container SHUTDOWN (exit: {exit})");
        assert_eq!(ended(&ground, "a"), line);
        assert_eq!(actions(&ground), ["start"]);
    }
    let signal = |signal: Signal| move |_: &Workspace, pid| kill(Pid::from_raw(pid), signal).unwrap();
    check(signal(Signal::SIGTERM), 7);
    check(signal(Signal::SIGKILL), 1);
    // The one who asks ends with the container.
    check(
        |ground, _| drop(ground.run(&["--name=a", "run", "poweroff", "-f"])),
        1,
    );
}

#[test]
fn a_pid_file_may_stay_behind() {
    let ground = Ground::new();
    ground.knob("keep-pid-file", "");
    obedient(&ground, "a", 0);
    expect(&ground, &["--name=a", "start"], 0);
    let pid = ground.pid("a").unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    pace::until("it ends", LIMIT, || {
        ground.log("a", "log").contains("SHUTDOWN").then_some(())
    });
    assert_eq!(ground.pid("a"), Some(pid));
    expect(&ground, &["--name=a", "pid"], 1);
    expect(&ground, &["--name=a", "start"], 0);
    assert_ne!(ground.pid("a"), Some(pid));
}

#[test]
fn a_reboot_inside_is_a_restart() {
    let ground = Ground::new();
    obedient(&ground, "a", 0);
    expect(&ground, &["--name=a", "start"], 0);
    let (pid, uuid) = (ground.pid("a"), ground.config("a").value("uuid").to_owned());
    ground.run(&["--name=a", "run", "reboot", "-f"]);
    pace::until("it has started again", LIMIT, || {
        (ground.events().len() == 2).then_some(())
    });
    assert_eq!(actions(&ground), ["start", "restart"]);
    assert_ne!(ground.pid("a"), pid);
    assert_eq!(ground.config("a").value("uuid"), uuid);
    expect(&ground, &["--name=a", "run", "true"], 0);
    assert_eq!(
        expect(&ground, &["--name=a", "pid"], 0),
        format!("{}\n", ground.pid("a").unwrap())
    );
}

#[test]
fn a_restart_is_an_end_and_a_beginning() {
    let ground = Ground::new();
    obedient(&ground, "a", 0);
    expect(&ground, &["--name=a", "restart"], 0);
    let pid = ground.pid("a");
    expect(&ground, &["--name=a", "restart"], 0);
    assert_ne!(ground.pid("a"), pid);
    assert_eq!(actions(&ground), ["start", "die", "start"]);
    assert_eq!(ground.log("a", "console.old"), "up\r\n");
}

#[test]
fn busybox_s_init_obeys() {
    let ground = Ground::new();
    ground.container("a").rootfs(|_| ()).write();
    expect(&ground, &["--name=a", "start"], 0);
    assert_eq!(
        fs::read_to_string(ground.sidecar("a", "init")).unwrap(),
        "busybox"
    );
    pace::until("it is up", LIMIT, || {
        ground.log("a", "console").contains("booted").then_some(())
    });
    let before = Instant::now();
    expect(&ground, &["--name=a", "stop"], 0);
    // It gives its processes a second twice; nobody had to kill it.
    assert!(before.elapsed() > Duration::from_secs(1) && before.elapsed() < Duration::from_secs(14));
    assert_eq!(actions(&ground), ["start", "die"]);
}

#[test]
fn a_deaf_init_is_killed() {
    let ground = Ground::new();
    ground.knob("stop-timeout", "400");
    let script = "trap '' TERM\nwhile :; do sleep 1000 & wait; done";
    ground.container("a").rootfs(|rootfs| rootfs.init(script)).write();
    expect(&ground, &["--name=a", "start"], 0);
    let before = Instant::now();
    expect(&ground, &["--name=a", "stop"], 0);
    assert!(before.elapsed() >= Duration::from_millis(400));
    let custom = ground.container("b").set("custom_init", "/sbin/own");
    custom.rootfs(|rootfs| rootfs.init(script)).write();
    ground.release("stop-timeout");
    expect(&ground, &["--name=b", "start"], 0);
    let before = Instant::now();
    expect(&ground, &["--name=b", "stop"], 0);
    assert!(
        before.elapsed() < Duration::from_secs(10),
        "a program of its own is killed at once"
    );
}

#[test]
fn commands_run_inside() {
    let ground = Ground::new();
    let draft = ground
        .container("a")
        .set("hostname", "den")
        .set("net_mode", "nat");
    draft
        .env("# no\nexport COLOUR=red\n")
        .rootfs(|rootfs| rootfs.init("env; exec sleep 1000"))
        .write();
    expect(&ground, &["--name=a", "start"], 0);
    let check = |words: &[&str], exit: i32, out: &str| {
        let words = [&["--name=a", "run"], words].concat();
        assert_eq!(expect(&ground, &words, exit), out, "{words:?}");
    };
    check(&["hostname"], 0, "den\n");
    check(&["echo", "a b", "c"], 0, "a b c\n");
    check(&["echo $((1 + 2))"], 0, "3\n");
    check(&["sh", "-c", "exit 7"], 7, "");
    check(&["kill -9 $$"], 1, "");
    check(&["no-such-program"], 1, "");
    check(&["-u", "ana", "id -un"], 0, "ana\n");
    check(&["cat", "/proc/1/comm"], 0, "sleep\n");
    check(&["-u", "ana", "echo", "a'b", "c d"], 0, "a'b c d\n");
    let net = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/net")).unwrap().ino();
    assert_ne!(net(&ground.pid("a").unwrap().to_string()), net("self"));
    assert!(ground.config("a").value("static_nat_ip").starts_with("172.28."));
    assert!(ground.log("a", "console").contains("COLOUR=red"));
    let info = expect(&ground, &["--name=a", "info", "--format"], 0);
    assert!(
        info.contains("NETWORKING_MODE=NAT\n") && info.contains("CONTAINER_HOSTNAME=den\n"),
        "{info}"
    );
    let usage = expect(&ground, &["--name=a", "usage"], 0);
    assert!(usage.contains("RAM_USED_KB="), "{usage}");
}

#[test]
fn binds_appear_and_may_be_read_only() {
    let ground = Ground::new();
    let shared = ground.root().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("file"), "hello\n").unwrap();
    let binds = format!("{0}:/srv/open,{0}:/srv/closed:ro", shared.display());
    let draft = ground
        .container("a")
        .set("bind_mounts", &binds)
        .set("custom_init", "/bin/sleep-on");
    draft
        .rootfs(|rootfs| rootfs.script("bin/sleep-on", "exec sleep 1000"))
        .write();
    expect(&ground, &["--name=a", "start"], 0);
    assert_eq!(
        expect(&ground, &["--name=a", "run", "cat", "/srv/closed/file"], 0),
        "hello\n"
    );
    expect(&ground, &["--name=a", "run", "touch", "/srv/open/other"], 0);
    expect(&ground, &["--name=a", "run", "touch", "/srv/closed/more"], 1);
    assert!(shared.join("other").exists());
}

#[test]
fn a_lost_pid_file_is_found_again() {
    let ground = Ground::new();
    obedient(&ground, "a", 0);
    expect(&ground, &["--name=a", "start"], 0);
    let pid = ground.pid("a").unwrap();
    fs::remove_file(ground.sidecar("a", "pid")).unwrap();
    assert_eq!(expect(&ground, &["--name=a", "pid"], 0), format!("{pid}\n"));
    assert_eq!(ground.pid("a"), Some(pid));
    // Somebody else's is as good as its own.
    ground
        .container("ghost")
        .rootfs_at(ground.rootfs().path())
        .write();
    ground.write_sidecar("ghost", "pid", &pid.to_string());
    assert_eq!(expect(&ground, &["--name=ghost", "pid"], 0), format!("{pid}\n"));
    ground.write_sidecar("ghost", "pid", &std::process::id().to_string());
    expect(&ground, &["--name=ghost", "pid"], 1);
}

#[test]
fn a_lock_of_somebody_who_lives_is_respected() {
    let ground = Ground::new();
    obedient(&ground, "a", 0);
    expect(&ground, &["--name=a", "start"], 0);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let own = std::process::id();
    ground.write_sidecar("a", "lock", &format!("{own} {}", boot.trim()));
    expect(&ground, &["--name=a", "stop"], 255);
    ground.write_sidecar("a", "lock", &format!("{own} another-boot"));
    expect(&ground, &["--name=a", "stop"], 0);
}

#[test]
fn knobs_turn() {
    let ground = Ground::new();
    obedient(&ground, "a", 0);
    ground.knob("argv-log", "");
    ground.knob("fail-start", "no space left\n");
    let failed = ground.run(&["--name=a", "start"]);
    assert_eq!(
        (code(&failed), &*failed.stderr),
        (255, b"[-] no space left\n".as_slice())
    );
    ground.release("fail-start");
    ground.knob("slow-start", "300");
    let before = Instant::now();
    expect(&ground, &["--name=a", "start"], 0);
    assert!(before.elapsed() >= Duration::from_millis(300));
    ground.knob("fail-stop", "busy");
    expect(&ground, &["--name=a", "stop"], 255);
    ground.release("fail-stop");
    expect(&ground, &["--name=a", "stop"], 0);
    let calls = ground.invocations();
    let words: Vec<_> = calls.iter().map(|call| call.arguments.join(" ")).collect();
    assert_eq!(
        words,
        [
            "--name=a start",
            "--name=a start",
            "--name=a stop",
            "--name=a stop"
        ]
    );
    let environment = ["DS_NO_PROXY=1", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
    assert!(
        calls.iter().all(|call| call.environment == environment),
        "{calls:?}"
    );
}

#[test]
fn a_start_that_takes_too_long_fails() {
    let ground = Ground::new();
    obedient(&ground, "a", 0);
    ground.knob("slow-start", "600000");
    expect(&ground, &["--name=a", "start"], 255);
    assert_eq!(actions(&ground), [""; 0]);
    assert_eq!(ground.pid("a"), None);
}

#[test]
fn everything_ends_with_the_workspace() {
    let ground = Ground::new();
    obedient(&ground, "a", 0);
    expect(&ground, &["--name=a", "start"], 0);
    let pid = ground.pid("a").unwrap();
    let monitors = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let own: Vec<_> = monitors
        .filter(|entry| fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == ground.program()))
        .filter(|entry| {
            fs::read_to_string(entry.path().join("comm")).is_ok_and(|comm| comm == "[ds-monitor]\n")
        })
        .collect();
    assert_eq!(own.len(), 1);
    // Deaf to whatever asks nicely.
    let monitor = own[0].file_name().into_string().unwrap().parse().unwrap();
    kill(Pid::from_raw(monitor), Signal::SIGTERM).unwrap();
    expect(&ground, &["--name=a", "run", "true"], 0);
    drop(ground);
    // They have ended; whoever is to be told may take a moment.
    for process in [format!("/proc/{pid}").into(), own[0].path()] {
        pace::until("it is gone", LIMIT, || (!process.exists()).then_some(()));
    }
}

#[test]
fn a_thousand_containers_are_written_quickly() {
    let ground = Ground::new();
    ground.populate("c", 1000);
    let shown = expect(&ground, &["show", "--format"], 0);
    assert!(
        shown.starts_with("TOTAL_CONTAINERS=1000\nRUN_CONTAINERS=0\n"),
        "{shown}"
    );
}
