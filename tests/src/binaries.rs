//! The programs, and what stands in for one of somebody else's.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Folder with both programs, to be used as they are: for release builds and for packages.
const BIN_DIR: &str = "SOCKETD_BIN_DIR";

/// Where the programs are.
#[derive(Debug)]
pub struct Binaries {
    /// The root side.
    pub bridge: PathBuf,
    /// The unprivileged side.
    pub socketd: PathBuf,
}

/// Both programs: those in `SOCKETD_BIN_DIR`, or, built on first use, those beside the tests.
///
/// # Panics
/// When they cannot be built.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let folder =
            env::var_os(BIN_DIR).map_or_else(|| build(&["socketd-bridge", "socketd"]), PathBuf::from);
        let program = |name: &str| {
            let path = folder.join(name);
            assert!(path.is_file(), "there is no {}", path.display());
            path
        };
        Binaries {
            bridge: program("socketd-bridge"),
            socketd: program("socketd"),
        }
    })
}

/// The program that dials out, or is dialled: the one in `SOCKETD_BIN_DIR`, or, built on first use, the one beside
/// the tests.
///
/// # Panics
/// When it cannot be built.
pub fn fleet() -> &'static Path {
    static FLEET: OnceLock<PathBuf> = OnceLock::new();
    FLEET.get_or_init(|| {
        let folder = env::var_os(BIN_DIR).map_or_else(|| build(&["socketd-fleet"]), PathBuf::from);
        let path = folder.join("socketd-fleet");
        assert!(path.is_file(), "there is no {}", path.display());
        path
    })
}

/// The command that stands in for Droidspaces' own: cargo builds it with the tests of this crate.
///
/// # Panics
/// When it is not there.
pub fn stand_in() -> PathBuf {
    let path = profile().join("droidspaces_stand_in");
    assert!(path.is_file(), "there is no {}", path.display());
    path
}

/// The program that runs another in a world: see [`crate::world`].
///
/// # Panics
/// When it is not there.
pub fn world() -> PathBuf {
    let path = profile().join("world");
    assert!(path.is_file(), "there is no {}", path.display());
    path
}

/// The program that does to a bridge what a front could that somebody else has taken over.
///
/// # Panics
/// When it is not there.
pub fn hostile_front() -> PathBuf {
    let path = profile().join("hostile_front");
    assert!(path.is_file(), "there is no {}", path.display());
    path
}

/// Puts a copy of a program somewhere, to be run there.
///
/// By another process: a descriptor that is open for writing in this one would find its way into what other threads
/// start, if only for a moment, and a program that is open for writing does not run.
///
/// # Panics
/// When it cannot be copied.
pub fn copy(program: &Path, place: &Path) {
    let status = Command::new("cp").arg(program).arg(place).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{} cannot be copied to {}",
        program.display(),
        place.display()
    );
}

/// Where cargo puts programs of the profile that the tests were built in.
fn profile() -> PathBuf {
    // A test lies in target/debug/deps or target/release/deps (or examples); the programs lie one above.
    let test = env::current_exe().unwrap();
    let profile = test
        .ancestors()
        .find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    profile.expect("tests run from cargo's target folder").to_owned()
}

/// Builds packages' programs. Cargo itself sees to it that two test programs do not do it at once.
fn build(packages: &[&str]) -> PathBuf {
    // What cargo says now, for a target folder may be shared by several clones.
    let own =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let workspace = own.parent().unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--bins"]);
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    let folder = profile();
    if folder.ends_with("release") {
        command.arg("--release");
    }
    command.arg("--target-dir").arg(folder.parent().unwrap());
    let status = command.current_dir(workspace).status().unwrap();
    assert!(status.success(), "the programs do not build");
    folder
}
