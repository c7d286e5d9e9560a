//! A machine of its own on this one's files, with a first process of its own: for packages and services, which would
//! change the machine that tests run on.
//!
//! It sees this machine's files through an overlay, so that what it writes lies in a directory of ours and can be
//! looked at when all is over. It has its own processes, control groups, host name and network.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Address, Docker, leftovers, pace, pair};

/// Time for it to boot, and to be gone.
const LIMIT: Duration = Duration::from_secs(60);

/// Makes the machine, in namespaces that are there already.
const SCRIPT: &str = include_str!("machine.sh");

/// Enters control groups, then becomes a program: NAME PROGRAM... A group that has others below it takes no process, in version
/// 2; whoever comes then is not counted. One of version 1 without processors takes none either.
const JOIN: &str = r#"name=$1; shift
for root in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts); do
    group=$root/$name
    [ ! -d "$group/first" ] || group=$group/first
    if [ -f "$group/cpuset.cpu_exclusive" ]; then
        cat "$root/cpuset.cpus" >"$group/cpuset.cpus"
        cat "$root/cpuset.mems" >"$group/cpuset.mems"
    fi
    [ ! -d "$group" ] || echo $$ >"$group/cgroup.procs" || true
done 2>/dev/null
exec "$@""#;

/// A first process that only sees orphans to their end. In version 2 it leaves the outermost group, which then may have others.
const IDLE: &[&str] = &[
    "/bin/busybox",
    "sh",
    "-c",
    "for root in $(awk '$3 == \"cgroup2\" { print $2 }' /proc/mounts); do
         mkdir $root/first && echo $$ >$root/first/cgroup.procs
     done
     : >/run/booted
     while :; do sleep 1000000 & wait $!; done",
];

/// systemd as the first process, with what every machine has.
const SYSTEMD: &[&str] = &["/lib/systemd/systemd", "--unit=basic.target"];

/// What lies below `/var/lib` and is needed there.
const KEPT: &[&str] = &["dpkg", "systemd"];

/// Where the socket is that clients use.
const SOCKET: &str = "/run/socketd/docker.sock";

/// A machine that runs. It is gone when this is dropped.
#[derive(Debug)]
pub struct Machine {
    dir: PathBuf,
    /// Its control groups' name.
    group: String,
    /// Who started its first process, and ends with it.
    outer: Child,
    /// Its first process.
    first: i32,
}

impl Machine {
    /// One where nothing runs.
    ///
    /// # Panics
    /// When it does not boot, or when this is not root.
    pub fn idle() -> Self {
        let machine = Self::boot("same", IDLE);
        let booted = machine.path("/run/booted");
        pace::until("its first process has begun", LIMIT, || {
            booted.exists().then_some(())
        });
        machine
    }

    /// One where systemd runs.
    ///
    /// # Panics
    /// When it does not boot, or when this is not root.
    pub fn with_systemd() -> Self {
        Self::boot_systemd("same")
    }

    /// One where systemd runs, and control groups are of version 2 alone. (Without limits, where this machine has bound them to
    /// version 1.)
    ///
    /// # Panics
    /// When it does not boot, or when this is not root.
    pub fn with_systemd_on_version_2() -> Self {
        Self::boot_systemd("unified")
    }

    fn boot_systemd(groups: &str) -> Self {
        let program = Path::new("/lib/systemd/systemd");
        assert!(
            program.exists(),
            "There is no systemd: install it (apt-get install systemd)."
        );
        let machine = Self::boot(groups, SYSTEMD);
        pace::until("systemd has started", LIMIT, || {
            let output = machine.attempt("systemctl is-system-running || true").ok()?;
            ["running\n", "degraded\n"]
                .contains(&output.as_str())
                .then_some(())
        });
        machine
    }

    fn boot(groups: &str, first: &[&str]) -> Self {
        let dir = pair::new_dir();
        for part in ["root", "upper", "work", "var-lib"] {
            fs::create_dir(dir.join(part)).unwrap();
        }
        for part in KEPT.iter().map(|part| Path::new("/var/lib").join(part)) {
            copy(&part, &dir.join("var-lib"));
        }
        let group = dir.file_name().unwrap().to_str().unwrap().to_owned();
        for root in hierarchies() {
            fs::create_dir(root.join(&group)).unwrap();
        }
        let outer = Command::new("/bin/sh")
            .args(["-c", JOIN, "sh", &group])
            .args([
                "unshare",
                "--fork",
                "--kill-child",
                "-p",
                "-m",
                "-C",
                "-u",
                "-i",
                "-n",
            ])
            .args(["/bin/sh", "-c", SCRIPT, "sh"])
            .arg(&dir)
            .arg(groups)
            .args(first)
            .stdin(Stdio::null())
            .stdout(Stdio::from(fs::File::create(dir.join("console")).unwrap()))
            .stderr(Stdio::from(fs::File::create(dir.join("complaints")).unwrap()))
            .spawn()
            .unwrap();
        let mut machine = Self {
            dir,
            group,
            outer,
            first: 0,
        };
        machine.first = machine.wait_for_first();
        machine
    }

