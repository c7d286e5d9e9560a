//! A container whose root wants to be another, or wants another to be it; and pidfiles that lie.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use harness::droidspaces::Workspace;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::phone::{Phone, listens};
use crate::stand_in::expect;

/// UUIDs of its own for each test: the command looks for them on the whole machine.
struct Uuids {
    own: String,
    other: String,
}

impl Uuids {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let uuid = |last: u32| format!("{:016x}{number:08x}{last:08x}", std::process::id());
        Self {
            own: uuid(1),
            other: uuid(2),
        }
    }
}

/// The one that is hostile, and one before it in every order.
fn scene(workspace: &Workspace, uuids: &Uuids) {
    for (name, uuid) in [("victim", &uuids.other), ("web", &uuids.own)] {
        let script =
            "trap 'echo told; exit 3' TERM HUP USR1 USR2\necho up\nwhile :; do sleep 1000 & wait; done";
        let draft = workspace.container(name).set("uuid", uuid);
        draft.rootfs(|rootfs| rootfs.init(script)).write();
    }
}

/// Everything that is said of both, but for how long.
fn said(phone: &Phone) -> [Value; 3] {
    let mut list = phone.list();
    list.retain(|item| item["Names"][0] != "/fence");
    for item in &mut list {
        item["Status"].take();
    }
    let docker = phone.docker();
    [json!(list), docker.inspect("web"), docker.inspect("victim")]
}

/// What root in the container can do, in its order: each on top of those before.
fn acts(uuids: &Uuids) -> Vec<(&'static str, String)> {
    let (marks, own, other) = ("/run/droidspaces", &uuids.own, &uuids.other);
    let act = |what: &'static str, script: String| (what, script);
    vec![
        act("another's name", format!("printf victim >{marks}/name")),
        act(
            "another's settings",
            format!("printf 'name=victim\\nuuid={other}\\nrootfs_path=/etc\\n' >{marks}/container.config"),
        ),
        act("another's mark", format!("touch {marks}/{other}")),
        act("a FIFO as name", format!("rm {marks}/name; mkfifo {marks}/name")),
        act("no mark", format!("rm {marks}/{own}")),
        act(
            "a link elsewhere",
            format!(
                "umount {marks} 2>/dev/null; rm -rf {marks}; ln -s /tmp {marks}; touch /tmp/{other} /tmp/{own}"
            ),
        ),
        act("a FIFO", format!("rm {marks}; mkfifo {marks}")),
        act("nothing", format!("rm {marks}")),
    ]
}

