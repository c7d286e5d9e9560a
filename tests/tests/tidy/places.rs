//! What may stand only in certain places.

use crate::rust::{self, Line};
use crate::tree;

/// Folders whose files are tests, or the reader of tests; a file `tests.rs` is one too.
fn is_test(file: &str) -> bool {
    file.starts_with("tests/") || file.contains("/tests/") || file.ends_with("/tests.rs")
}

/// The lines of every Rust file, with file, number and whether they are test code.
fn each_line(mut look: impl FnMut(&str, usize, bool, &Line)) {
    for file in tree::with_extension("rs") {
        let mut test = is_test(&file);
        for (at, line) in rust::lines(&tree::text(&file).unwrap()).iter().enumerate() {
            // Tests stand at the end of a file.
            test = test || line.code.trim() == "#[cfg(test)]";
            look(&file, at + 1, test, line);
        }
    }
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|found| found == word)
}

/// Whether a path in the line begins with a folder, as the tail of a longer path does not.
fn begins_with(line: &str, folder: &str) -> bool {
    line.match_indices(folder)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '.'))
}

#[test]
fn unsafe_stays_in_its_room() {
    let mut findings = Vec::new();
    each_line(|file, number, _, line| {
        if has_word(&line.code, "unsafe") && !file.starts_with("bridge/src/sys/") {
            findings.push(format!("{file}:{number}: {}", line.code.trim()));
        }
        // The lint is lifted for that room only, where it opens or at its door.
        let lifted = line.code.contains("(unsafe_code)") && line.code.contains("allow");
        if lifted && !file.starts_with("bridge/src/sys/") && file != "bridge/src/lib.rs" {
            findings.push(format!("{file}:{number}: {}", line.code.trim()));
        }
    });
    tree::none(&findings, "unsafe stands in bridge/src/sys/ and nowhere else");
}

#[test]
fn nothing_is_left_for_later() {
    let markers = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let mut findings = Vec::new();
    each_line(|file, number, _, line| {
        let all = [&line.code, &line.literals, &line.comments];
        let marked = markers
            .iter()
            .any(|marker| all.iter().any(|part| has_word(part, marker)));
        let debugged =
            line.code.contains("dbg!") || line.code.contains("todo!") || line.code.contains("unimplemented!");
        if marked || debugged {
            findings.push(format!("{file}:{number}"));
        }
    });
    tree::none(
        &findings,
        "What is here is finished; what is not finished is not here",
    );
}

#[test]
fn every_test_runs() {
    let mut findings = Vec::new();
    each_line(|file, number, _, line| {
        let attribute = line.code.trim_start().starts_with('#');
        if attribute && (has_word(&line.code, "ignore") || has_word(&line.code, "should_panic")) {
            findings.push(format!("{file}:{number}: {}", line.code.trim()));
        }
    });
    tree::none(
        &findings,
        "No test is left out, and none is content with any panic: assert what happens today",
    );
}

#[test]
fn tests_wait_for_something() {
    let mut findings = Vec::new();
    each_line(|file, number, test, line| {
        let sleeps = ["sleep", "sleep_until", "sleep_ms"]
            .iter()
            .any(|word| has_word(&line.code, word) && line.code.contains(&format!("{word}(")));
        if test && sleeps {
            findings.push(format!("{file}:{number}: {}", line.code.trim()));
        }
    });
    tree::none(
        &findings,
        "A test waits for an event or a descriptor, with a deadline; it does not sleep",
    );
}

#[test]
fn no_machine_is_named() {
    // Taken apart, so that this file passes.
    let folders = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]].map(|parts| parts.concat());
    // A user of the passwd files that tests make up.
    let made_up = [["/ho", "me/ana"], ["/ho", "me/user"]].map(|parts| parts.concat());
    let mut findings = Vec::new();
    for file in tree::files() {
        let Some(text) = tree::text(&file) else { continue };
        for (at, line) in text.lines().enumerate() {
            let line = made_up
                .iter()
                .fold(line.to_owned(), |line, path| line.replace(path, ""));
            if folders.iter().any(|folder| begins_with(&line, folder)) {
                findings.push(format!("{file}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    tree::none(
        &findings,
        "A path of one machine or one person means nothing on another",
    );
}
