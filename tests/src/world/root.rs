//! A phone's root: what Android has, and nothing that only other systems have.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{chdir, pivot_root};

use super::groups::unshare_mounts;
use crate::rootfs::BUSYBOX;

/// Where states of tests lie, inside and outside.
pub(super) const ROOM: &str = "/data/local/tmp";
/// Where the root is put together; every machine has this folder.
const BUILD: &str = "/mnt";
const NONE: Option<&str> = None;

/// Folders of a phone that are empty here, or are filled below.
const FOLDERS: &[&str] = &[
    "acct",
    "apex",
    "cache",
    "config",
    "data",
    "debug_ramdisk",
    "dev",
    "metadata",
    "mnt",
    "odm",
    "oem",
    "proc",
    "product",
    "sdcard",
    "storage",
    "sys",
    "system",
    "vendor",
];

/// What a phone's shell finds, among others; here it is busybox that does it.
const TOOLS: &[&str] = &[
    "sh", "toybox", "cat", "chmod", "chown", "cp", "date", "dd", "df", "dmesg", "echo", "env", "false",
    "grep", "id", "kill", "ln", "ls", "mkdir", "mount", "mv", "ps", "pwd", "rm", "rmdir", "sed", "setsid",
    "sleep", "sort", "stat", "stty", "sync", "tail", "tar", "test", "touch", "true", "umount", "uname", "wc",
];

/// Character devices: name, major and minor number.
const DEVICES: &[(&str, u64, u64)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
    ("ptmx", 5, 2),
    ("fuse", 10, 229),
];

/// Control groups, where Android's init mounts them: the controller and the place.
const GROUPS: &[(&str, &str)] = &[
    ("cpu", "dev/cpuctl"),
    ("cpuset", "dev/cpuset"),
    ("memory", "dev/memcg"),
    ("blkio", "dev/blkio"),
    ("freezer", "dev/freezer"),
    ("pids", "dev/pids"),
    ("cpuacct", "acct"),
];

/// What a process of init finds in its environment.
pub(super) fn variables() -> [(&'static str, &'static str); 5] {
    [
        ("PATH", "/system/bin"),
        ("ANDROID_ROOT", "/system"),
        ("ANDROID_DATA", "/data"),
        ("TMPDIR", ROOM),
        // And tests that run within.
        ("SOCKETD_ROOM", ROOM),
    ]
}

