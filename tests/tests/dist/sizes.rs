//! How much room it takes.

use std::fs;

/// Bytes of `socketd-bridge`: a phone keeps it in memory for as long as it is on.
const BRIDGE_BYTES_MAX: u64 = 2 << 20;
/// Bytes of `socketd`.
const SOCKETD_BYTES_MAX: u64 = 6 << 20;
/// Bytes of what is downloaded to a phone, with the programs for every processor in it.
const ZIP_BYTES_MAX: u64 = 5 << 20;

#[test]
fn programs_and_the_zip_are_small() {
    let Some(dist) = super::dist() else { return };
    let mut files = vec![(
        format!("socketd-{}.zip", env!("CARGO_PKG_VERSION")),
        ZIP_BYTES_MAX,
    )];
    for architecture in super::ARCHITECTURES {
        files.push((format!("{architecture}/socketd-bridge"), BRIDGE_BYTES_MAX));
        files.push((format!("{architecture}/socketd"), SOCKETD_BYTES_MAX));
    }
    for (file, bytes_max) in files {
        let found = fs::metadata(dist.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            found.len() <= bytes_max,
            "{file}: {} bytes, {bytes_max} at most",
            found.len()
        );
    }
}
