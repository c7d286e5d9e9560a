//! A workspace, with or without the command that drives it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::config::{Config, replace};
use super::draft::Draft;
use super::events::{self, Event};
use super::root::Rootfs;
use super::{inside, safe_name, traces};
use crate::binaries::{self, stand_in};
use crate::leftovers::mounts_below;

/// Time for what was killed to be gone.
const GONE_LIMIT: Duration = Duration::from_secs(10);
/// Folders that every workspace has.
const FOLDERS: [&str; 6] = ["Containers", "Pids", "Net", "Logs", "bin", "stand-in"];

/// A folder that looks like Droidspaces' own. What runs in it ends when it is dropped, and whatever does
/// not is complained about; the folder itself stays, for it is the test's.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    rootfs: OnceLock<Rootfs>,
}

/// One call of the command, as `stand-in/argv-log` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// Its environment as `NAME=value`, sorted.
    pub environment: Vec<String>,
}

impl Workspace {
    /// Makes an empty workspace with the stand-in as its command.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(root: &Path) -> Self {
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let own = Self {
            root: root.canonicalize().unwrap(),
            rootfs: OnceLock::new(),
        };
        let source = stand_in();
        if fs::hard_link(&source, own.program()).is_err() {
            binaries::copy(&source, &own.program());
        }
        // Names of sockets belong to the whole machine.
        let name = own.root.to_str().unwrap().replace('/', "-");
        own.knob("daemon-socket", &format!("droidspaces{name}"));
        own
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The command.
    pub fn program(&self) -> PathBuf {
        self.root.join("bin/droidspaces")
    }

    /// The abstract name of the daemon's socket here.
    ///
    /// # Panics
    /// Never: every workspace has one.
    pub fn daemon_socket(&self) -> String {
        fs::read_to_string(self.root.join("stand-in/daemon-socket")).unwrap()
    }

    /// The command, as a manager calls it: with no more of an environment than it needs, no shell, and
    /// nothing to read.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command
            .args(arguments)
            .env_clear()
            .env("DS_NO_PROXY", "1")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Begins a container.
    pub fn container(&self, name: &str) -> Draft<'_> {
        Draft::new(self, name)
    }

    /// Writes so many containers `<prefix>0`, `<prefix>1`, .. that share one root file system.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn populate(&self, prefix: &str, count: usize) {
        let rootfs = self.rootfs().path();
        for number in 0..count {
            let draft = self.container(&format!("{prefix}{number}")).rootfs_at(rootfs);
            // The command looks for UUIDs on the whole machine.
            let uuid = format!("{:016x}{number:016x}", std::process::id());
            draft.set("uuid", &uuid).write();
        }
    }

    /// The root file system that others are copied from; containers may share it as it is.
    pub fn rootfs(&self) -> &Rootfs {
        self.rootfs
            .get_or_init(|| Rootfs::unpack(&self.root.join("stand-in/rootfs")))
    }

    /// A container's settings as they are now.
    ///
    /// # Panics
    /// When it has none.
    pub fn config(&self, name: &str) -> Config {
        Config::load(&self.container_file(name, "container.config")).unwrap()
    }

    /// A file in a container's folder.
    pub fn container_file(&self, name: &str, file: &str) -> PathBuf {
        self.root.join("Containers").join(safe_name(name)).join(file)
    }

    /// A file of `Pids/`: `pid`, `init`, `mount` or `lock`.
    pub fn sidecar(&self, name: &str, extension: &str) -> PathBuf {
        self.root.join(format!("Pids/{}.{extension}", safe_name(name)))
    }

    /// Writes a file of `Pids/` at once, as Droidspaces does.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_sidecar(&self, name: &str, extension: &str, text: &str) {
        replace(&self.sidecar(name, extension), text.as_bytes()).unwrap();
    }

    /// What a container's pid file says.
    pub fn pid(&self, name: &str) -> Option<i32> {
        let text = fs::read_to_string(self.sidecar(name, "pid")).ok()?;
        text.trim().parse().ok()
    }

    /// A file of `Logs/<name>/`: `log` or `console`; empty where there is none.
    pub fn log(&self, name: &str, file: &str) -> String {
        let path = self.root.join("Logs").join(safe_name(name)).join(file);
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Where the events are.
    pub fn event_file(&self) -> PathBuf {
        self.root.join("Logs/socketd-events.bin")
    }

    /// Every event that the file holds, oldest first.
    pub fn events(&self) -> Vec<Event> {
        events::read(&self.event_file())
    }

    /// Appends an event as Droidspaces does.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn append_event(&self, event: &Event) {
        event.append(&self.event_file()).unwrap();
    }

    /// Turns a knob of the stand-in: see its own documentation.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn knob(&self, name: &str, text: &str) {
        fs::write(self.root.join("stand-in").join(name), text).unwrap();
    }

    /// Turns it back.
    ///
    /// # Panics
    /// When it was not turned.
    pub fn release(&self, knob: &str) {
        fs::remove_file(self.root.join("stand-in").join(knob)).unwrap();
    }

    /// Every call of the command since the knob `argv-log` was turned, oldest first.
    ///
    /// # Panics
    /// When the file holds something else.
    pub fn invocations(&self) -> Vec<Invocation> {
        let text = fs::read_to_string(self.root.join("stand-in/argv-log")).unwrap_or_default();
        text.lines().map(invocation).collect()
    }

    /// Ends every process of this workspace; says which did not end.
    ///
    /// # Panics
    /// When there is no `/proc`.
    pub fn end_all(&self) -> Vec<String> {
        let deadline = Instant::now() + GONE_LIMIT;
        let mut inits = self.inits();
        loop {
            // A container's init dies with the process that waits for it; but whoever was killed in the
            // middle of a start may have left one alone.
            for pid in &inits {
                traces::end(*pid);
            }
            let outside = traces::of_program(&self.program());
            outside.iter().for_each(|pid| traces::end(*pid));
            inits.retain(|pid| traces::is_there(*pid));
            let left: Vec<_> = outside.iter().filter(|pid| traces::is_there(**pid)).collect();
            if left.is_empty() && inits.is_empty() {
                return Vec::new();
            }
            if Instant::now() > deadline {
                return vec![format!("processes {left:?} and containers {inits:?}")];
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Processes that pid files name, as far as they are inside of a container and nobody else's.
    fn inits(&self) -> Vec<i32> {
        let Ok(entries) = fs::read_dir(self.root.join("Pids")) else {
            return Vec::new();
        };
        let texts = entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            let own = path.extension().is_some_and(|extension| extension == "pid");
            own.then(|| fs::read_to_string(path).ok()).flatten()
        });
        texts
            .filter_map(|text| text.trim().parse().ok())
            .filter(|pid| traces::is_inside(*pid))
            .filter(|pid| inside(*pid, "/run/droidspaces").exists())
            .collect()
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let mut left = self.end_all();
        left.extend(mounts_below(&self.root));
        assert!(
            left.is_empty() || thread::panicking(),
            "left behind:\n{}",
            left.join("\n")
        );
    }
}

fn invocation(line: &str) -> Invocation {
    let value: Value = serde_json::from_str(line).unwrap();
    let texts = |key: &str| {
        let list = value[key].as_array().unwrap().iter();
        list.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    Invocation {
        arguments: texts("arguments"),
        environment: texts("environment"),
    }
}
