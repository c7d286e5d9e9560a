//! A phone that is not there: namespaces with a root of their own, and what Magisk does in them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use harness::{Address, Docker, binaries, leftovers, pace, pair};

use crate::module;

/// Longer than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);
/// The magic mount of it all.
const ROOT: &str = include_str!("phone.sh");
/// A stand-in for Magisk's installer.
const INSTALLER: &str = include_str!("installer.sh");
/// A stand-in for what Magisk does at boot.
const BOOT: &str = include_str!("boot.sh");

/// A stand-in for Android's: whatever is asked, the phone has booted.
const GETPROP: &str = "#!/system/bin/sh\n[ \"$1\" = sys.boot_completed ] && echo 1\nexit 0\n";

/// The tools that scripts of a module run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    /// Those that Magisk, KernelSU and APatch bring: busybox alone, whatever else there is.
    Busybox,
    /// Android's own: mksh and toybox.
    Android,
}

/// A phone with its data.
#[derive(Debug)]
pub(crate) struct Phone {
    dir: PathBuf,
    shell: Shell,
    running: Option<Running>,
}

/// One that is switched on.
#[derive(Debug)]
struct Running {
    /// `unshare`, which takes everything with it when it ends.
    namespaces: Child,
    /// Its process 1, by the machine's number.
    init: i32,
}

impl Phone {
    /// Makes one that was never booted.
    pub(crate) fn new(shell: Shell) -> Self {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "This test starts real containers: run it as root (sudo -E cargo test)."
        );
        let dir = pair::new_dir();
        for folder in ["data/adb", "data/local", "root", "system/bin", "vendor/bin"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        lay_tools(&dir.join("system"));
        // As Android has it: root alone enters.
        fs::set_permissions(dir.join("data/adb"), fs::Permissions::from_mode(0o700)).unwrap();
        for (name, text) in [("installer.sh", INSTALLER), ("boot.sh", BOOT)] {
            fs::write(dir.join("data").join(name), text).unwrap();
        }
        Self {
            dir,
            shell,
            running: None,
        }
    }

    /// One with the module, booted twice as its owner does: to flash it, and to have it.
    pub(crate) fn with_module(shell: Shell) -> Self {
        let mut phone = Self::new(shell);
        phone.boot();
        phone.install(module::first());
        phone.reboot();
        phone
    }

    /// A file below `/data`.
    pub(crate) fn data(&self, path: &str) -> PathBuf {
        self.dir.join("data").join(path)
    }

    /// A program that the image brings.
    pub(crate) fn vendor(&self, name: &str) -> PathBuf {
        self.dir.join("vendor/bin").join(name)
    }

    /// A file of the module's own data.
    pub(crate) fn own(&self, path: &str) -> PathBuf {
        self.data("adb/socketd").join(path)
    }

