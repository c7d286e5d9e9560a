//! A document that gives bytes carries the hash of the source it was last held against.

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
