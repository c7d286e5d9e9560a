//! The real `docker` command and curl, over TLS, with certificates that `socketd certs init` made.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use harness::binaries::binaries;
use harness::daemon::Daemon;
use harness::{Pair, pace};

/// Time for a daemon to say where it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A pair, and one more socketd before the same bridge that asks for certificates.
struct Secure {
    // Ends before the pair, which looks for what is left behind.
    _socketd: Daemon,
    pair: Pair,
    certs: PathBuf,
    address: String,
}

impl Secure {
    fn start() -> Self {
        let pair = Pair::start();
        let certs = pair.dir().join("certs");
        let output = Command::new(&binaries().socketd)
            .args(["certs", "init"])
            .arg(&certs)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        // The URL is the printed one, but for where it listens.
        let url = text
            .split('\'')
            .find(|part| part.starts_with("tcp://"))
            .unwrap()
            .replace("0.0.0.0:2376", "127.0.0.1:0");
        let bridge = pair.dir().join("run/bridge").display().to_string();
        let arguments = [
            "serve",
            "--with-parent",
            "--bridge-dir",
            &bridge,
            "--listen",
            &url,
        ];
        let socketd = Daemon::spawn("socketd with TLS", &binaries().socketd, &arguments);
        let address = socketd.line(START_LIMIT);
        let address = address.unwrap_or_else(|| panic!("it ended:\n{}", socketd.log()));
        Self {
            _socketd: socketd,
            pair,
            certs,
            address,
        }
    }

    fn file(&self, name: &str) -> String {
        self.certs.join(name).display().to_string()
    }

    /// `docker` with nothing of this machine's configuration.
    fn bare(&self) -> Command {
        let mut command = Command::new("docker");
        for name in [
            "DOCKER_HOST",
            "DOCKER_CONTEXT",
            "DOCKER_TLS_VERIFY",
            "DOCKER_CERT_PATH",
        ] {
            command.env_remove(name);
        }
        command
            .env("DOCKER_CONFIG", self.pair.dir().join("docker"))
            .env("DOCKER_CLI_HINTS", "false")
            .stdin(Stdio::null());
        command
    }

    /// `docker` with all three files.
    fn docker(&self) -> Command {
        let mut command = self.bare();
        command.args(["--tlsverify", "-H", &self.address]);
        for (flag, name) in [
            ("--tlscacert", "ca.pem"),
            ("--tlscert", "cert.pem"),
            ("--tlskey", "key.pem"),
        ] {
            command.args([flag, &self.file(name)]);
        }
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        said(self.docker().args(arguments))
    }
}

fn output(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error} (apt-get install docker.io curl)"))
}

/// What it prints where it succeeds.
#[track_caller]
fn said(command: &mut Command) -> String {
    let output = output(command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What it complains about where it fails.
#[track_caller]
fn failed(command: &mut Command) -> String {
    let output = output(command);
    assert!(!output.status.success(), "{command:?} succeeds");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_docker_command_with_certificates() {
    let secure = Secure::start();
    assert_eq!(
        secure.run(&["version", "--format", "{{.Server.APIVersion}}"]),
        "1.51"
    );
    let id = secure.run(&[
        "run",
        "-d",
        "--name",
        "web",
        "bb",
        "/bin/sh",
        "-c",
        "echo up; while read line; do :; done; sleep 600",
    ]);
    assert_eq!(secure.run(&["ps", "-q", "--no-trunc"]), id);
    assert_eq!(secure.run(&["exec", "web", "/bin/echo", "hello"]), "hello");
    // Both directions of a connection that was taken over, and an input that ends.
    let mut child = secure
        .docker()
        .args(["exec", "-i", "web", "/bin/sh", "-c", "wc -c; echo done"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = vec![b'x'; 1_000_000];
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1000000\ndone\n");
    assert_eq!(secure.run(&["run", "--rm", "bb", "/bin/sh", "-c", "exit 0"]), "");
    pace::until("the log has its line", START_LIMIT, || {
        (secure.run(&["logs", "web"]) == "up").then_some(())
    });
    assert!(secure.run(&["stats", "--no-stream", "web"]).contains("web"));
    let hosts = secure.pair.dir().join("hosts").display().to_string();
    secure.run(&["cp", "web:/etc/hosts", &hosts]);
    assert!(fs::metadata(&hosts).unwrap().len() > 0);
    let events = secure.run(&[
        "events",
        "--since",
        "0",
        "--until",
        "0s",
        "--format",
        "{{.Action}}",
    ]);
    assert!(events.lines().any(|action| action == "start"), "{events}");
    secure.run(&["rm", "-f", "web"]);
}

#[test]
fn as_a_context_and_by_variables() {
    let secure = Secure::start();
    let host = format!(
        "host={},ca={},cert={},key={}",
        secure.address,
        secure.file("ca.pem"),
        secure.file("cert.pem"),
        secure.file("key.pem")
    );
    said(
        secure
            .bare()
            .args(["context", "create", "socketd", "--docker", &host]),
    );
    assert_eq!(
        said(secure.bare().args(["--context", "socketd", "images", "-q"])).len(),
        12
    );
    let by_variables = said(
        secure
            .bare()
            .env("DOCKER_HOST", &secure.address)
            .env("DOCKER_TLS_VERIFY", "1")
            .env("DOCKER_CERT_PATH", &secure.certs)
            .args(["images", "-q"]),
    );
    assert_eq!(by_variables.len(), 12);
}

#[test]
fn whoever_has_no_certificate_is_refused() {
    let secure = Secure::start();
    let ca = secure.file("ca.pem");
    let trusting = ["-H", &secure.address, "--tlsverify", "--tlscacert", &ca];
    let error = failed(
        secure
            .bare()
            .args(trusting)
            .args(["--tlscert=", "--tlskey=", "ps"]),
    );
    assert!(error.contains("certificate required"), "{error}");
    let error = failed(secure.bare().args(["-H", &secure.address, "ps"]));
    assert!(
        error.contains("Client sent an HTTP request to an HTTPS server"),
        "{error}"
    );
    // A server that somebody else's authority signed is not believed.
    let other = secure.pair.dir().join("other");
    said(
        Command::new(&binaries().socketd)
            .args(["certs", "init"])
            .arg(&other),
    );
    let error = failed(
        secure
            .bare()
            .env("DOCKER_HOST", &secure.address)
            .env("DOCKER_TLS_VERIFY", "1")
            .env("DOCKER_CERT_PATH", &other)
            .arg("ps"),
    );
    assert!(error.contains("signed by unknown authority"), "{error}");
}

#[test]
fn curl() {
    let secure = Secure::start();
    let url = format!("{}/_ping", secure.address.replace("tcp://", "https://"));
    let ca = secure.file("ca.pem");
    let (cert, key) = (secure.file("cert.pem"), secure.file("key.pem"));
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "--max-time", "20", "--cacert", &ca])
            .args(arguments);
        command
    };
    for version in ["1.2", "1.3"] {
        let exactly = ["--tls-max", version, &format!("--tlsv{version}")];
        let shown = ["--cert", &cert, "--key", &key, &url];
        assert_eq!(said(curl(&exactly).args(shown)), "OK", "{version}");
    }
    // By a name that the certificate has and one that was not given with --host-name.
    let port = secure.address.rsplit(':').next().unwrap();
    let mut rebound = curl(&["--cert", &cert, "--key", &key, "-H", "Host: evil.example"]);
    assert!(said(rebound.arg(format!("https://localhost:{port}/_ping"))).contains("--host-name"));
    let error = failed(&mut curl(&[&url]));
    assert!(error.contains("certificate required"), "{error}");
}
