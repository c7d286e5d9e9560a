#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::ceiling::Powers;

fn words(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|&word| word.to_owned()).collect())
}

#[test]
fn an_empty_file_restricts_nothing() {
    for text in ["", "\n", "# nothing\n", "\u{feff}"] {
        assert_eq!(parse(text), Ok(Ceiling::default()), "{text:?}");
    }
}

#[test]
fn every_key_restricts_its_own() {
    fn check(text: &str, expected: Ceiling) {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }
    let all = Ceiling::default;
    let with = |powers| Ceiling { powers, ..all() };
    let none = Powers::default;
    for (word, access) in [
        ("read", Access::Read),
        ("operate", Access::Operate),
        ("full", Access::Full),
    ] {
        check(&format!("access = {word:?}"), Ceiling { access, ..all() });
    }
    check("exec = false", Ceiling { exec: false, ..all() });
    check("exec = true", all());
    check(
        "files = false",
        Ceiling {
            files: false,
            ..all()
        },
    );
    check(
        "images = false",
        Ceiling {
            images: false,
            ..all()
        },
    );
    check(
        "runtimes = []",
        Ceiling {
            runtimes: words(&[]),
            ..all()
        },
    );
    check(
        "privileged = false",
        with(Powers {
            privileged: Some(false),
            ..none()
        }),
    );
    check(
        "host_namespaces = false",
        with(Powers {
            host_namespaces: Some(false),
            ..none()
        }),
    );
    check(
        "unconfined = true",
        with(Powers {
            unconfined: Some(true),
            ..none()
        }),
    );
    check(
        "raised_limits = false",
        with(Powers {
            raised_limits: Some(false),
            ..none()
        }),
    );
    check(
        "capabilities = [\"net_admin\", \"CAP_SYS_TIME\", 'all']",
        with(Powers {
            capabilities: words(&["NET_ADMIN", "SYS_TIME", "ALL"]),
            ..none()
        }),
    );
    check(
        "devices = [\"/dev/fuse\", \"//dev//snd/\"]",
        with(Powers {
            devices: words(&["/dev/fuse", "/dev/snd"]),
            ..none()
        }),
    );
    check(
        "binds = [\n  \"/srv\", # what is shared\n  \"/\",\n]",
        with(Powers {
            binds: words(&["/srv", "/"]),
            ..none()
        }),
    );
    check(
        "binds_read_only = [\"/etc/ssl\"]",
        with(Powers {
            binds_read_only: words(&["/etc/ssl"]),
            ..none()
        }),
    );
    check(
        "sysctls = [\"net/ipv4/ip_forward\"]",
        with(Powers {
            sysctls: words(&["net.ipv4.ip_forward"]),
            ..none()
        }),
    );
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
        "runtimes = [\"Native\"]",
        "line 1: runtimes: \"Native\" is no runtime",
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
