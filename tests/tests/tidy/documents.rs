//! A document that gives bytes carries the hash of the source it was last held against.

use std::collections::BTreeSet;
use std::fs;

use sha2::{Digest, Sha256};

use crate::tree;

/// What a document's line begins with: `describes: wire/src/*.rs sha256:0123456789abcdef`.
const MARK: &str = "describes: ";

/// Formats that are promised to others, each with the folder whose presence makes the promise.
const PROMISED: &[(&str, &str)] = &[
    ("wire/PROTOCOL.md", "wire/golden/"),
    ("journal/FORMAT.md", "journal/golden/"),
];

/// The files one pattern stands for: a path, or a folder and `*.extension`.
fn expand(pattern: &str, files: &[String]) -> Vec<String> {
    let Some((folder, extension)) = pattern.split_once('*') else {
        return vec![pattern.to_owned()];
    };
    let within = |file: &&String| {
        let rest = file
            .strip_prefix(folder)
            .and_then(|rest| rest.strip_suffix(extension));
        rest.is_some_and(|name| !name.contains('/'))
    };
    files.iter().filter(within).cloned().collect()
}

/// The first half of the SHA-256 of the files one after the other, in hexadecimal digits, cut to 16.
fn hash(patterns: &[&str], files: &[String]) -> String {
    let mut hash = Sha256::new();
    for pattern in patterns {
        let expanded = expand(pattern, files);
        assert!(!expanded.is_empty(), "{pattern} stands for no file");
        for file in expanded {
            hash.update(fs::read(tree::root().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}")));
        }
    }
    hash.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn documents_describe_what_is_there() {
    let files = tree::files();
    let mut findings = Vec::new();
    for document in tree::with_extension("md") {
        let text = tree::text(&document).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix(MARK)) {
            let Some((patterns, stated)) = line.rsplit_once(" sha256:") else {
                findings.push(format!("{document}: no sha256 on its line"));
                continue;
            };
            let patterns: Vec<&str> = patterns.split_whitespace().collect();
            let found = hash(&patterns, &files);
            if found != stated {
                let list = patterns.join(" ");
                findings.push(format!(
                    "{document} says sha256:{stated}, the source is sha256:{found}\n    \
                     (LC_ALL=C; cat {list} | sha256sum | cut -c1-16)"
                ));
            }
        }
    }
    tree::none(
        &findings,
        "The source has changed since these documents were held against it. Read both, correct the document, \
         and put the new hash (the command prints it, at the root of the repository) on its line",
    );
}

/// Every `file.rs::name` in a document, the backticks being part of it.
fn tests_named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|word| word.split_once(".rs::"));
    named
        .filter(|(file, name)| file.contains('/') && !name.is_empty() && !name.contains(' '))
        .collect()
}

/// Whether a source has a test of this name.
fn has_test(source: &str, name: &str) -> bool {
    let (before, after) = source.split_once(&format!("fn {name}() {{")).unwrap_or_default();
    !after.is_empty() && before.trim_end().ends_with("#[test]")
}

#[test]
fn tests_that_a_document_names_are_there() {
    let text = "`a/b.rs::c`, `b.rs`, `d::e` and `x/y.rs::two words`, `z/w.rs::v`.";
    assert_eq!(tests_named(text), [("a/b", "c"), ("z/w", "v")]);
    let files = tree::files();
    let mut findings = Vec::new();
    for document in tree::with_extension("md") {
        for (file, name) in tests_named(&tree::text(&document).unwrap()) {
            let path = format!("/{file}.rs");
            let is_meant = |candidate: &&String| format!("/{candidate}").ends_with(&path);
            let meant = files.iter().filter(is_meant);
            let sources = meant.filter_map(|candidate| tree::text(candidate));
            if sources.filter(|source| has_test(source, name)).count() != 1 {
                findings.push(format!("{document}: {file}.rs::{name}"));
            }
        }
    }
    tree::none(
        &findings,
        "A document that says which test tries something names one that is there: `folder/file.rs::test`",
    );
}

#[test]
fn every_hole_that_could_be_ours_has_a_test() {
    let text = tree::text("bridge/PRIVILEGE.md").unwrap();
    let (_, section) = text.split_once("## What others had to mend").unwrap();
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| CVE-"))
        .collect();
    let mut findings: Vec<String> = rows
        .iter()
        .filter(|row| tests_named(row).is_empty())
        .map(|row| format!("no test: {row}"))
        .collect();
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '-';
    let numbers = section
        .split(|char| !is_part(char))
        .filter(|word| word.starts_with("CVE-"));
    let mut seen = BTreeSet::new();
    let again = numbers.filter(|number| !seen.insert(*number));
    findings.extend(again.map(|number| format!("twice: {number}")));
    tree::none(
        &findings,
        "A hole stands in the table once, with the test that tries it",
    );
    assert!(
        rows.len() > 30 && seen.len() > 100,
        "{} rows, {} holes",
        rows.len(),
        seen.len()
    );
}

#[test]
fn formats_that_are_promised_are_described() {
    let files = tree::files();
    let mut findings = Vec::new();
    for (document, golden) in PROMISED {
        let promised = files.iter().any(|file| file.starts_with(golden));
        let described = files.contains(&(*document).to_owned())
            && tree::text(document)
                .unwrap()
                .lines()
                .any(|line| line.starts_with(MARK));
        if promised && !described {
            findings.push(format!("{document} (there is {golden})"));
        }
    }
    tree::none(
        &findings,
        "A format with golden files has a document with a line 'describes: ... sha256:...'",
    );
}
