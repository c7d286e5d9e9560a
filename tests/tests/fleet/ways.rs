//! The ways in: by TLS, by a proxy, with a certificate, and by ports that outlive the coordinator.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use harness::binaries::binaries;
use harness::daemon::Daemon;
use harness::{Cli, Proxy, pace};
use serde_json::{Value, json};

use crate::scene::{LIMIT, Scene, listening, program};
use crate::standing::Standing;

/// Certificates as `socketd certs init` makes them: an authority, a server's, and a client's.
#[derive(Debug)]
struct Certificates(PathBuf);

impl Certificates {
    fn new(dir: PathBuf) -> Self {
        let mut command = Command::new(&binaries().socketd);
        command.args(["certs", "init"]).arg(&dir);
        command.args(["--host", "coordinator.test", "--host", "127.0.0.1"]);
        said(&mut command);
        Self(dir)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// What a coordinator is told of them.
    fn served(&self) -> [String; 6] {
        [
            "--tls-cert".to_owned(),
            self.file("server-cert.pem"),
            "--tls-key".to_owned(),
            self.file("server-key.pem"),
            "--client-ca".to_owned(),
            self.file("ca.pem"),
        ]
    }

    /// What `docker` is told of them; with or without a certificate of its own.
    fn shown(&self, is_known: bool) -> Vec<String> {
        let mut options = vec![
            "--tlsverify".to_owned(),
            "--tlscacert".to_owned(),
            self.file("ca.pem"),
        ];
        let [cert, key] = if is_known {
            [self.file("cert.pem"), self.file("key.pem")]
        } else {
            [String::new(), String::new()]
        };
        options.extend([format!("--tlscert={cert}"), format!("--tlskey={key}")]);
        options
    }
}

fn output(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What it prints where it succeeds.
#[track_caller]
fn said(command: &mut Command) -> String {
    let output = output(command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until a daemon has said something.
fn says(daemon: &Daemon, what: &str) {
    pace::until(what, LIMIT, || daemon.log().contains(what).then_some(()));
}

/// Everything by TLS: a node that knows the authority, by a proxy; users with a certificate, and without.
#[test]
fn by_tls() {
    let scene = Scene::start();
    let dir = scene.pair.dir().to_owned();
    let certificates = Certificates::new(dir.join("certs"));
    let strangers = Certificates::new(dir.join("strangers"));
    let mut arguments = vec![
        "--grpc-port".to_owned(),
        "0".to_owned(),
        "--api-port".to_owned(),
        "0".to_owned(),
    ];
    arguments.extend(certificates.served());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let coordinator = scene.coordinator(Command::new(program()), &arguments);
    let [nodes, users] = listening(&coordinator);
    // Its name is known to the proxy alone.
    let proxy = Proxy::to(nodes.parse().unwrap());
    let port = nodes.rsplit(':').next().unwrap();
    let url = format!("https://coordinator.test:{port}");
    let dial = |authority: &str| {
        let mut command = Command::new("env");
        command
            .arg(format!("HTTPS_PROXY=http://{}", proxy.address))
            .arg(program());
        let docker = scene.pair.unix().to_string();
        scene.node_with(command, &url, &["--ca-cert", authority, "--docker", &docker])
    };
    let mut refused = dial(&strangers.file("ca.pem"));
    says(&refused, "TLS failed: invalid peer certificate");
    refused.end();
    assert_eq!(
        scene.admin().get("/api/nodes").expect(200).json()["nodes"],
        json!([])
    );
    let node = dial(&certificates.file("ca.pem"));
    let id = scene.connected();
    let asked = format!("CONNECT coordinator.test:{port} HTTP/1.1\r\n");
    let heads = proxy.asked.lock().unwrap().clone();
    assert!(
        heads.len() >= 2 && heads.iter().all(|head| head.starts_with(&asked)),
        "{heads:?}"
    );

    scene.pair.docker().run("web", "echo up; exec sleep 100000");
    users_by_tls(&scene, &users, &id, &certificates);
    ports_by_tls(&scene, &id, [&certificates, &strangers]);
    for daemon in [node, coordinator] {
        assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    }
}

fn users_by_tls(scene: &Scene, users: &str, id: &str, certificates: &Certificates) {
    let address = format!("tcp://{users}/nodes/{id}/docker");
    let docker = |options: Vec<String>| Cli {
        address: address.clone(),
        options,
    };
    let known = docker(certificates.shown(true));
    assert_eq!(known.run(&["ps", "--format", "{{.Names}}"]), "web");
    assert_eq!(known.run(&["exec", "web", "echo", "hello"]), "hello");
    let stranger = docker(certificates.shown(false));
    let why = stranger.fail(&["ps"]);
    assert!(why.contains("show a key"), "{why}");
    // A key does as well, of whoever knows the authority.
    let mut keyed = scene.by_endpoint(users, id);
    keyed.options.extend(certificates.shown(false));
    assert_eq!(keyed.run(&["ps", "--format", "{{.Names}}"]), "web");
    docker(Vec::new()).fail(&["ps"]);

    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args([
            "-sS",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            "--cacert",
            &certificates.file("ca.pem"),
        ]);
        command.args(["-w", "\n%{http_code}"]).args(arguments);
        let told = said(command.arg(format!("https://{users}/api/containers?node_id={id}")));
        let (body, status) = told.rsplit_once('\n').unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        (status.to_owned(), body)
    };
    let (cert, key) = (certificates.file("cert.pem"), certificates.file("key.pem"));
    let (status, body) = curl(&["--cert", &cert, "--key", &key]);
    assert_eq!(
        (status.as_str(), &body["containers"][0]["container_id"]),
        ("200", &json!("web"))
    );
    let (status, body) = curl(&[]);
    assert_eq!(status, "401", "{body}");
    let (status, body) = curl(&["-H", &format!("Authorization: Bearer {}", scene.key())]);
    assert_eq!(
        (status.as_str(), &body["containers"][0]["container_id"]),
        ("200", &json!("web"))
    );
}

/// A port by TLS lets nobody in who has no certificate of the authority.
fn ports_by_tls(scene: &Scene, id: &str, [certificates, strangers]: [&Certificates; 2]) {
    let asked = json!({ "node_id": id, "address": "127.0.0.1:0", "tls": true });
    let opened = scene.admin().post_json("/api/ports", &asked).expect(201).json();
    let docker = |options: Vec<String>| Cli {
        address: format!("tcp://{}", opened["address"].as_str().unwrap()),
        options,
    };
    let known = docker(certificates.shown(true));
    assert_eq!(known.run(&["ps", "--format", "{{.Names}}"]), "web");
    assert_eq!(known.run(&["exec", "web", "echo", "hello"]), "hello");
    let why = docker(certificates.shown(false)).fail(&["ps"]);
    assert!(why.contains("certificate required"), "{why}");
    let mut options = certificates.shown(false);
    options.truncate(3);
    options.extend(
        ["--tlscert", "--tlskey"]
            .iter()
            .zip(["cert.pem", "key.pem"])
            .map(|(flag, name)| format!("{flag}={}", strangers.file(name))),
    );
    let why = docker(options).fail(&["ps"]);
    assert!(why.contains("remote error: tls"), "{why}");
    docker(Vec::new()).fail(&["ps"]);
}

/// Orders as a person types them; and ports are there again after the coordinator was killed.
#[test]
fn ports_outlive_the_coordinator() {
    let mut standing = Standing::start();
    standing.pair().docker().run("web", "exec sleep 100000");
    let state_dir = standing.scene.coordinator_dir();
    let order = |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.arg("coordinator").args(arguments);
        command.args(["--json", "--state-dir", &state_dir]);
        output(&mut command)
    };
    let told = |output: Output| -> Value {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let id = standing.id.clone();
    let opened = told(order(&["port", "open", &id, "--listen", "127.0.0.1:0"]));
    let address = opened["address"].as_str().unwrap().to_owned();
    for (arguments, why) in [
        (
            ["port", "open", &id, "--listen", "0.0.0.0:0"],
            "for this machine alone",
        ),
        (
            ["port", "open", &id, "--listen", &address],
            "nobody can listen there",
        ),
        (
            ["port", "open", "nosuch", "--listen", "127.0.0.1:0"],
            "no such node",
        ),
    ] {
        let output = order(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains(why),
            "{arguments:?}: {error}"
        );
    }
    let docker = Cli::at(format!("tcp://{address}"));
    assert_eq!(docker.run(&["ps", "--format", "{{.Names}}"]), "web");

    standing.coordinator.crash();
    standing.start_again();
    assert_eq!(standing.scene.connected(), id);
    let listed = told(order(&["port", "list"]));
    assert_eq!(listed["ports"][0]["address"], address.as_str());
    assert_eq!(listed["ports"][0]["is_open"], true);
    assert_eq!(docker.run(&["exec", "web", "echo", "hello"]), "hello");
    let closed = order(&["port", "close", &address]);
    assert!(closed.status.success(), "{closed:?}");
    docker.fail(&["ps"]);
    assert_eq!(told(order(&["port", "list"]))["ports"], json!([]));
}
