use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::asked::allot;
use crate::config::{Allotted, Place};
use crate::docker::endpoints;

const WHOLE: &str = r#"
host_names = ["phone.lan"]
allow_origins = ["http://portainer.lan:9000"]

[[listener]]
url = "tcp://0.0.0.0:2376"
id = "lan"
tls = "verify"
ca = "/c/ca.pem"
cert = "/c/server-cert.pem"
key = "/c/server-key.pem"
access = "operate"
deny = ["LOGS"]

[[listener]]
url = "unix:///run/team-a.sock?label=team%3Da"
names = ["web-*"]
callers = "known"

[[caller]]
name = "ci"
token = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
listeners = ["lan"]
access = "read"
allow = ["ALLOW_START"]

[[caller]]
name = "laptop"
subject = "CN=laptop"
fingerprint = "AB:ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"
uid = 1000
gid = 100
labels = ["team=a"]

[limits]
streams_max = 7
"#;

#[test]
fn a_whole_file() {
    let config = Config::parse(WHOLE).unwrap();
    assert_eq!((config.hosts.len(), config.origins.len()), (1, 1));
    assert_eq!((config.listeners.len(), config.callers.len()), (2, 2));
    let listeners: Vec<Allotted> = allot(config.listeners.clone(), &[]).unwrap().concat();
    let (lan, team) = (&listeners[0], &listeners[1]);
    assert!(
        matches!(&lan.place, Place::Tls(_, files) if files.ca.is_some()),
        "{lan:?}"
    );
    let permits = |method, path| {
        let (number, _) = endpoints::find(method, path).unwrap();
        lan.terms.access.rights.permit(number)
    };
    assert!(permits("POST", "/containers/a/start") && !permits("GET", "/containers/a/logs"));
    assert!(team.terms.known_only && team.terms.access.scope.is_some());
    let (ci, laptop) = (&config.callers[0], &config.callers[1]);
    assert_eq!(ci.listeners.as_deref(), Some(["lan".to_owned()].as_slice()));
    assert_eq!(laptop.signs.len(), 4);
    assert!(laptop.signs.contains(&Sign::Fingerprint([0xAB; 32])));
    assert!(check_listeners(&config.callers, &config.listeners).is_ok());
    assert!(matches!(
        check_listeners(&config.callers, &config.listeners[1..]),
        Err(FileError::Caller(name, CallerError::NoListener(id))) if name == "ci" && id == "lan"
    ));
    assert_eq!(config.limits.streams(), 7);
    assert_eq!(Config::parse("").unwrap(), Config::default());
}

#[test]
fn limits_are_named_where_they_are_wrong() {
    check(
        "[limits]\nstream_max = 7",
        "there is no limit `stream_max`; known are ",
    );
    check(
        "[limits]\nstreams_max = 0",
        "streams_max must lie between 1 and 1024",
    );
    check("[limits]\nstreams_max = \"7\"", "expected u64");
}

#[track_caller]
fn check(text: &str, sentence: &str) {
    let error = Config::parse(text).unwrap_err().to_string();
    assert!(error.contains(sentence), "{text}: {error}");
}

#[test]
fn what_is_wrong_is_said() {
    check("colour = 1", "unknown field `colour`");
    check("[[listener]]", "missing field `url`");
    check(
        "[[listener]]\nurl = 'tcp://0.0.0.0:1'",
        "listener tcp://0.0.0.0:1: 0.0.0.0:1 can be reached",
    );
    check(
        "[[listener]]\nurl = 'unix:///a'\ncolour = 1",
        "unknown field `colour`",
    );
    check(
        "[[listener]]\nurl = 'unix:///a?access=read'\naccess = 'full'",
        "`access` may stand once",
    );
    check(
        "[[listener]]\nurl = 'unix:///a'\nallow = ['X']",
        "there is no group `X`",
    );
    check("[[caller]]\nname = 'a'", "caller a: it needs uid");
    check("[[caller]]\nname = 'a'\nuid = -1", "uid");
    check(
        "[[caller]]\nname = 'a'\nuid = 1\n[[caller]]\nname = 'a'\nuid = 2",
        "another caller",
    );
    check(
        "[[caller]]\nname = 'a'\nfingerprint = 'ab'",
        "64 hexadecimal digits",
    );
    check("[[caller]]\nname = 'a'\ntoken = 'secret'", "given by its hash");
    check(
        "[[caller]]\nname = 'a'\nuid = 1\naccess = 'all'",
        "none, read, operate or full",
    );
    check("host_names = ['a b']", "host_names: \"a b\": it must be a name");
    check("allow_origins = ['x']", "allow_origins");
    check("a = ", "line 1");
}

#[test]
fn files_that_others_can_change_are_refused() {
    let dir = std::env::temp_dir().join(format!("socketd-config-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("socketd.toml");
    let with = |mode: u32, text: &str| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Config::read(&path).map_err(|error| error.to_string())
    };
    assert!(with(0o644, WHOLE).is_ok());
    assert!(with(0o600, WHOLE).is_ok());
    assert!(with(0o664, WHOLE).unwrap_err().contains("mode 0664"));
    assert!(with(0o646, WHOLE).unwrap_err().contains("mode 0646"));
    let long = "#".repeat(usize::try_from(CONFIG_BYTES_MAX).unwrap() + 1);
    assert!(with(0o644, &long).unwrap_err().contains("not a file of at most"));
    assert!(matches!(Config::read(&dir), Err(FileError::Odd)));
    assert!(matches!(Config::read(&dir.join("none")), Err(FileError::Read(_))));
    fs::remove_dir_all(&dir).unwrap();
}
