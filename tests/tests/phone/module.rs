//! The zip, made from the programs of this build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use harness::binaries::binaries;

/// Folder that `packaging/build.sh` leaves, to be packed as it is; where it is no whole path, it begins at the repository.
const DIST: &str = "SOCKETD_DIST";

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    own.parent().unwrap().to_owned()
}

/// The name that this machine's programs have in a zip.
pub(crate) const MACHINE: &str = std::env::consts::ARCH;

/// A folder as `packaging/build.sh` leaves it, with programs for this machine. Those of a debug build are stripped, for
/// packing takes time by the byte.
fn dist() -> &'static Path {
    static DIST_FOLDER: OnceLock<PathBuf> = OnceLock::new();
    DIST_FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os(DIST) {
            return repository().join(folder);
        }
        let folder = scratch().join("dist");
        fs::create_dir_all(folder.join(MACHINE)).unwrap();
        for (name, program) in [
            ("socketd", &binaries().socketd),
            ("socketd-bridge", &binaries().bridge),
        ] {
            let mut strip = Command::new("strip");
            strip.arg("-o").arg(folder.join(MACHINE).join(name)).arg(program);
            assert!(strip.status().unwrap().success(), "install binutils");
        }
        folder
    })
}

/// Where zips lie; the same for every run, so that nothing adds up.
fn scratch() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("phone");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Packs it as this version.
pub(crate) fn pack(version: &str, name: &str) -> PathBuf {
    let zip = scratch().join(name);
    let output = try_pack(dist(), &zip, version);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    zip
}

/// Packs what lies in a folder.
pub(crate) fn try_pack(dist: &Path, zip: &Path, version: &str) -> Output {
    let mut command = Command::new(repository().join("packaging/magisk/pack.sh"));
    command.arg(dist).arg(zip).env("SOCKETD_ZIP_LEVEL", "1");
    command.env("SOCKETD_VERSION", version).output().unwrap()
}

/// What a phone has first.
pub(crate) fn first() -> &'static Path {
    static ZIP: OnceLock<PathBuf> = OnceLock::new();
    ZIP.get_or_init(|| pack("1.2.3", "first.zip"))
}

/// What it is updated to.
pub(crate) fn second() -> &'static Path {
    static ZIP: OnceLock<PathBuf> = OnceLock::new();
    ZIP.get_or_init(|| pack("1.10.0", "second.zip"))
}
