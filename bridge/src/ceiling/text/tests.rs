#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn words(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|&word| word.to_owned()).collect())
}

#[test]
fn an_empty_file_restricts_nothing() {
    for text in ["", "\n", "# nothing\n", "\u{feff}"] {
        assert_eq!(parse(text), Ok(Ceiling::default()), "{text:?}");
    }
}

#[track_caller]
fn check(text: &str, change: impl FnOnce(&mut Ceiling)) {
    let mut expected = Ceiling::default();
    change(&mut expected);
    assert_eq!(parse(text), Ok(expected), "{text}");
}

#[test]
fn every_switch_restricts_its_own() {
    for (word, access) in [
        ("read", Access::Read),
        ("operate", Access::Operate),
        ("full", Access::Full),
    ] {
        check(&format!("access = {word:?}"), |ceiling| ceiling.access = access);
    }
    check("exec = false", |ceiling| ceiling.exec = false);
    check("exec = true", |_| {});
    check("files = false", |ceiling| ceiling.files = false);
    check("images = false", |ceiling| ceiling.images = false);
    check("privileged = false", |ceiling| {
        ceiling.powers.privileged = Some(false);
    });
    check("host_namespaces = false", |ceiling| {
        ceiling.powers.host_namespaces = Some(false);
    });
    check("unconfined = true", |ceiling| {
        ceiling.powers.unconfined = Some(true);
    });
    check("raised_limits = false", |ceiling| {
        ceiling.powers.raised_limits = Some(false);
    });
}

#[test]
fn every_list_restricts_its_own() {
    check("runtimes = []", |ceiling| ceiling.runtimes = words(&[]));
    check(
        "capabilities = [\"net_admin\", \"CAP_SYS_TIME\", 'all']",
        |ceiling| {
            ceiling.powers.capabilities = words(&["NET_ADMIN", "SYS_TIME", "ALL"]);
        },
    );
    check("devices = [\"/dev/fuse\", \"//dev//snd/\"]", |ceiling| {
        ceiling.powers.devices = words(&["/dev/fuse", "/dev/snd"]);
    });
    check(
        "binds = [\n  \"/srv\", # what is shared\n  \"/\",\n]",
        |ceiling| {
            ceiling.powers.binds = words(&["/srv", "/"]);
        },
    );
    check("binds_read_only = [\"/etc/ssl\"]", |ceiling| {
        ceiling.powers.binds_read_only = words(&["/etc/ssl"]);
    });
    check("sysctls = [\"net/ipv4/ip_forward\"]", |ceiling| {
        ceiling.powers.sysctls = words(&["net.ipv4.ip_forward"]);
    });
}

#[test]
fn runtimes_are_those_there_are() {
    for name in RuntimeName::value_variants() {
        let word = name.to_possible_value().unwrap().get_name().to_owned();
        let ceiling = parse(&format!("runtimes = [{word:?}]")).unwrap();
        assert_eq!(ceiling.runtimes, Some(vec![word]));
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    fn check(text: &str, expected: &str) {
        let said = parse(text).map_err(|error| error.to_string());
        assert_eq!(said, Err(expected.to_owned()), "{text:?}");
    }
    check("priviledged = false", "line 1: priviledged: there is no such key");
    check("exec = true\n\nExec = true", "line 3: Exec: there is no such key");
    check(
        "[containers]\nexec = false",
        "line 1: containers: there is no such key",
    );
    check("exec = \"no\"", "line 1: exec: it must be true or false");
    check("exec = 0", "line 1: exec: it must be true or false");
    check(
        "# a\naccess = \"all\"",
        "line 2: access: it must be \"read\", \"operate\" or \"full\"",
    );
    check(
        "access = true",
        "line 1: access: it must be \"read\", \"operate\" or \"full\"",
    );
    check("binds = \"/srv\"", "line 1: binds: it must be a list of texts");
    check(
        "binds = [\"/srv\", 1]",
        "line 1: binds: it must be a list of texts",
    );
    check(
        "binds = [[\"/srv\"]]",
        "line 1: binds: it must be a list of texts",
    );
    check(
        "binds = [\"srv\"]",
        "line 1: binds: \"srv\" is not an absolute path",
    );
    check("binds = [\"\"]", "line 1: binds: \"\" is not an absolute path");
    check(
        "devices = [\"/dev/../etc\"]",
        "line 1: devices: \"/dev/../etc\" holds . or ..",
    );
    check(
        "binds_read_only = [\"/srv/.\"]",
        "line 1: binds_read_only: \"/srv/.\" holds . or ..",
    );
    check(
        "binds = [\"/a\\u0000b\"]",
        "line 1: binds: \"/a\\0b\" holds a NUL",
    );
    check(
        "capabilities = [\"FLY\"]",
        "line 1: capabilities: \"FLY\" is no capability",
    );
    check(
        "capabilities = [\"\"]",
        "line 1: capabilities: \"\" is no capability",
    );
    check(
        "runtimes = [\"Other\"]",
        "line 1: runtimes: \"Other\" is no runtime",
    );
    check(
        "sysctls = [\"net..ip\"]",
        "line 1: sysctls: \"net..ip\" is no kernel setting",
    );
    check("exec = true\nexec = false", "line 2: duplicate key");
    check("exec", "line 1: key with no value, expected `=`");
    check("exec = tru", "line 1: invalid boolean, expected `true`");
}

#[test]
fn no_file_is_too_strange() {
    let deep = format!("binds = {}", "[".repeat(10_000));
    let long = format!("binds = [\"/{}\"]", "a".repeat(LISTS_BYTES_MAX));
    let many = format!("binds = [{}]", "\"/a\",".repeat(ENTRIES_MAX + 1));
    // Each is short enough, together they are not.
    let half = "a".repeat(LISTS_BYTES_MAX / 2);
    let halves = format!("binds = [\"/{half}\"]\ndevices = [\"/{half}\"]");
    let fault = |text: &str| parse(text).map_err(|error| error.fault);
    assert!(matches!(fault(&deep), Err(Fault::Syntax(_))));
    assert_eq!(fault(&long), Err(Fault::TooLong(LISTS_BYTES_MAX)));
    assert_eq!(fault(&many), Err(Fault::TooMany(ENTRIES_MAX)));
    assert_eq!(fault(&halves), Err(Fault::TooLong(LISTS_BYTES_MAX)));
    for text in ["\0", "=", "\"", "a.b.c = 1", "[[x]]", "x = {}", "\u{7f}"] {
        assert!(parse(text).is_err(), "{text:?}");
    }
}
