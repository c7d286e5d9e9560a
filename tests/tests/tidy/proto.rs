//! What the fleet's protocol becomes in Rust is checked in, so that no build needs its compiler; and it is what the
//! protocol's text says.

use std::fs;

use crate::tree;

/// The variable that writes the code anew instead of complaining.
const WRITE: &str = "SOCKETD_WRITE_GENERATED";
const CODE: &str = "fleet/src/proto/generated.rs";

/// The code that `fleet/proto/fleet.proto` becomes.
fn generate() -> String {
    let folder = tree::root().join("fleet/proto");
    let files = protox::compile(["fleet.proto"], [folder]).unwrap_or_else(|error| panic!("{error}"));
    let into = std::env::temp_dir().join(format!("socketd-proto-{}", std::process::id()));
    fs::create_dir_all(&into).unwrap();
    tonic_prost_build::configure()
        .out_dir(&into)
        .build_transport(false)
        .bytes(".")
        .compile_fds(files)
        .unwrap();
    let code = fs::read_to_string(into.join("socketd.fleet.v1.rs")).unwrap();
    fs::remove_dir_all(&into).unwrap();
    code
}

#[test]
fn generated_code_is_what_the_protocol_says() {
    let code = generate();
    if std::env::var_os(WRITE).is_some() {
        fs::write(tree::root().join(CODE), &code).unwrap();
    }
    assert!(
        tree::text(CODE).as_deref() == Some(code.as_str()),
        "{CODE} is not what fleet/proto/fleet.proto becomes: {WRITE}=1 cargo test -p socketd-tests --test tidy proto"
    );
}
