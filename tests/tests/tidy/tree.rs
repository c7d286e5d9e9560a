//! The files of the project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where generated files lie; none of them belongs to the project.
const GENERATED: &[&str] = &[".git", "target", "corpus", "artifacts", "coverage"];

/// The root of the repository, as cargo tells whoever it runs: a target folder that several clones
/// share would hand the path that was compiled in to all of them.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this: cargo test");
        Path::new(&folder).parent().unwrap().to_owned()
    })
}

/// The answer of a git command; none outside a repository (an unpacked archive has no history).
pub(crate) fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root())
        .args(arguments)
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

/// Every file of the project, relative to its root, sorted: what git keeps or would keep, and in an
/// unpacked archive whatever is there.
pub(crate) fn files() -> Vec<String> {
    let listed = git(&["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let mut files: Vec<String> = match listed {
        Some(listed) => listed.split_terminator('\0').map(str::to_owned).collect(),
        None => walk(PathBuf::new()),
    };
    // A file that is deleted but not yet committed as such is still listed.
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    assert!(
        files.iter().any(|file| file == "wire/src/lib.rs"),
        "the tree was not found"
    );
    files
}

fn walk(folder: PathBuf) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(&folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        let generated = GENERATED.iter().any(|name| entry.file_name() == *name);
        if entry.file_type().unwrap().is_dir() && !generated {
            found.extend(walk(path));
        } else if entry.file_type().unwrap().is_file() {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
    found
}

/// The files with this extension.
pub(crate) fn with_extension(extension: &str) -> Vec<String> {
    let mut files = files();
    files.retain(|file| {
        Path::new(file)
            .extension()
            .is_some_and(|found| found == extension)
    });
    files
}

/// The text of a file; none where it is not text.
pub(crate) fn text(file: &str) -> Option<String> {
    String::from_utf8(fs::read(root().join(file)).unwrap()).ok()
}

/// Fails with every finding on a line of its own, and the rule.
#[track_caller]
pub(crate) fn none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "\n{rule}\n  {}\n", findings.join("\n  "));
}
