//! Every command that README.md and docs/*.md show is run, for real, in the order in which it stands there; every TOML and
//! JSON is read by what would read it. What cannot be run here stands in a table, with where it is run instead.
//!
//! Each document has a machine of its own: a mount namespace in which `/run`, `/var/lib` and `/etc` are private, and a
//! network with nothing in it. A program that no table knows is not found there, and the test fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod blocks;
mod machine;
mod reader;
mod session;
mod tables;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use blocks::Block;
use reader::Reader;
use tables::{BY_HAND, DOCUMENTS, ELSEWHERE, OTHERWISE};

fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this: cargo test");
    Path::new(&own).parent().unwrap().to_owned()
}

fn read(document: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    blocks::blocks(document, &text)
}

/// Does what a document says, from its beginning to its end.
fn follow(document: &str) {
    let (_, before) = DOCUMENTS
        .iter()
        .find(|(name, _)| *name == document)
        .unwrap_or_else(|| panic!("{document} is not in the table"));
    let mut reader = Reader::new();
    for line in *before {
        reader.obey(document, line);
    }
    for block in read(document) {
        reader.take(&block);
    }
    reader.leave();
}

#[test]
fn readme() {
    follow("README.md");
}

#[test]
fn clients() {
    follow("docs/clients.md");
}

#[test]
fn portainer() {
    follow("docs/portainer.md");
}

#[test]
fn dockhand() {
    follow("docs/dockhand.md");
}

#[test]
fn fleet() {
    follow("docs/fleet.md");
}

#[test]
fn phone() {
    follow("docs/phone.md");
}

#[test]
fn services() {
    follow("docs/services.md");
}

#[test]
fn every_document_is_followed() {
    let pages = fs::read_dir(root().join("docs")).unwrap();
    let names = pages.map(|page| format!("docs/{}", page.unwrap().file_name().to_str().unwrap()));
    let mut there: BTreeSet<String> = names.filter(|name| name.ends_with(".md")).collect();
    there.insert("README.md".to_owned());
    let followed: BTreeSet<String> = DOCUMENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        there, followed,
        "a page comes or goes together with its line in the table, and a test"
    );
}

#[test]
fn the_tables_are_still_needed() {
    let blocks: Vec<Block> = DOCUMENTS.iter().flat_map(|(name, _)| read(name)).collect();
    let shown: String = blocks.iter().map(|block| format!("{}\n", block.text)).collect();
    let commands: Vec<String> = blocks.iter().flat_map(Block::commands).collect();
    let mut findings = Vec::new();
    for (line, _) in ELSEWHERE {
        if !commands.iter().any(|command| command.starts_with(line)) {
            findings.push(*line);
        }
    }
    for (text, _, _) in OTHERWISE {
        if !shown.contains(text) {
            findings.push(text);
        }
    }
    for (command, _, _) in BY_HAND {
        if !commands.iter().any(|line| line.starts_with(command)) {
            findings.push(command);
        }
    }
    assert!(
        findings.is_empty(),
        "in a table, and in no document: {findings:?}"
    );
}
