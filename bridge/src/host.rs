//! What the machine is, asked once.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::thread;

use nix::sys::statfs::{self, FsType};
use nix::sys::utsname::uname;
use wire::{ImageId, Info};

use crate::clock;
use crate::config::Layout;
use crate::shim::cgroup;
use crate::sys::filter;

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
pub(crate) fn facts(layout: &Layout, id: [u8; 32], runtimes: Vec<String>, groups: &cgroup::Layout) -> Info {
    let uname = uname().ok();
    let part = |part: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
        uname
            .as_ref()
            .map(|uname| part(uname).to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let (operating_system, os_version) = system(
        &fs::read_to_string("/etc/os-release").unwrap_or_default(),
        &fs::read_to_string("/system/build.prop").unwrap_or_default(),
        part(|uname| uname.sysname()),
    );
    Info {
        host_id: ImageId(id).to_string(),
        hostname: part(|uname| uname.nodename()),
        kernel_version: part(|uname| uname.release()),
        architecture: part(|uname| uname.machine()),
        operating_system,
        os_version,
        cpus: thread::available_parallelism()
            .ok()
            .and_then(|n| u32::try_from(n.get()).ok())
            .unwrap_or(1),
        memory_bytes: memory_bytes().unwrap_or(0),
        bridge_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: clock::now(),
        state_dir: layout.root().to_string_lossy().into_owned(),
        runtimes,
        cgroup_version: groups.version().to_owned(),
        backing_filesystem: filesystem(layout.root()),
        limits: groups.support(),
        seccomp: filter::is_known(),
        ipv4_forwarding: fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|text| text.trim() == "1"),
        ..Info::default()
    }
}

/// The processor this bridge was built for, as Go names it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        "mips64" if cfg!(target_endian = "little") => "mips64le",
        other => other,
    }
}

/// What the system is called, and its version: by its own file, by Android's, or at least the kernel's name.
fn system(os_release: &str, build_prop: &str, kernel: String) -> (String, String) {
    let name = os_field(os_release, "PRETTY_NAME");
    if !name.is_empty() {
        return (name, os_field(os_release, "VERSION_ID"));
    }
    let android = os_field(build_prop, "ro.build.version.release");
    if android.is_empty() {
        (kernel, String::new())
    } else {
        (format!("Android {android}"), android)
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
    // Not every libc has a name for f2fs, which most phones use, nor for xfs.
    const F2FS: FsType = FsType(0xF2F5_2010);
    const XFS: FsType = FsType(0x5846_5342);
    let name = match stat.filesystem_type() {
        statfs::EXT4_SUPER_MAGIC => "extfs",
        XFS => "xfs",
        statfs::BTRFS_SUPER_MAGIC => "btrfs",
        statfs::TMPFS_MAGIC => "tmpfs",
        statfs::OVERLAYFS_SUPER_MAGIC => "overlayfs",
        F2FS => "f2fs",
        _ => "",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::system;

    #[test]
    fn a_system_without_a_name_of_its_own_is_called_all_the_same() {
        #[track_caller]
        fn check(os_release: &str, build_prop: &str, expected: (&str, &str)) {
            let (name, version) = system(os_release, build_prop, "Linux".to_owned());
            assert_eq!((name.as_str(), version.as_str()), expected);
        }
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian\"\nVERSION_ID=\"12\"\n";
        let android = "# begin\nro.build.id=TQ3A\nro.build.version.release=13\nro.build.version.sdk=33\n";
        check(debian, "", ("Debian GNU/Linux 12 (bookworm)", "12"));
        check(debian, android, ("Debian GNU/Linux 12 (bookworm)", "12"));
        check("", android, ("Android 13", "13"));
        check("", "", ("Linux", ""));
    }
}
