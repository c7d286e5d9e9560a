//! Who may know whom. A new line under `[dependencies]` is an architectural change: it is argued in
//! the manifest, and then allowed here.

use std::fs;

use toml::Table;

use crate::tree;

/// A crate, what it may depend on, and what its tests may depend on besides.
struct Allowed {
    folder: &'static str,
    dependencies: &'static [&'static str],
    for_tests: &'static [&'static str],
}

const TABLE: &[Allowed] = &[
    // The contract: no I/O, no async, no serde.
    Allowed {
        folder: "wire",
        dependencies: &["zerocopy"],
        for_tests: &["proptest"],
    },
    // No async, no serde.
    Allowed {
        folder: "journal",
        dependencies: &["wire", "bytemuck", "crc32c", "nix"],
        for_tests: &["proptest"],
    },
    // Root: no tokio, no HTTP, no JSON.
    Allowed {
        folder: "bridge",
        dependencies: &[
            "wire",
            "journal",
            "nix",
            "rustix",
            "caps",
            "clap",
            "tracing",
            "tracing-subscriber",
            "jiff",
            "toml",
            "seccompiler",
            "sha2",
            "tar",
            "flate2",
            "lzma-rust2",
            "ruzstd",
        ],
        for_tests: &["proptest"],
    },
    // Unprivileged: neither the bridge nor its journal.
    Allowed {
        folder: "socketd",
        dependencies: &[
            "wire",
            "tokio",
            "axum",
            "hyper",
            "hyper-util",
            "http-body-util",
            "tower",
            "bytes",
            "futures-util",
            "tokio-stream",
            "serde",
            "serde_json",
            "bollard-stubs",
            "caps",
            "clap",
            "tracing",
            "tracing-subscriber",
            "nix",
            "rustix",
            "jiff",
            "seccompiler",
            "landlock",
            "regex-lite",
            "percent-encoding",
            "sha2",
            "tokio-rustls",
            "rcgen",
            "x509-cert",
            "getrandom",
            "subtle",
            "toml",
            "wildmatch",
            "prometheus-client",
        ],
        for_tests: &["proptest"],
    },
    // Knows Docker's API alone: neither the protocol nor the two daemons.
    Allowed {
        folder: "fleet",
        dependencies: &[
            "tokio",
            "hyper",
            "hyper-util",
            "http-body-util",
            "bytes",
            "futures-util",
            "websocket-sans-io",
            "sha1",
            "base64-simd",
            "tokio-rustls",
            "rustls-native-certs",
            "webpki-roots",
            "serde",
            "serde_json",
            "bollard-stubs",
            "base64",
            "sha2",
            "subtle",
            "getrandom",
            "jiff",
            "clap",
            "tracing",
            "tracing-subscriber",
            "procfs",
            "rustix",
            "tempfile",
            "tonic",
            "tonic-prost",
            "prost",
            "ring",
            "redb",
            "axum",
            "utoipa",
            "utoipa-axum",
            "prometheus-client",
        ],
        for_tests: &["proptest", "rcgen"],
    },
    // Looks at the command lines of the programs, and at nothing else of theirs.
    Allowed {
        folder: "packaging/pages",
        dependencies: &[
            "bridge",
            "fleet",
            "socketd",
            "clap",
            "clap_complete",
            "clap_mangen",
        ],
        for_tests: &[],
    },
    // Knows everybody; nobody knows it.
    Allowed {
        folder: "tests",
        dependencies: &[
            "wire",
            "bridge",
            "fleet",
            "nix",
            "seccompiler",
            "rustix",
            "serde_json",
            "tar",
            "axum",
            "tokio",
            "tokio-tungstenite",
            "futures-util",
            "base64",
            "tokio-rustls",
            "rcgen",
        ],
        for_tests: &["sha2", "toml", "bollard", "protox", "tonic-prost-build"],
    },
];

