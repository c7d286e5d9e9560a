//! What packages carry, as `packaging/build.sh` leaves it in `target/dist`: the programs need no other file,
//! they are small, and those for another processor do there what ours do here.
//!
//! `SOCKETD_DIST` names that folder, from the root of the repository on; then it has to be there, and so has
//! what runs its programs. Without it these tests look at `target/dist` where there is one.

mod elf;
mod pages;
mod running;
mod sizes;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The folder, if it is asked for.
const DIST: &str = "SOCKETD_DIST";

/// Processors that packages are made for, as the kernel calls them.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];
/// The programs.
const PROGRAMS: [&str; 3] = ["socketd", "socketd-bridge", "socketd-fleet"];

/// The folder; none where nobody asked for it and nobody has built it, which is said.
fn dist() -> Option<PathBuf> {
    let own =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = own.parent().unwrap().to_owned();
    let asked = env::var_os(DIST);
    let folder = root.join(asked.as_deref().unwrap_or("target/dist".as_ref()));
    if is_whole(&folder) {
        return Some(folder);
    }
    assert!(
        asked.is_none(),
        "{} is not whole: run packaging/build.sh",
        folder.display()
    );
    let _ = writeln!(io::stderr(), "no packages to look at: run packaging/build.sh");
    None
}

fn is_whole(folder: &Path) -> bool {
    let mut programs = ARCHITECTURES
        .iter()
        .flat_map(|architecture| PROGRAMS.map(|program| folder.join(architecture).join(program)));
    programs.all(|program| program.is_file()) && folder.join("share").is_dir()
}

/// Whether a tool is there that only these tests need; it has to be where the folder was asked for.
fn has_tool(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|folder| folder.join(name).is_file());
    assert!(
        found || env::var_os(DIST).is_none(),
        "there is no {name}: install it (.ci/run has the list)"
    );
    found
}
