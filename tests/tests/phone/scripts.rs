//! Every script is what all shells of a phone, and a strict reader, take for POSIX sh.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::module;

/// Who reads it, with what arguments before the script.
const READERS: [&[&str]; 4] = [
    &["busybox", "sh", "-n"],
    &["dash", "-n"],
    &["mksh", "-n"],
    &["shellcheck", "-x", "-s", "sh"],
];

/// Scripts below a folder, by their names or their first line.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|end| end == "sh")
            || fs::read(&path).unwrap().starts_with(b"#!")
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_script_is_posix() {
    let packaging = module::repository().join("packaging");
    let all: Vec<_> = ["magisk", "android"]
        .iter()
        .flat_map(|folder| scripts(&packaging.join(folder)))
        .collect();
    assert!(all.len() >= 10, "{all:?}");
    for reader in READERS {
        for script in &all {
            let (program, arguments) = reader.split_first().unwrap();
            let mut command = Command::new(program);
            let output = command.args(arguments).arg(script).output();
            let output = output
                .unwrap_or_else(|_| panic!("There is no {program}: install it (apt-get install {program})."));
            let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {}: {text}", script.display());
        }
    }
}