    /// Its first process is the child of ours; it has begun when it is no shell of ours any more.
    fn wait_for_first(&mut self) -> i32 {
        let outer = self.outer.id();
        pace::until("the machine boots", LIMIT, || {
            if let Ok(Some(status)) = self.outer.try_wait() {
                let said = fs::read_to_string(self.dir.join("complaints")).unwrap();
                panic!("the machine did not boot: {status}\n{said}");
            }
            let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
            let first: i32 = children.trim().parse().ok()?;
            let environment = fs::read(format!("/proc/{first}/environ")).ok()?;
            let mut variables = environment.split(|byte| *byte == 0);
            variables
                .any(|variable| variable == b"container=machine")
                .then_some(first)
        })
    }

    /// A file of the machine, as it is seen from here.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    /// Copies a file or a folder into a folder of the machine.
    ///
    /// # Panics
    /// When that fails.
    pub fn put(&self, source: &Path, folder: &str) {
        let folder = self.path(folder);
        fs::create_dir_all(&folder).unwrap();
        copy(source, &folder);
    }

    /// Runs a script of the shell in it; gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        self.attempt(script)
            .unwrap_or_else(|said| panic!("{script}\n{said}"))
    }

    /// Runs a script of the shell in it.
    ///
    /// # Errors
    /// What it said, where it failed.
    ///
    /// # Panics
    /// When no shell can be started.
    pub fn attempt(&self, script: &str) -> Result<String, String> {
        let output = Command::new("/bin/sh")
            .args(["-c", JOIN, "sh", &self.group])
            .args(["nsenter", "-t", &self.first.to_string()])
            .args(["-m", "-p", "-u", "-i", "-n", "-C", "env", "-i"])
            .args([
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "DEBIAN_FRONTEND=noninteractive",
            ])
            .arg(format!("DOCKER_HOST=unix://{SOCKET}"))
            .args(["/bin/sh", "-euc", script])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() {
            return Ok(text(output.stdout));
        }
        Err(format!(
            "{}\n{}{}",
            output.status,
            text(output.stdout),
            text(output.stderr)
        ))
    }

    /// A client of the socket in it.
    pub fn docker(&self) -> Docker {
        Docker::new(Address::Unix(self.path(SOCKET)))
    }

    /// Files and folders that are not as they are on this machine.
    ///
    /// # Panics
    /// When they cannot be looked at.
    pub fn differences(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (written, below) in [("upper", ""), ("var-lib", "var/lib")] {
            compare(&self.dir.join(written), &Path::new("/").join(below), &mut found);
        }
        found
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Nothing that is frozen hears that it is to end.
        for root in hierarchies() {
            leftovers::thaw(&root.join(&self.group));
        }
        if self.first != 0 {
            let _ = kill(Pid::from_raw(self.first), Signal::SIGKILL);
        }
        let _ = self.outer.kill();
        let _ = self.outer.wait();
        if std::thread::panicking() {
            for name in ["console", "complaints"] {
                let said = fs::read(self.dir.join(name)).unwrap_or_default();
                let _ = io::stderr().write_all(&said);
            }
        }
        for group in hierarchies().map(|root| root.join(&self.group)) {
            // The last of its processes may still be on their way.
            pace::until("its control groups are left", LIMIT, || {
                remove_groups(&group);
                (!group.exists()).then_some(())
            });
        }
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// With owners, modes and times.
fn copy(source: &Path, folder: &Path) {
    let status = Command::new("/bin/cp")
        .arg("-a")
        .arg(source)
        .arg(folder)
        .status()
        .unwrap();
    assert!(status.success(), "{} cannot be copied", source.display());
}

fn hierarchies() -> impl Iterator<Item = PathBuf> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap();
    let lines: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let place = fields.next()?;
            fields.next()?.starts_with("cgroup").then(|| place.into())
        })
        .collect();
    lines.into_iter()
}

/// From the innermost out; those that still have processes stay.
fn remove_groups(group: &Path) {
    let inner = fs::read_dir(group).into_iter().flatten().filter_map(Result::ok);
    for entry in inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_groups(&entry.path());
    }
    let _ = fs::remove_dir(group);
}

/// Paths below `written` that are not in `original` as they are.
fn compare(written: &Path, original: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(written).unwrap().map(Result::unwrap) {
        let place = original.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        let before = fs::symlink_metadata(&place);
        if kind.is_dir() && before.as_ref().is_ok_and(fs::Metadata::is_dir) {
            compare(&entry.path(), &place, found);
            continue;
        }
        // An overlay writes a device without a number where something was taken away.
        let is_taken = kind.is_char_device() && entry.metadata().unwrap().rdev() == 0;
        let same = match before {
            Err(_) => is_taken,
            Ok(before) => {
                kind.is_file()
                    && before.mode() == entry.metadata().unwrap().mode()
                    && fs::read(entry.path()).unwrap() == fs::read(&place).unwrap()
            }
        };
        if !same {
            found.insert(place.to_str().unwrap().to_owned());
        }
    }
}