/// Runs a script as root of the container, whatever its marks say.
fn within(pid: i32, script: &str) {
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid.to_string(), "--mount", "--root", "--wd=/"]);
    let output = command.args(["/bin/sh", "-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
}

#[test]
fn nothing_within_changes_what_is_said() {
    let uuids = Uuids::new();
    let mut phone = Phone::new(|workspace| scene(workspace, &uuids));
    for name in ["victim", "web"] {
        expect(&phone, &[&format!("--name={name}"), "start"], 0);
        phone.until(name, "running");
        listens(&phone, name);
    }
    expect(&phone, &["--name=victim", "stop"], 0);
    phone.until("victim", "exited");
    // The stand-in's own way in, as long as it finds it.
    expect(
        &phone,
        &["--name=web", "run", "echo -n x >/run/droidspaces/version"],
        0,
    );
    let pid = phone.pid("web").unwrap();
    let before = said(&phone);
    let docker = phone.docker();
    for (what, script) in acts(&uuids) {
        within(pid, &script);
        phone.write_sidecar("web", "pid", &pid.to_string());
        phone.write_sidecar("victim", "pid", &pid.to_string());
        phone.fence();
        assert_eq!(said(&phone), before, "{what}");
        docker.post("/containers/victim/kill").expect(409);
        docker.post("/containers/victim/kill?signal=USR1").expect(409);
        docker.post("/containers/victim/stop?t=0").expect(304);
        assert_eq!(said(&phone), before, "{what}");
    }
    assert!(!phone.log("web", "console").contains("told"));
    // A bridge that comes new knows no less than the one before.
    phone.pair().bridge().crash();
    phone.pair().restart_bridge();
    assert_eq!(said(&phone), before);
    fs::remove_file(phone.sidecar("victim", "pid")).unwrap();
    docker.post("/containers/victim/start").expect(204);
    assert_eq!(phone.docker().inspect("web"), before[1]);
    assert_eq!(phone.acts("web"), ["create", "start"]);
    assert_eq!(phone.acts("victim"), ["create", "start", "die 3", "start"]);
}

#[test]
fn a_new_bridge_is_not_taken_in_by_a_forged_mark() {
    let uuids = Uuids::new();
    let mut phone = Phone::new(|workspace| scene(workspace, &uuids));
    expect(&phone, &["--name=web", "start"], 0);
    phone.until("web", "running");
    let pid = phone.pid("web").unwrap();
    within(pid, &format!("touch /run/droidspaces/{}", uuids.other));
    phone.write_sidecar("victim", "pid", &pid.to_string());
    phone.fence();
    let before = said(&phone);
    assert_eq!(before[2]["State"]["Status"], "exited");
    phone.pair().bridge().crash();
    phone.pair().restart_bridge();
    assert_eq!(said(&phone), before);
    // The command takes it for running: that is what it says, and nothing is done to anybody.
    let answer = phone.docker().post("/containers/victim/start").expect(500);
    assert!(
        answer.message().contains("already running"),
        "{}",
        answer.message()
    );
    let after = said(&phone);
    assert_eq!((&after[0], &after[1]), (&before[0], &before[1]));
    // Without a pidfile it looks for the mark itself.
    within(pid, &format!("rm /run/droidspaces/{}", uuids.other));
    fs::remove_file(phone.sidecar("victim", "pid")).unwrap();
    phone.docker().post("/containers/victim/start").expect(204);
    assert_eq!(phone.state("web")["Pid"], pid);
}

/// A process that is no container; it ends with this value.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pidfile_that_lies_is_not_believed() {
    let uuids = Uuids::new();
    let phone = Phone::new(|workspace| scene(workspace, &uuids));
    expect(&phone, &["--name=web", "start"], 0);
    phone.until("web", "running");
    let web = phone.pid("web").unwrap();
    let mut stranger = Stranger::new();
    let gone = {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    };
    let docker = phone.docker();
    let refused = |what: &str| {
        phone.fence();
        assert_eq!(phone.state("victim")["Status"], "exited", "{what}");
        assert_eq!(phone.state("victim")["Pid"], 0, "{what}");
        docker.post("/containers/victim/kill").expect(409);
        docker.post("/containers/victim/stop").expect(304);
    };
    let texts = [
        gone.to_string(),
        "1".to_owned(),
        std::process::id().to_string(),
        stranger.0.id().to_string(),
        "-1".to_owned(),
        "0".to_owned(),
        String::new(),
        "\0\0\0".to_owned(),
        "99999999999999999999".to_owned(),
        "7".repeat(1 << 20),
    ];
    for text in texts {
        let what = &text[..text.len().min(20)];
        phone.write_sidecar("victim", "pid", &text);
        refused(what);
        docker.post("/containers/victim/start").expect(204);
        assert_eq!(
            phone.state("victim")["Pid"],
            phone.pid("victim").unwrap(),
            "{what}"
        );
        listens(&phone, "victim");
        docker.post("/containers/victim/stop").expect(204);
    }
    // What the command itself would wait for, or follow.
    let pidfile = phone.sidecar("victim", "pid");
    mkfifo(&pidfile, Mode::S_IRUSR).unwrap();
    refused("a FIFO");
    fs::remove_file(&pidfile).unwrap();
    symlink(phone.sidecar("web", "pid"), &pidfile).unwrap();
    refused("a link");
    fs::remove_file(&pidfile).unwrap();
    fs::create_dir(&pidfile).unwrap();
    refused("a directory");
    fs::remove_dir(&pidfile).unwrap();
    assert!(stranger.0.try_wait().unwrap().is_none(), "it was signalled");
    assert_eq!(phone.state("web")["Pid"], web);
    assert!(!phone.log("web", "console").contains("told"));
}

#[test]
fn variables_are_not_read_through_links() {
    let phone = Phone::new(|workspace| {
        let outside = workspace
            .root()
            .parent()
            .unwrap()
            .join(format!("outside-{}", std::process::id()));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("env"), "SECRET=1\n").unwrap();
        fs::write(workspace.root().join("plain"), "OPEN=1\n").unwrap();
        let link = |name: &str, to: &std::path::Path| {
            let draft = workspace.container(name);
            let path = workspace.container_file(name, "rootfs/out");
            let rest = if to.is_dir() {
                path.join("env")
            } else {
                path.clone()
            };
            let draft = draft.rootfs(|rootfs| symlink(to, rootfs.path().join("out")).unwrap());
            draft.set("env_file", rest.to_str().unwrap()).write();
        };
        link("file-link", &outside.join("env"));
        link("folder-link", &outside);
        for (name, path) in [
            ("outside", outside.join("env")),
            ("above", workspace.root().join("../plain")),
            ("folder", workspace.root().join("Pids")),
            ("none", workspace.root().join("missing")),
            ("relative", "plain".into()),
        ] {
            let draft = workspace.container(name).set("env_file", path.to_str().unwrap());
            draft.rootfs_at(std::path::Path::new("/nowhere")).write();
        }
        let plain = workspace.root().join("plain");
        workspace
            .container("plain")
            .set("env_file", plain.to_str().unwrap())
            .write();
    });
    let outside = phone
        .root()
        .parent()
        .unwrap()
        .join(format!("outside-{}", std::process::id()));
    fs::remove_dir_all(outside).unwrap();
    let env = |name: &str| phone.docker().inspect(name)["Config"]["Env"].clone();
    for name in [
        "file-link",
        "folder-link",
        "outside",
        "above",
        "folder",
        "none",
        "relative",
    ] {
        assert_eq!(env(name), Value::Null, "{name}");
    }
    assert_eq!(env("plain"), json!(["OPEN=1"]));
}