/// Changes to it, with the folder of `program` and that of this program in it.
pub(super) fn enter(program: &Path) -> io::Result<()> {
    fs::create_dir_all(ROOM)?;
    unshare_mounts()?;
    let root = Path::new(BUILD);
    mount(
        Some("root"),
        root,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )?;
    for folder in FOLDERS {
        fs::create_dir(root.join(folder))?;
    }
    system(root)?;
    libraries(root)?;
    programs(root, program)?;
    bind(
        Path::new("/data"),
        &root.join("data"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
    )?;
    mount(
        Some("proc"),
        &root.join("proc"),
        Some("proc"),
        MsFlags::empty(),
        NONE,
    )?;
    mount(
        Some("sysfs"),
        &root.join("sys"),
        Some("sysfs"),
        MsFlags::empty(),
        NONE,
    )?;
    devices(root)?;
    groups(root)?;
    chdir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(NONE, "/", NONE, flags, NONE)?;
    Ok(())
}

/// Tools, and the links of the root that lead to them. No user database is in `etc`.
fn system(root: &Path) -> io::Result<()> {
    let system = root.join("system");
    let (bin, etc) = (system.join("bin"), system.join("etc"));
    fs::create_dir(&bin)?;
    fs::create_dir(&etc)?;
    fs::write(etc.join("hosts"), "127.0.0.1 localhost\n")?;
    fs::write(
        system.join("build.prop"),
        "ro.build.id=TQ3A\nro.build.version.release=13\n",
    )?;
    fs::copy(BUSYBOX, bin.join("busybox"))?;
    for tool in TOOLS {
        symlink("busybox", bin.join(tool))?;
    }
    symlink("/system/bin", root.join("bin"))?;
    symlink("/system/etc", root.join("etc"))?;
    symlink("/sys/kernel/debug", root.join("d"))
}

/// What programs that are linked with the machine's libraries need, with the clock that a test may have put before
/// those. A phone has its own instead.
fn libraries(root: &Path) -> io::Result<()> {
    if let Ok(before) = fs::read("/etc/ld.so.preload") {
        fs::write(root.join("system/etc/ld.so.preload"), before)?;
    }
    for name in ["lib", "lib64", "usr/lib", "usr/lib64"] {
        let (there, here) = (Path::new("/").join(name), root.join(name));
        if let Ok(target) = fs::read_link(&there) {
            symlink(target, &here)?;
        } else if there.is_dir() {
            fs::create_dir_all(&here)?;
            bind(&there, &here, MsFlags::MS_RDONLY)?;
        }
    }
    Ok(())
}

/// Where the daemons' programs lie, and what stands in for others.
fn programs(root: &Path, program: &Path) -> io::Result<()> {
    let own = std::env::current_exe()?;
    let mut folders: Vec<PathBuf> = Vec::new();
    for program in [&fs::canonicalize(program)?, &own] {
        let folder = program.parent().unwrap_or(Path::new("/"));
        if !folders.iter().any(|have| folder.starts_with(have)) {
            folders.push(folder.to_owned());
        }
    }
    for folder in folders.iter().filter(|folder| !folder.starts_with("/data")) {
        let here = below(root, folder);
        fs::create_dir_all(&here)?;
        bind(folder, &here, MsFlags::MS_RDONLY)?;
    }
    Ok(())
}

fn devices(root: &Path) -> io::Result<()> {
    let dev = root.join("dev");
    mount(
        Some("tmpfs"),
        &dev,
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some("mode=755"),
    )?;
    for (name, major, minor) in DEVICES {
        let place = dev.join(name);
        mknod(
            &place,
            SFlag::S_IFCHR,
            Mode::from_bits_truncate(0o666),
            makedev(*major, *minor),
        )?;
        nix::sys::stat::fchmodat(
            nix::fcntl::AT_FDCWD,
            &place,
            Mode::from_bits_truncate(0o666),
            nix::sys::stat::FchmodatFlags::FollowSymlink,
        )?;
    }
    fs::create_dir(dev.join("pts"))?;
    fs::create_dir(dev.join("socket"))?;
    bind(Path::new("/dev/pts"), &dev.join("pts"), MsFlags::empty())
}

/// Those that this machine has, by themselves as it has them.
fn groups(root: &Path) -> io::Result<()> {
    let known = fs::read_to_string("/proc/self/mounts")?;
    for (controller, place) in GROUPS {
        let own = |line: &str| {
            line.split(' ')
                .nth(1)
                .is_some_and(|at| at.ends_with(&format!("/{controller}")))
        };
        if !known.lines().any(|line| line.starts_with("cgroup ") && own(line)) {
            continue;
        }
        let place = root.join(place);
        fs::create_dir_all(&place)?;
        mount(
            Some("none"),
            &place,
            Some("cgroup"),
            MsFlags::empty(),
            Some(*controller),
        )?;
    }
    let place = root.join("dev/cg2_bpf");
    fs::create_dir_all(&place)?;
    mount(Some("none"), &place, Some("cgroup2"), MsFlags::empty(), NONE)?;
    Ok(())
}

/// A mount of `there` on `here`; flags need a second call.
fn bind(there: &Path, here: &Path, flags: MsFlags) -> io::Result<()> {
    mount(Some(there), here, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
    if !flags.is_empty() {
        let flags = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
        mount(NONE, here, NONE, flags, NONE)?;
    }
    Ok(())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
