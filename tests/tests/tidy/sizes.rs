//! A file is one thing that can be read at once.

use std::path::Path;
use std::process::Command;

use crate::tree;

/// Most lines of a file; tests at its end are counted apart, and tests in a file of their own alike.
const LINES_MAX: usize = 600;

/// Names that say nothing about what is in the drawer.
const DRAWERS: &[&str] = &[
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "misc",
    "types",
    "constants",
    "manager",
];

#[test]
fn files_are_short() {
    let mut findings = Vec::new();
    for file in tree::with_extension("rs") {
        // What no person writes, none has to read at once.
        if file.ends_with("/generated.rs") {
            continue;
        }
        let text = tree::text(&file).unwrap();
        let (code, tests) = text
            .split_once("\n#[cfg(test)]\nmod tests {")
            .unwrap_or((&text, ""));
        for (part, text) in [("", code), (" (its tests)", tests)] {
            let lines = text.lines().count();
            if lines > LINES_MAX {
                findings.push(format!("{file}{part}: {lines} lines"));
            }
        }
    }
    tree::none(
        &findings,
        &format!("More than {LINES_MAX} lines: cut along a noun that has a name of its own"),
    );
}

#[test]
fn files_have_names() {
    let mut findings = tree::files();
    findings.retain(|file| {
        Path::new(file).components().any(|part| {
            let stem = Path::new(part.as_os_str()).file_stem();
            DRAWERS
                .iter()
                .any(|name| stem.is_some_and(|stem| stem.eq_ignore_ascii_case(name)))
        })
    });
    tree::none(&findings, "A file is called after what is in it");
}

#[test]
fn source_is_formatted() {
    let status = Command::new(env!("CARGO"))
        .args(["fmt", "--all", "--check"])
        .current_dir(tree::root())
        .status();
    assert!(status.unwrap().success(), "run: cargo fmt --all");
}
