//! A golden file is a promise. It is added once and never edited, renamed or removed.

use std::io::Write;

use crate::tree;

const GOLDEN: &str = ":(glob)**/golden/**";

/// Of an unpacked archive, and below the last commit of a shallow clone, nothing can be known;
/// the tests that read the golden files hold there all the same.
fn changes(arguments: &[&str]) -> Option<Vec<String>> {
    let changes = ["--diff-filter=MDTR", "--no-renames", "--name-only"];
    let listed = tree::git(&[arguments, &changes, &["--", GOLDEN]].concat())?;
    Some(
        listed
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

fn check(arguments: &[&str], rule: &str) {
    match changes(arguments) {
        Some(findings) => tree::none(&findings, rule),
        None => {
            let _ = writeln!(
                std::io::stderr(),
                "no history here, so none was looked at for edited golden files"
            );
        }
    }
}

#[test]
fn golden_files_are_as_committed() {
    check(
        &["diff", "HEAD"],
        "A golden file was edited. Restore it (git restore FILE) and add a new file for a new encoding",
    );
}

#[test]
fn golden_files_were_never_edited() {
    check(
        &["log", "--format="],
        "A golden file was edited in an earlier commit. Restore its first content; new encodings get new files",
    );
}

#[test]
fn golden_files_are_kept_as_bytes() {
    let golden = tree::files()
        .into_iter()
        .filter(|file| file.contains("/golden/"))
        .count();
    assert!(golden > 0, "no golden file was found");
}
