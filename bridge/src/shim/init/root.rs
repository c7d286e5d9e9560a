//! The root file system: an overlay of image and own layer, then the change of root.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, fchdir, pivot_root};

use super::inside::{Inside, descriptor_path};
use crate::shim::failure::{Failure, Stage, at};
use crate::shim::record::{Order, file};

/// Mount points that every container needs. They lie in the lowest layer, so that an image without
/// them does not get them written into the container's own layer.
pub const SKELETON_DIRECTORIES: &[&str] = &["dev", "etc", "proc", "sys", "tmp"];

/// Files of the same kind.
pub const SKELETON_FILES: &[&str] = &["etc/hostname", "etc/hosts", "etc/resolv.conf"];

const NONE: Option<&str> = None;

/// Fills an empty directory with those mount points.
///
/// # Errors
/// What the operating system said.
pub fn make_skeleton(directory: &Path) -> io::Result<()> {
    for name in SKELETON_DIRECTORIES {
        match fs::create_dir(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    for name in SKELETON_FILES {
        fs::File::create(directory.join(name))?;
    }
    Ok(())
}

/// Makes this namespace's mounts independent of the host's.
///
/// # Errors
/// What the kernel said.
pub fn make_private() -> Result<(), Failure> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).map_err(at(Stage::Private, ""))
}

/// Mounts the root file system. `directory` is the container's; `devices` says whether device nodes
/// in it work.
///
/// # Errors
/// What the kernel said.
pub fn assemble(order: &Order, directory: &Path, flags: MsFlags) -> Result<Inside, Failure> {
    let lowers = lowers(order)?;
    let (upper, work) = (
        opened(&directory.join(file::UPPER))?,
        opened(&directory.join(file::WORK))?,
    );
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        joined(&lowers),
        descriptor_path(&upper).display(),
        descriptor_path(&work).display(),
    );
    overlay(&order.mount_point, flags, &options)?;
    let inside = Inside::open(Path::new(&order.mount_point)).map_err(at(Stage::Overlay, ""))?;
    hide_own(&inside, order)?;
    Ok(inside)
}

/// Mounts the root file system of a container that does not run, to be read only. The container's own
/// layer is one more lower layer, so the container may be started meanwhile: the kernel counts one
/// user of an upper layer, and this is none.
///
/// # Errors
/// What the kernel said.
pub fn assemble_read_only(order: &Order, directory: &Path) -> Result<Inside, Failure> {
    let mut layers = vec![opened(&directory.join(file::UPPER))?];
    layers.extend(lowers(order)?);
    let inside = stack(&order.mount_point, &layers)?;
    hide_own(&inside, order)?;
    Ok(inside)
}

/// Mounts what lies below a container's own layer, to be read only.
///
/// # Errors
/// What the kernel said.
pub fn assemble_lowers(order: &Order) -> Result<Inside, Failure> {
    match lowers(order)?.as_slice() {
        [_] => Inside::open(Path::new(&order.lower_mount_point)).map_err(at(Stage::Overlay, "")),
        layers => stack(&order.lower_mount_point, layers),
    }
}

fn stack(target: &str, layers: &[OwnedFd]) -> Result<Inside, Failure> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
    overlay(target, flags, &format!("lowerdir={}", joined(layers)))?;
    Inside::open(Path::new(target)).map_err(at(Stage::Overlay, ""))
}

fn lowers(order: &Order) -> Result<Vec<OwnedFd>, Failure> {
    if order.rootfs.is_empty() {
        return Ok(vec![machine_root(order)?]);
    }
    Ok(vec![
        opened(Path::new(&order.rootfs))?,
        opened(Path::new(&order.skeleton))?,
    ])
}

/// The machine's own root, read-only, as a file system of its own.
///
/// The container's own layer lies below this very root, and overlayfs refuses (`ELOOP`) a layer
/// within a layer. An overlay of overlays is allowed, two deep, and only the inner one is looked at.
/// The skeleton must not lie within the root for the same reason; it is memory here.
fn machine_root(order: &Order) -> Result<OwnedFd, Failure> {
    let skeleton = Path::new(&order.lower_mount_point);
    mount(
        Some("tmpfs"),
        skeleton,
        Some("tmpfs"),
        MsFlags::MS_NODEV,
        Some("mode=755,size=1m"),
    )
    .map_err(at(Stage::Overlay, "skeleton"))?;
    make_skeleton(skeleton).map_err(at(Stage::Overlay, "skeleton"))?;
    let lowers = [opened(Path::new("/"))?, opened(skeleton)?];
    let options = format!("lowerdir={}", joined(&lowers));
    overlay(
        &order.lower_mount_point,
        MsFlags::MS_RDONLY | MsFlags::MS_NODEV,
        &options,
    )?;
    opened(skeleton)
}

/// A container of the machine's own files must not see every other container's files among them.
fn hide_own(inside: &Inside, order: &Order) -> Result<(), Failure> {
    if !order.rootfs.is_empty() {
        return Ok(());
    }
    let state_dir = order.state_dir.as_str();
    let target = match inside.resolve(state_dir, super::inside::Missing::Fail) {
        // It lies on another file system, so it is not part of this one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(at(Stage::Mask, state_dir))?,
    };
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(
        Some("tmpfs"),
        &descriptor_path(&target),
        Some("tmpfs"),
        flags,
        Some("mode=000,size=0"),
    )
    .map_err(at(Stage::Mask, state_dir))
}

/// Layers are named by descriptor: a path could hold the colons and commas that separate them, and
/// all options together must fit one page.
fn joined(layers: &[OwnedFd]) -> String {
    let paths: Vec<_> = layers
        .iter()
        .map(|layer| descriptor_path(layer).display().to_string())
        .collect();
    paths.join(":")
}

fn opened(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(at(Stage::Overlay, &path.to_string_lossy()))
}

fn overlay(target: &str, flags: MsFlags, options: &str) -> Result<(), Failure> {
    mount(Some("overlay"), target, Some("overlay"), flags, Some(options)).map_err(at(Stage::Overlay, target))
}

/// Makes the root read-only, without touching what is mounted in it.
///
/// # Errors
/// What the kernel said.
pub fn make_read_only(inside: &Inside, flags: MsFlags) -> Result<(), Failure> {
    let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(NONE, &descriptor_path(inside.root()), NONE, flags, NONE).map_err(at(Stage::Overlay, "read-only"))
}

/// Makes it this process's root, and lets go of every mount of the host, irrevocably.
///
/// # Errors
/// What the kernel said.
pub fn irrevocably_enter(inside: &Inside) -> Result<(), Failure> {
    fchdir(inside.root().as_fd()).map_err(at(Stage::Pivot, ""))?;
    match pivot_root(".", ".") {
        // The old root now lies on top of the new one at the same place, and goes first.
        Ok(()) => umount2(".", MntFlags::MNT_DETACH).map_err(at(Stage::Pivot, "old root"))?,
        // The first root of all, an initramfs, cannot be left; it can be covered. Climbing out of
        // a covered root ends on the cover again.
        Err(nix::errno::Errno::EINVAL) => {
            mount(Some("."), "/", NONE, MsFlags::MS_MOVE, NONE).map_err(at(Stage::Pivot, "cover"))?;
            chroot(".").map_err(at(Stage::Pivot, "cover"))?;
        }
        Err(error) => return Err(Failure::system(Stage::Pivot, "", &error.into())),
    }
    chdir("/").map_err(at(Stage::Pivot, "/"))
}
