//! The program with TLS: certificates that it makes, serves as nobody, and reads again.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use socketd::certs::{CertifiedKey, Set};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::keys::Caller;
use crate::program::{Program, Room, need_root};

const FILES: [(&str, u32); 6] = [
    ("ca.pem", 0o644),
    ("ca-key.pem", 0o600),
    ("server-cert.pem", 0o644),
    ("server-key.pem", 0o640),
    ("cert.pem", 0o644),
    ("key.pem", 0o600),
];

fn init(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_socketd"))
        .args(["certs", "init"])
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap()
}

/// A directory with certificates in it, and what was printed.
pub(crate) fn made(room: &Room, name: &str) -> (PathBuf, String) {
    let dir = room.0.join(name);
    let output = init(&dir, &["--host", "phone.lan", "--days", "30"]);
    assert!(output.status.success(), "{output:?}");
    (dir, String::from_utf8(output.stdout).unwrap())
}

/// What a client holds.
fn client(dir: &Path) -> Set {
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let pair = |certificate: &str, key: &str| CertifiedKey {
        certificate: read(certificate),
        key: read(key),
    };
    Set {
        ca: pair("ca.pem", "ca-key.pem"),
        server: pair("server-cert.pem", "server-key.pem"),
        client: pair("cert.pem", "key.pem"),
    }
}

pub(crate) fn url(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "tcp://127.0.0.1:0?tls=verify&ca={dir}/ca.pem&cert={dir}/server-cert.pem&key={dir}/server-key.pem"
    )
}

/// Whether a client with these is answered.
async fn answered(url: &str, set: &Set) -> bool {
    let address = url.strip_prefix("tcp://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let answer = async {
        let mut stream = Caller::of(set).call(stream).await?;
        stream
            .write_all(b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    answer.await.is_ok_and(|answer| answer.ends_with("\r\n\r\nOK"))
}

/// Puts the server's files of one directory in the place of the other's, each whole.
fn renew(from: &Path, to: &Path) {
    for name in ["ca.pem", "server-cert.pem", "server-key.pem"] {
        fs::rename(from.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn certificates_are_made_served_and_renewed() {
    need_root();
    let room = Room::new("tls");
    let (dir, text) = made(&room, "certs");
    for (name, mode) in FILES {
        let file = fs::metadata(dir.join(name)).unwrap();
        let group = if name == "server-key.pem" { 60_750 } else { 0 };
        assert_eq!(
            (file.uid(), file.gid(), file.mode() & 0o777),
            (0, group, mode),
            "{name}"
        );
    }
    let here = dir.display();
    for part in [
        &format!("key={here}/server-key.pem' --host-name phone.lan"),
        &format!("\"host=tcp://phone.lan:2376,ca={here}/ca.pem,cert={here}/cert.pem,key={here}/key.pem\""),
        "Docker API URL       phone.lan:2376",
    ] {
        assert!(text.contains(part), "{text}");
    }

    let mut program = Program::start(&["--listen", &url(&dir)]);
    let place = program.listening();
    let old = client(&dir);
    assert!(answered(&place, &old).await);

    let (other, _) = made(&room, "renewed");
    let new = client(&other);
    assert!(!answered(&place, &new).await);
    renew(&other, &dir);
    program.signal(Signal::SIGHUP);
    assert_eq!(program.told()["message"], "certificates were read again");
    assert!(answered(&place, &new).await);
    assert!(!answered(&place, &old).await);

    fs::write(dir.join("server-cert.pem"), "nothing").unwrap();
    program.signal(Signal::SIGHUP);
    let told = program.told();
    assert_eq!(told["level"], "ERROR", "{told}");
    let message = told["message"].as_str().unwrap();
    assert!(message.starts_with("certificates stay as they were: "), "{told}");
    assert!(message.contains("server-cert.pem holds no certificate"), "{told}");
    assert!(answered(&place, &new).await);

    program.signal(Signal::SIGTERM);
    assert_eq!(program.end().0, Some(0));
}

#[tokio::test]
async fn a_key_of_root_s_alone_serves_and_says_that_it_cannot_be_renewed() {
    need_root();
    let room = Room::new("tls-root");
    let (dir, _) = made(&room, "certs");
    let key = dir.join("server-key.pem");
    chown(&key, None, Some(0)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let mut program = Program::start(&["--listen", &url(&dir)]);
    let told = program.told();
    assert_eq!(told["level"], "WARN", "{told}");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("server-key.pem: Permission denied"), "{told}");
    let place = program.listening();
    let set = client(&dir);
    assert!(answered(&place, &set).await);
    program.signal(Signal::SIGHUP);
    assert_eq!(program.told()["level"], "ERROR");
    assert!(answered(&place, &set).await);
}

#[test]
fn a_key_that_others_can_read_stops_the_start() {
    need_root();
    let room = Room::new("tls-open");
    let (dir, _) = made(&room, "certs");
    let key = dir.join("server-key.pem");
    let check = |group: u32, mode: u32| {
        chown(&key, None, Some(group)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let (code, log) = Program::start(&["--listen", &url(&dir)]).end();
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains("others can read or change"), "{log}");
        assert!(log.contains("chgrp 60750 and chmod 0640"), "{log}");
    };
    check(60_750, 0o644);
    check(60_750, 0o660);
    check(0, 0o640);
}

#[test]
fn nothing_is_overwritten() {
    need_root();
    let room = Room::new("tls-twice");
    let (dir, _) = made(&room, "certs");
    let before = fs::read(dir.join("ca-key.pem")).unwrap();
    let output = init(&dir, &[]);
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("ca.pem is there already and was left as it is"),
        "{log}"
    );
    assert_eq!(fs::read(dir.join("ca-key.pem")).unwrap(), before);
    for wrong in [
        ["--days", "0"],
        ["--days", "36501"],
        ["--host", "a b"],
        ["--user", "0"],
    ] {
        assert_eq!(
            init(&room.0.join("wrong"), &wrong).status.code(),
            Some(2),
            "{wrong:?}"
        );
    }
    assert!(!room.0.join("wrong").exists());
}

#[test]
fn what_others_can_reach_without_a_certificate_is_said() {
    need_root();
    let room = Room::new("tls-exposed");
    let (dir, _) = made(&room, "certs");
    let here = dir.display();
    let server =
        format!("tcp://0.0.0.0:0?tls=server&cert={here}/server-cert.pem&key={here}/server-key.pem&insecure");
    for url in ["tcp://0.0.0.0:0?insecure", &server] {
        let mut program = Program::start(&["--listen", url]);
        program.listening();
        let told = program.told();
        assert_eq!(told["level"], "WARN", "{told}");
        assert!(
            told["message"].as_str().unwrap().contains("rules the containers"),
            "{told}"
        );
    }
    let mut program = Program::start(&["--listen", &url(&dir), "--listen", "tcp://127.0.0.1:0"]);
    program.listening();
    program.listening();
    program.signal(Signal::SIGTERM);
    let (_, log) = program.end();
    assert!(!log.contains("WARN"), "{log}");
}
