//! Each half speaks its own language: Docker's words end at socketd, a runtime's begin in its folder.
//! Comments may say where a number comes from; names and texts may not.

use crate::{rust, tree};

/// Words of the outside world, and why they stop at socketd.
const OUTSIDE: &[(&str, &str)] = &[
    (
        "docker",
        "the bridge serves neutral containers; whoever looks at them is not its concern",
    ),
    ("dockerd", "as docker"),
    ("moby", "as docker"),
    ("portainer", "a client of socketd"),
    ("dockhand", "a client of socketd"),
];

/// Files of the root side that may use those words, and why.
const MAY_SPEAK_OF_OUTSIDE: &[(&str, &str)] = &[
    (
        "bridge/src/up.rs",
        "starts socketd beside the bridge and prints what to try next",
    ),
    (
        "bridge/src/config.rs",
        "its help and its defaults hand socketd the address that clients expect",
    ),
];

/// Names of runtimes, each a folder (today or soon) below `bridge/src/runtime`.
const RUNTIMES: &[&str] = &["native", "droidspaces"];

/// Places that may name a runtime besides its own folder, and why.
const MAY_NAME_A_RUNTIME: &[(&str, &str)] = &[
    ("bridge/src/runtime/mod.rs", "declares the modules"),
    ("bridge/src/serve.rs", "opens the runtimes at start"),
    (
        "bridge/src/config.rs",
        "says where in the state directory each one lives",
    ),
];

fn exempt(file: &str, table: &[(&str, &str)]) -> bool {
    table
        .iter()
        .any(|(place, _)| file == *place || (place.ends_with('/') && file.starts_with(place)))
}

/// Lines of a file whose names or texts hold one of these words.
fn lines_with(file: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in rust::lines(&tree::text(file).unwrap()).iter().enumerate() {
        let mut spoken = rust::words(&line.code);
        spoken.extend(rust::words(&line.literals));
        if let Some(word) = spoken.iter().find(|word| words.contains(&word.as_str())) {
            found.push(format!("{file}:{}: {word}", at + 1));
        }
    }
    found
}

#[test]
fn words_of_docker_end_at_socketd() {
    let words: Vec<&str> = OUTSIDE.iter().map(|(word, _)| *word).collect();
    let mut findings = Vec::new();
    for file in tree::with_extension("rs") {
        let inside = ["wire/", "journal/", "bridge/"]
            .iter()
            .any(|folder| file.starts_with(folder));
        if inside && !exempt(&file, MAY_SPEAK_OF_OUTSIDE) {
            findings.extend(lines_with(&file, &words));
        }
    }
    let reasons: Vec<String> = OUTSIDE
        .iter()
        .map(|(word, reason)| format!("{word}: {reason}"))
        .collect();
    tree::none(
        &findings,
        &format!("Neutral words, please ({})", reasons.join("; ")),
    );
}

#[test]
fn a_runtime_is_named_in_its_folder() {
    let mut findings = Vec::new();
    for file in tree::with_extension("rs") {
        let inside = ["socketd/src/", "bridge/src/", "journal/src/"]
            .iter()
            .any(|folder| file.starts_with(folder));
        if !inside || exempt(&file, MAY_NAME_A_RUNTIME) {
            continue;
        }
        let foreign = |name: &&&str| !file.starts_with(&format!("bridge/src/runtime/{name}/"));
        let words: Vec<&str> = RUNTIMES.iter().filter(foreign).copied().collect();
        findings.extend(lines_with(&file, &words));
    }
    tree::none(
        &findings,
        "A runtime's name stands in its own folder and in the registry",
    );
}

#[test]
fn exemptions_are_still_needed() {
    let words: Vec<&str> = OUTSIDE.iter().map(|(word, _)| *word).collect();
    let files = tree::with_extension("rs");
    let mut findings = Vec::new();
    for (table, words) in [
        (MAY_SPEAK_OF_OUTSIDE, words.as_slice()),
        (MAY_NAME_A_RUNTIME, RUNTIMES),
    ] {
        for (place, _) in table {
            let covered: Vec<_> = files.iter().filter(|file| exempt(file, &[(place, "")])).collect();
            let needed = covered.iter().any(|file| !lines_with(file, words).is_empty());
            if !covered.is_empty() && !needed {
                findings.push((*place).to_owned());
            }
        }
    }
    tree::none(
        &findings,
        "These places no longer use such words: take them from the table",
    );
}