fn manifest(folder: &str) -> Table {
    let path = tree::root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names(manifest: &Table, section: &str) -> Vec<String> {
    let section = manifest.get(section).and_then(|section| section.as_table());
    section
        .map(|section| section.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn every_member_is_in_the_table() {
    let root = manifest("");
    let members = root["workspace"]["members"].as_array().unwrap();
    let mut members: Vec<_> = members.iter().map(|member| member.as_str().unwrap()).collect();
    let mut listed: Vec<_> = TABLE.iter().map(|allowed| allowed.folder).collect();
    members.sort_unstable();
    listed.sort_unstable();
    assert_eq!(
        members, listed,
        "a crate comes or goes together with its line in tests/tests/tidy/edges.rs"
    );
}

#[test]
fn crates_know_only_whom_they_may() {
    let mut findings = Vec::new();
    for allowed in TABLE {
        let manifest = manifest(allowed.folder);
        for name in names(&manifest, "dependencies") {
            if !allowed.dependencies.contains(&name.as_str()) {
                findings.push(format!("{} depends on {name}", allowed.folder));
            }
        }
        for name in names(&manifest, "dev-dependencies") {
            // What the crate may know, its tests may know, with whatever features they need.
            let known = [allowed.dependencies, allowed.for_tests].concat();
            if !known.contains(&name.as_str()) {
                findings.push(format!("tests of {} depend on {name}", allowed.folder));
            }
        }
        // Dependencies of one platform would escape the table, build scripts would run as whoever builds.
        for section in ["target", "build-dependencies"] {
            if manifest.contains_key(section) {
                findings.push(format!("{} has a section [{section}]", allowed.folder));
            }
        }
    }
    tree::none(
        &findings,
        "A dependency that house rules do not draw: leave it, or argue it in the manifest and add it to \
         tests/tests/tidy/edges.rs",
    );
}

#[test]
fn nobody_may_know_more_than_cargo_is_told() {
    // A renamed package would get past the table under a harmless name.
    let mut findings = Vec::new();
    let own = ["wire", "journal", "bridge", "socketd", "fleet"];
    let root = manifest("");
    let workspace = root["workspace"]["dependencies"].as_table().unwrap();
    for (name, value) in workspace {
        let renamed = value.get("package").is_some();
        let path = value.get("path").is_some();
        if (renamed || path) && !own.contains(&name.as_str()) {
            findings.push(format!("workspace dependency {name}"));
        }
    }
    for allowed in TABLE {
        let manifest = manifest(allowed.folder);
        for section in ["dependencies", "dev-dependencies"] {
            let Some(section) = manifest.get(section).and_then(|section| section.as_table()) else {
                continue;
            };
            for (name, value) in section {
                if value.get("package").is_some() || value.get("path").is_some() || value.get("git").is_some()
                {
                    findings.push(format!("{name} in {}", allowed.folder));
                }
            }
        }
    }
    tree::none(
        &findings,
        "Only the project's own crates are renamed or taken from a folder, at the workspace",
    );
}

#[test]
fn every_crate_is_held_to_short_functions() {
    let clippy: Table = tree::text("clippy.toml").unwrap().parse().unwrap();
    assert_eq!(clippy["too-many-lines-threshold"].as_integer(), Some(70));
    assert_eq!(clippy["too-many-arguments-threshold"].as_integer(), Some(6));
    let root = manifest("");
    let shared = &root["workspace"]["lints"]["clippy"];
    for allowed in TABLE {
        let manifest = manifest(allowed.folder);
        let own = &manifest["lints"];
        let lints = if own.get("workspace").is_some() {
            shared
        } else {
            &own["clippy"]
        };
        for lint in [
            "too_many_lines",
            "too_many_arguments",
            "dbg_macro",
            "todo",
            "wildcard_imports",
        ] {
            assert_eq!(lints[lint].as_str(), Some("deny"), "{lint} in {}", allowed.folder);
        }
    }
}
