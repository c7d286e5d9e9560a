//! How much room it takes.

use std::fs;

/// The most bytes of each program. A phone keeps them in memory for as long as it is on.
const PROGRAMS: [(&str, u64); 6] = [
    ("aarch64/socketd-bridge", 2 << 20),
    ("aarch64/socketd", 6 << 20),
    ("x86_64/socketd-bridge", 3 << 20),
    ("x86_64/socketd", 6 << 20),
    ("aarch64/socketd-fleet", 9 << 20),
    ("x86_64/socketd-fleet", 10 << 20),
];
/// Bytes of what is downloaded to a phone, with the programs for every processor in it.
const ZIP_BYTES_MAX: u64 = 5 << 20;

#[test]
fn programs_and_the_zip_are_small() {
    let Some(dist) = super::dist() else { return };
    let zip = format!("socketd-{}.zip", env!("CARGO_PKG_VERSION"));
    let files = PROGRAMS.into_iter().chain([(zip.as_str(), ZIP_BYTES_MAX)]);
    for (file, bytes_max) in files {
        let found = fs::metadata(dist.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            found.len() <= bytes_max,
            "{file}: {} bytes, {bytes_max} at most",
            found.len()
        );
    }
}
