//! The agent behind TLS, as clients of their own kind see it: the real `docker` command, and curl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::Connection;
use harness::dockhand::{CertificateFiles, Certificates};

use crate::scene::{Scene, TOKEN, refused_at_start};

/// A folder for certificates, with one in it. Gone when dropped.
struct Place {
    dir: PathBuf,
    files: CertificateFiles,
}

impl Place {
    fn new() -> Self {
        let dir = harness::pair::new_dir();
        let files = Certificates::make().write(&dir);
        Self { dir, files }
    }

    fn file(&self, name: &str, text: &[u8]) -> String {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        text_of(&path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn text_of(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn who_trusts_it_is_served() {
    let place = Place::new();
    let stranger = Certificates::make().write(&place.dir.join("stranger"));
    let (certificate, key) = (text_of(&place.files.certificate), text_of(&place.files.key));
    let scene = Scene::start_with(&[], &[("TLS_CERT", &certificate), ("TLS_KEY", &key)]);
    let docker = |authority: &Path, arguments: &[&str]| -> Output {
        let trust = ["--tlsverify", "--tlscacert", authority.to_str().unwrap()];
        let mut command = scene.command(&trust);
        command.args(arguments).env_remove("DOCKER_CERT_PATH");
        command.output().unwrap()
    };
    // A request, and a connection that becomes a stream in both directions.
    let run = ["run", "--rm", "-i", "bb", "sh", "-c", "echo hello; exit 3"];
    let output = docker(&place.files.authority, &run);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(3), b"hello\n".as_slice()),
        "{error}"
    );
    let output = docker(&stranger.authority, &["version"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("certificate signed by unknown authority"),
        "{error}"
    );
    // The same command without TLS.
    let error = scene.command(&["version"]).output().unwrap();
    assert!(!error.status.success());
    let url = scene.address.to_string().replace("tcp://", "https://");
    let curl = |arguments: &[&str], path: &str| -> Output {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20"])
            .args(arguments)
            .arg(format!("{url}{path}"))
            .output();
        output.expect("There is no curl: install it (apt-get install curl).")
    };
    let trust = ["--cacert", place.files.authority.to_str().unwrap()];
    let answer = curl(&trust, "/_hawser/health");
    let error = String::from_utf8_lossy(&answer.stderr);
    assert_eq!(answer.stdout, br#"{"status":"healthy"}"#, "{error}");
    let header = format!("X-Hawser-Token: {TOKEN}");
    let with_token = [trust[0], trust[1], "--header", &header];
    assert_eq!(curl(&with_token, "/_ping").stdout, b"OK");
    assert_eq!(curl(&trust, "/_ping").stdout, b"Unauthorized\n");
    // Codes of curl's: an authority that it does not know, and no handshake.
    let other = ["--cacert", stranger.authority.to_str().unwrap()];
    assert_eq!(curl(&other, "/_hawser/health").status.code(), Some(60));
    let old = [trust[0], trust[1], "--tls-max", "1.1"];
    assert_eq!(curl(&old, "/_hawser/health").status.code(), Some(35));
}

/// What is no handshake gets no answer of HTTP's, not even what needs no token.
#[test]
fn http_in_the_clear_is_refused() {
    let place = Place::new();
    let (certificate, key) = (text_of(&place.files.certificate), text_of(&place.files.key));
    let scene = Scene::start_with(&[], &[("TLS_CERT", &certificate), ("TLS_KEY", &key)]);
    let mut connection = Connection::open(&scene.address).unwrap();
    let request = format!("GET /_hawser/health HTTP/1.1\r\nHost: a\r\nX-Hawser-Token: {TOKEN}\r\n\r\n");
    connection.send_raw(request.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
    // The end may come as a reset, for what was sent is not read.
    while let Ok(count @ 1..) = connection.read_raw(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
    }
    // An alert of TLS's at most: type 21, some version, two bytes.
    assert!(
        matches!(answer.as_slice(), [] | [21, 3, _, 0, 2, 2, _]),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[test]
fn certificates_that_are_none_are_said_at_start() {
    let place = Place::new();
    let stranger = Certificates::make().write(&place.dir.join("stranger"));
    let (certificate, key) = (text_of(&place.files.certificate), text_of(&place.files.key));
    let words = place.file("words", b"no certificate\n");
    let empty = place.file("empty", b"");
    let torn = place.file(
        "torn",
        b"-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n",
    );
    let hollow = place.file(
        "hollow",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let long = place.file("long", &vec![b'x'; 2 << 20]);
    let check = |certificate: &str, key: &str, part: &str| {
        let variables = [("TOKEN", "t"), ("TLS_CERT", certificate), ("TLS_KEY", key)];
        refused_at_start(&variables, part);
    };
    check(&words, &key, &format!("{words}: it holds no certificate in PEM"));
    check(&empty, &key, &format!("{empty}: it holds no certificate in PEM"));
    check(&torn, &key, &format!("{torn}: it is no PEM"));
    check(&hollow, &key, &format!("cannot listen with {hollow}"));
    check(&long, &key, &format!("{long}: it is larger"));
    check(
        &certificate,
        &words,
        &format!("{words}: it holds no private key in PEM"),
    );
    check(
        &certificate,
        &certificate,
        &format!("{certificate}: it holds no private key in PEM"),
    );
    // Somebody else's key.
    let other = text_of(&stranger.key);
    check(&certificate, &other, &format!("cannot listen with {certificate}"));
    check("/nonexistent", &key, "/nonexistent");
    check(&certificate, "/nonexistent", "/nonexistent");
    check(place.dir.to_str().unwrap(), &key, "cannot listen with");
}