    /// Switches it on.
    pub(crate) fn boot(&mut self) {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--uts",
            "--fork",
            "--kill-child=KILL",
        ]);
        command
            .args(["--propagation", "private", "sh", "-c", ROOT, "phone"])
            .args(["data", "system", "vendor", "root"].map(|folder| self.dir.join(folder)))
            .stdout(Stdio::piped());
        let mut namespaces = command.spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(namespaces.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "booted\n", "the phone does not boot");
        let pid = namespaces.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let init = children.trim().parse().unwrap();
        self.running = Some(Running { namespaces, init });
        self.script("boot.sh", &[]);
    }

    /// Pulls the battery: everything that runs is killed.
    pub(crate) fn pull_the_battery(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.namespaces.kill().unwrap();
            running.namespaces.wait().unwrap();
            let init = format!("/proc/{}", running.init);
            pace::until("the phone is off", LIMIT, || {
                (!Path::new(&init).exists()).then_some(())
            });
        }
    }

    /// Off and on.
    pub(crate) fn reboot(&mut self) {
        self.pull_the_battery();
        self.boot();
    }

    /// Flashes a zip, and gives what the installer says.
    #[track_caller]
    pub(crate) fn install(&self, zip: &Path) -> String {
        let output = self.try_install(zip, &[]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        text
    }

    /// Flashes a zip, with further variables for the installer.
    pub(crate) fn try_install(&self, zip: &Path, variables: &[(&str, &str)]) -> Output {
        fs::copy(zip, self.data("module.zip")).unwrap();
        let arguments = ["/data/installer.sh", "/data/module.zip"];
        self.command(&arguments, variables).output().unwrap()
    }

    /// Runs a script that lies in `/data`, to its end.
    #[track_caller]
    pub(crate) fn script(&self, path: &str, arguments: &[&str]) -> String {
        let path = format!("/data/{path}");
        let mut all = vec![path.as_str()];
        all.extend(arguments);
        run(&mut self.command(&all, &[]))
    }

    /// Runs a line of shell.
    #[track_caller]
    pub(crate) fn sh(&self, line: &str) -> String {
        run(&mut self.command(&["-c", line], &[]))
    }

    /// Runs a program of the module's: exit code and what it says.
    #[track_caller]
    pub(crate) fn program(&self, arguments: &[&str]) -> (i32, String) {
        let line = format!("/data/adb/modules/socketd/bin/{}", arguments.join(" "));
        let output = self.command(&["-c", &line], &[]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.is_empty(), "{arguments:?}: {error}");
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    }

    /// A call of the shell, not yet made: as root, with what scripts of a module find in their environment.
    fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = self.enter(&["--mount", "--pid", "--net", "--ipc", "--uts", "--root", "--wd"]);
        command.args(["/system/bin/busybox", "env", "-i", "PATH=/system/bin"]);
        command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
        match self.shell {
            Shell::Busybox => command.args(["ASH_STANDALONE=1", "/system/bin/busybox", "sh"]),
            Shell::Android => command.arg("/system/bin/sh"),
        };
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// The `docker` command, from this machine's files, in the phone's network.
    pub(crate) fn docker_over_tcp(&self, arguments: &[&str]) -> Output {
        let mut command = self.enter(&["--net"]);
        command
            .args(["docker", "-H", "tcp://127.0.0.1:2375"])
            .args(arguments);
        command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
        command.output().unwrap()
    }

    /// A client of the unix socket: root's.
    pub(crate) fn docker(&self) -> Docker {
        Docker::new(Address::Unix(self.inside("/dev/socketd/api/docker.sock")))
    }

    /// A path of the phone's, seen from here.
    pub(crate) fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init()))
    }

    /// Waits until a list comes over TCP, and gives it.
    #[track_caller]
    pub(crate) fn list(&self) -> String {
        pace::until("a list over TCP", LIMIT, || {
            let output = self.docker_over_tcp(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
            let text = String::from_utf8(output.stdout).unwrap();
            output.status.success().then_some(text)
        })
    }

    /// The number that a process of the module has, by the file in which it stands, for this machine.
    #[track_caller]
    pub(crate) fn process(&self, note: &str) -> i32 {
        pace::until(note, LIMIT, || {
            let text = fs::read_to_string(self.inside(&format!("/dev/socketd/{note}"))).ok()?;
            let number = text.trim();
            // The phone counts its processes itself.
            self.processes()
                .into_iter()
                .find(|process| process.inner == number)
                .map(|process| process.outer)
        })
    }

    /// Everything that runs on it.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let own = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let space = fs::read_link(format!("/proc/{}/ns/pid", self.init())).ok();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let name = entry.file_name().into_string().unwrap_or_default();
            let Ok(outer) = name.parse::<i32>() else { continue };
            if own(outer).is_none() || fs::read_link(entry.path().join("ns/pid")).ok() != space {
                continue;
            }
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let inner = status
                .lines()
                .find_map(|line| line.strip_prefix("NSpid:"))
                .and_then(|line| line.split_whitespace().last().map(str::to_owned));
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            found.extend(inner.map(|inner| Process { outer, inner, line }));
        }
        found
    }

    fn init(&self) -> i32 {
        self.running.as_ref().expect("the phone is off").init
    }

    fn enter(&self, namespaces: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init().to_string()])
            .args(namespaces);
        command.arg("--");
        command
    }
}

/// A process of a phone's.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its number on this machine.
    pub(crate) outer: i32,
    /// Its number on the phone.
    pub(crate) inner: String,
    /// Its command line.
    pub(crate) line: String,
}

impl Drop for Phone {
    fn drop(&mut self) {
        let ids = leftovers::container_ids(&self.own("state"));
        self.pull_the_battery();
        let left = leftovers::remove(&self.dir, &ids);
        // A battery that was pulled leaves control groups: those of containers that ran then, and no others.
        let other: Vec<_> = left
            .iter()
            .filter(|what| !what.starts_with("control group"))
            .collect();
        assert!(
            other.is_empty() || std::thread::panicking(),
            "left behind: {other:?}"
        );
    }
}

/// What `/system` has: toybox and mksh, as Android does, and busybox for what Debian's toybox lacks.
fn lay_tools(system: &Path) {
    let bin = system.join("bin");
    for (name, source) in [
        ("busybox", "/bin/busybox"),
        ("toybox", "/usr/bin/toybox"),
        ("sh", "/bin/mksh"),
    ] {
        assert!(
            Path::new(source).is_file(),
            "There is no {source}: install it (apt-get install busybox-static toybox mksh)."
        );
        binaries::copy(Path::new(source), &bin.join(name));
    }
    fs::write(bin.join("getprop"), GETPROP).unwrap();
    fs::set_permissions(bin.join("getprop"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(system.join("build.prop"), "").unwrap();
    for (program, arguments) in [("toybox", &[][..]), ("busybox", &["--list"][..])] {
        let list = Command::new(bin.join(program)).args(arguments).output().unwrap();
        for tool in String::from_utf8(list.stdout).unwrap().split_whitespace() {
            // What is there already is meant to be.
            let _ = symlink(program, bin.join(tool));
        }
    }
}

/// Runs to the end.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {error}{text}");
    assert!(error.is_empty(), "{command:?}: {error}");
    text.into_owned()
}
