//! What the machine is, asked once.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::thread;

use nix::sys::statfs::{self, FsType};
use nix::sys::utsname::uname;
use wire::info::LimitSupport;
use wire::{ImageId, Info};

use crate::clock;
use crate::config::Layout;

/// The host's id: made once, kept for ever.
pub(crate) fn id(path: &Path) -> io::Result<[u8; 32]> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let id = ImageId::from_hex(text.trim());
            id.map(|id| id.0)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "host-id is not 64 digits"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 32];
            io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut bytes)?;
            let fresh = path.with_extension("new");
            let mut file = fs::File::create(&fresh)?;
            writeln!(file, "{}", ImageId(bytes))?;
            file.sync_all()?;
            fs::rename(&fresh, path)?;
            Ok(bytes)
        }
        Err(error) => Err(error),
    }
}

/// Everything about host and bridge that does not change while the bridge runs.
pub(crate) fn facts(layout: &Layout, id: [u8; 32], runtimes: Vec<String>) -> Info {
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let uname = uname().ok();
    let part = |part: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
        uname
            .as_ref()
            .map(|uname| part(uname).to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let cgroups = Cgroups::find();
    Info {
        host_id: ImageId(id).to_string(),
        hostname: part(|uname| uname.nodename()),
        kernel_version: part(|uname| uname.release()),
        architecture: part(|uname| uname.machine()),
        operating_system: os_field(&os, "PRETTY_NAME"),
        os_version: os_field(&os, "VERSION_ID"),
        cpus: thread::available_parallelism()
            .ok()
            .and_then(|n| u32::try_from(n.get()).ok())
            .unwrap_or(1),
        memory_bytes: memory_bytes().unwrap_or(0),
        bridge_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: clock::now(),
        state_dir: layout.root().to_string_lossy().into_owned(),
        runtimes,
        cgroup_version: cgroups.version(),
        backing_filesystem: filesystem(layout.root()),
        limits: cgroups.limits(),
        seccomp: Path::new("/proc/sys/kernel/seccomp/actions_avail").exists(),
        ipv4_forwarding: fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|text| text.trim() == "1"),
        ..Info::default()
    }
}

/// One field of an os-release file, without its quotes.
fn os_field(text: &str, name: &str) -> String {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
}

fn memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// The file system's name as Docker's users know it.
fn filesystem(path: &Path) -> String {
    let Ok(stat) = statfs::statfs(path) else {
        return String::new();
    };
    // Not every libc has a name for f2fs, which most phones use.
    const F2FS: FsType = FsType(0xF2F5_2010);
    let name = match stat.filesystem_type() {
        statfs::EXT4_SUPER_MAGIC => "extfs",
        statfs::XFS_SUPER_MAGIC => "xfs",
        statfs::BTRFS_SUPER_MAGIC => "btrfs",
        statfs::TMPFS_MAGIC => "tmpfs",
        statfs::OVERLAYFS_SUPER_MAGIC => "overlayfs",
        F2FS => "f2fs",
        _ => "",
    };
    name.to_owned()
}

/// Which control groups the kernel has mounted.
struct Cgroups {
    /// Controllers of version 1.
    legacy: Vec<String>,
    /// Controllers of version 2; none where it is not mounted.
    unified: Option<Vec<String>>,
}

impl Cgroups {
    fn find() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut found = Self {
            legacy: Vec::new(),
            unified: None,
        };
        for line in mounts.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(target), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            match kind {
                "cgroup" => found.legacy.extend(options.split(',').map(str::to_owned)),
                "cgroup2" => {
                    let controllers = fs::read_to_string(Path::new(target).join("cgroup.controllers"));
                    let controllers = controllers.unwrap_or_default();
                    found.unified = Some(controllers.split_whitespace().map(str::to_owned).collect());
                }
                _ => {}
            }
        }
        found
    }

    fn has(&self, controller: &str) -> bool {
        let listed = |list: &Vec<String>| list.iter().any(|name| name == controller);
        listed(&self.legacy) || self.unified.as_ref().is_some_and(listed)
    }

    /// `1` where any limit is held by version 1, as on a hybrid system.
    fn version(&self) -> String {
        let legacy = ["memory", "cpu", "pids"]
            .iter()
            .any(|name| self.legacy.iter().any(|have| have == name));
        match (legacy, &self.unified) {
            (true, _) => "1".to_owned(),
            (false, Some(_)) => "2".to_owned(),
            (false, None) => String::new(),
        }
    }

    fn limits(&self) -> LimitSupport {
        let memory = self.has("memory");
        let v1 = self.version() == "1";
        let swap = Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists();
        LimitSupport {
            memory,
            swap: memory && (!v1 || swap),
            cpu_quota: self.has("cpu"),
            cpu_shares: self.has("cpu"),
            cpuset: self.has("cpuset"),
            pids: self.has("pids"),
            oom_kill_disable: memory && v1,
        }
    }
}
