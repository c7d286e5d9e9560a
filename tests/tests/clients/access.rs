//! The real `docker` command and curl at listeners that allow less than everything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use harness::binaries::binaries;
use harness::cli::Cli;
use harness::daemon::Daemon;
use harness::{Pair, pace};
use nix::sys::signal::Signal;

/// Time for a daemon to say where it listens, and for what must come soon.
const LIMIT: Duration = Duration::from_secs(20);

/// A pair with a few containers, and one more socketd before the same bridge with a configuration file.
struct Guarded {
    // Ends before the pair, which looks for what is left behind.
    socketd: Daemon,
    addresses: Vec<String>,
    config: PathBuf,
    all: Cli,
    pair: Pair,
}

impl Guarded {
    /// With this file, in which `DIR` stands for a directory of the test's own.
    fn start(config: &str) -> Self {
        let pair = Pair::start();
        let all = Cli::of(&pair);
        for (name, team) in [("web", "a"), ("webb", "b"), ("db", "a")] {
            let label = format!("team={team}");
            all.run(&[
                "run",
                "-d",
                "--name",
                name,
                "--label",
                &label,
                "bb",
                "/bin/sh",
                "-c",
                "echo from here; exec sleep 600",
            ]);
        }
        let path = pair.dir().join("socketd.toml");
        let guarded = Self {
            socketd: Daemon::spawn("nothing", &PathBuf::from("/bin/true"), &[] as &[&str]),
            addresses: Vec::new(),
            config: path,
            all,
            pair,
        };
        guarded.write(config);
        guarded.serve(config.matches("[[listener]]").count())
    }

    fn write(&self, config: &str) {
        let config = config.replace("DIR", &self.pair.dir().display().to_string());
        fs::write(&self.config, config).unwrap();
        fs::set_permissions(&self.config, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn serve(mut self, listeners: usize) -> Self {
        let bridge = self.pair.dir().join("run/bridge").display().to_string();
        let config = self.config.display().to_string();
        let arguments = [
            "serve",
            "--with-parent",
            "--log-format",
            "json",
            "--bridge-dir",
            &bridge,
            "--config",
            &config,
        ];
        self.socketd = Daemon::spawn("socketd with a configuration", &binaries().socketd, &arguments);
        for _ in 0..listeners {
            let address = self.socketd.line(LIMIT);
            let address = address.unwrap_or_else(|| panic!("it ended:\n{}", self.socketd.log()));
            self.addresses.push(address);
        }
        self
    }

    fn cli(&self, listener: usize) -> Cli {
        Cli::at(&self.addresses[listener])
    }

    /// Lines of the audit log that hold all of these.
    fn audited(&self, parts: &[&str]) -> usize {
        let log = self.socketd.log();
        log.lines()
            .filter(|line| {
                line.contains("\"target\":\"audit\"") && parts.iter().all(|part| line.contains(part))
            })
            .count()
    }
}

/// Names of a list, sorted.
fn names(list: &str) -> Vec<&str> {
    let mut names: Vec<_> = list.lines().collect();
    names.sort_unstable();
    names
}

const TWO: &str = r#"
[[listener]]
url = "unix://DIR/read/docker.sock"
access = "read"

[[listener]]
url = "unix://DIR/team/docker.sock"
labels = ["team=a"]
"#;

#[test]
fn a_listener_that_only_shows() {
    let guarded = Guarded::start(TWO);
    let read = guarded.cli(0);
    let listed = read.run(&["ps", "--format", "{{.Names}}"]);
    assert_eq!(names(&listed), ["db", "web", "webb"]);
    assert!(read.run(&["stats", "--no-stream", "web"]).contains("web"));
    assert_eq!(read.run(&["inspect", "web", "--format", "{{.Name}}"]), "/web");
    for refused in [
        ["stop", "web"].as_slice(),
        &["kill", "web"],
        &["rm", "-f", "web"],
        &["exec", "web", "true"],
        &["logs", "web"],
        &["cp", "web:/etc/hosts", "-"],
        &["create", "bb", "true"],
        &["rename", "web", "x"],
        &["rmi", "bb"],
    ] {
        let said = read.fail(refused);
        assert!(
            said.contains("authorization denied: permission denied"),
            "{refused:?}: {said}"
        );
    }
    assert_eq!(
        guarded
            .all
            .run(&["inspect", "web", "--format", "{{.State.Running}}"]),
        "true"
    );
    let refusal = [
        "\"caller\":\"uid 0\"",
        "\"endpoint\":\"/containers/{id}/stop\"",
        "\"status\":403",
    ];
    assert_eq!(guarded.audited(&refusal), 1, "{}", guarded.socketd.log());
    assert_eq!(guarded.audited(&["/containers/json"]), 0);
    guarded.all.run(&["rm", "-f", "web", "webb", "db"]);
}

#[test]
fn a_listener_that_shows_some_containers() {
    let guarded = Guarded::start(TWO);
    let (team, all) = (guarded.cli(1), &guarded.all);
    let ids = |name: &str| all.run(&["inspect", name, "--format", "{{.Id}}"]);
    let (hidden, seen) = (ids("webb"), ids("web"));
    assert_eq!(names(&team.run(&["ps", "--format", "{{.Names}}"])), ["db", "web"]);
    assert_eq!(team.run(&["info", "--format", "{{.Containers}}"]), "2");
    let mut follow = team
        .command(&[
            "events",
            "--filter",
            "type=container",
            "--format",
            "{{.Action}} {{.Actor.Attributes.name}}",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    pace::until("the events are read", LIMIT, || {
        let listeners = team.run(&["info", "--format", "{{.NEventsListener}}"]);
        (listeners == "1").then_some(())
    });
    for name in [hidden.as_str(), &hidden[..12], "webb"] {
        for order in [
            ["inspect", name].as_slice(),
            &["logs", name],
            &["stop", name],
            &["exec", name, "true"],
            &["stats", "--no-stream", name],
            &["top", name],
            &["wait", name],
            &["cp", &format!("{name}:/etc/hosts"), "-"],
            &["commit", name, "x:y"],
            &["rename", name, "other"],
        ] {
            let said = team.fail(order).to_lowercase();
            assert!(said.contains("no such"), "{order:?}: {said}");
        }
    }
    let networked = team.run(&["network", "inspect", "bridge", "--format", "{{json .Containers}}"]);
    assert!(!networked.contains(&hidden), "{networked}");
    // Whatever is seen can be worked with, by any of its names.
    assert_eq!(team.run(&["exec", &seen[..12], "echo", "hello"]), "hello");
    assert_eq!(team.run(&["logs", "web"]), "from here");
    all.run(&["kill", "webb"]);
    team.run(&["kill", "web"]);
    let said = team.fail(&["run", "-d", "--name", "other", "bb", "true"]);
    assert!(
        said.contains("authorization denied: this caller would not see"),
        "{said}"
    );
    team.run(&["run", "--name", "mine", "--label", "team=a", "bb", "true"]);
    team.run(&["rm", "mine"]);
    let told = read_until(&mut follow, "destroy mine");
    let _ = follow.kill();
    let _ = follow.wait();
    assert!(told.contains("kill web\n") && !told.contains("webb"), "{told}");
    let replayed = team.run(&[
        "events",
        "--since",
        "0",
        "--until",
        "0s",
        "--format",
        "{{.Actor.Attributes.name}}",
    ]);
    assert!(
        replayed.contains("web") && !replayed.contains("webb"),
        "{replayed}"
    );
    all.run(&["rm", "-f", "web", "webb", "db"]);
}

fn read_until(child: &mut std::process::Child, last: &str) -> String {
    use std::io::BufRead;
    let mut told = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    while !told.lines().any(|line| line == last) {
        assert!(output.read_line(&mut told).unwrap() > 0, "it ended: {told}");
    }
    told
}

/// Status and body of a GET with curl.
fn curl(address: &str, path: &str, header: Option<&str>) -> (String, String) {
    let socket = address.strip_prefix("unix://").unwrap();
    let mut command = Command::new("curl");
    command.args(["-s", "-w", "\n%{http_code}", "--unix-socket", socket]);
    if let Some(header) = header {
        command.args(["-H", header]);
    }
    let output = command.arg(format!("http://localhost{path}")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

/// A token and its hash, as `socketd token` prints them.
fn token() -> (String, String) {
    let output = Command::new(&binaries().socketd).arg("token").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let word = |begin: &str| {
        let (_, rest) = text.split_once(begin).unwrap();
        rest.split_whitespace()
            .next()
            .unwrap()
            .trim_matches('"')
            .to_owned()
    };
    (word("told again:"), word("token = "))
}

/// One listener for known callers, and these.
fn known(callers: &str) -> String {
    format!(
        "[[listener]]\nurl = \"unix://DIR/known/docker.sock\"\nid = \"known\"\ncallers = \"known\"\naccess = \"operate\"\n{callers}"
    )
}

fn ci(hash: &str) -> String {
    known(&format!(
        "[[caller]]\nname = \"ci\"\ntoken = \"{hash}\"\naccess = \"read\"\nallow = [\"ALLOW_START\"]\n"
    ))
}

#[test]
fn callers_by_token() {
    let (token, hash) = token();
    let guarded = Guarded::start(&ci(&hash));
    let address = guarded.addresses[0].clone();
    let header = format!("Authorization: Bearer {token}");
    let (status, body) = curl(&address, "/containers/json", None);
    let refusal = "{\"message\":\"authorization denied: uid 0 is not known here\"}";
    assert_eq!((status.as_str(), body.trim()), ("403", refusal));
    assert_eq!(curl(&address, "/containers/json", Some(&header)).0, "200");
    assert_eq!(
        curl(&address, "/containers/web/logs?stdout=1", Some(&header)).0,
        "403"
    );
    // The docker command sends it where its configuration says so.
    let docker_config = guarded.pair.dir().join("docker-config");
    fs::create_dir(&docker_config).unwrap();
    let headers = format!("{{\"HttpHeaders\":{{\"Authorization\":\"Bearer {token}\"}}}}");
    fs::write(docker_config.join("config.json"), headers).unwrap();
    let docker = |arguments: &[&str]| {
        let mut command = guarded.cli(0).command(arguments);
        command.env("DOCKER_CONFIG", &docker_config).output().unwrap()
    };
    assert!(docker(&["start", "web"]).status.success());
    assert!(!docker(&["stop", "web"]).status.success());
    let started = [
        "\"caller\":\"ci\"",
        "/start",
        "\"subject\":\"web\"",
        "\"status\":304",
    ];
    assert_eq!(guarded.audited(&started), 1, "{}", guarded.socketd.log());
    // Nothing of the token is in the log.
    let secret = token.trim_start_matches("socketd_");
    assert!(
        !guarded.socketd.log().contains(secret),
        "{}",
        guarded.socketd.log()
    );
    // Wrong ones are refused, and after some of them nothing from there is listened to.
    for _ in 0..10 {
        let (status, _) = curl(&address, "/_ping", Some("Authorization: Bearer socketd_guess"));
        assert_eq!(status, "403");
    }
    assert_eq!(curl(&address, "/_ping", Some(&header)).0, "429");
    guarded.all.run(&["rm", "-f", "web", "webb", "db"]);
}

#[test]
fn callers_are_exchanged_while_connections_live() {
    let (_, hash) = token();
    let mut guarded = Guarded::start(&ci(&hash));
    let address = guarded.addresses[0].clone();
    assert_eq!(curl(&address, "/containers/json", None).0, "403");
    // A user of this machine instead, from the next request on.
    guarded.write(&known("[[caller]]\nname = \"root\"\nuid = 0\n"));
    guarded.socketd.signal(Signal::SIGHUP);
    pace::until("root is known", LIMIT, || {
        (curl(&address, "/containers/json", None).0 == "200").then_some(())
    });
    // The listener is the most that anybody may do.
    let operate = guarded.cli(0);
    operate.run(&["stop", "-t", "0", "web"]);
    assert!(operate.fail(&["rm", "web"]).contains("permission denied"));
    // A file that does not fit changes nothing.
    guarded.write(&known("[[caller]]\nname = \"x\"\n"));
    guarded.socketd.signal(Signal::SIGHUP);
    pace::until("the log says so", LIMIT, || {
        guarded.socketd.log().contains("stay as they were").then_some(())
    });
    assert_eq!(curl(&address, "/containers/json", None).0, "200");
    guarded.all.run(&["rm", "-f", "web", "webb", "db"]);
}

#[test]
fn callers_by_certificate() {
    let pair = Pair::start_empty();
    let certs = pair.dir().join("certs");
    let made = Command::new(&binaries().socketd)
        .args(["certs", "init"])
        .arg(&certs)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let cert = certs.join("cert.pem").display().to_string();
    let subject = openssl(&["x509", "-in", &cert, "-noout", "-subject", "-nameopt", "RFC2253"]);
    let subject = subject.strip_prefix("subject=").unwrap().to_owned();
    let fingerprint = openssl(&["x509", "-in", &cert, "-noout", "-fingerprint", "-sha256"]);
    let fingerprint = fingerprint.split_once('=').unwrap().1.to_owned();
    for sign in [
        format!("subject = \"{subject}\""),
        format!("fingerprint = \"{fingerprint}\""),
    ] {
        let here = certs.display();
        let config = pair.dir().join("socketd.toml");
        let text = format!(
            "[[listener]]\nurl = \"tcp://127.0.0.1:0\"\ntls = \"verify\"\nca = \"{here}/ca.pem\"\n\
             cert = \"{here}/server-cert.pem\"\nkey = \"{here}/server-key.pem\"\ncallers = \"known\"\n\
             [[caller]]\nname = \"laptop\"\n{sign}\naccess = \"read\"\n"
        );
        fs::write(&config, text).unwrap();
        let bridge = pair.dir().join("run/bridge").display().to_string();
        let config = config.display().to_string();
        let arguments = [
            "serve",
            "--with-parent",
            "--bridge-dir",
            &bridge,
            "--config",
            &config,
        ];
        let socketd = Daemon::spawn("socketd with TLS", &binaries().socketd, &arguments);
        let address = socketd
            .line(LIMIT)
            .unwrap_or_else(|| panic!("it ended:\n{}", socketd.log()));
        let docker = |arguments: &[&str]| {
            let mut command = Command::new("docker");
            command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
            command.args(["--tlsverify", "-H", &address]);
            for (flag, name) in [
                ("--tlscacert", "ca.pem"),
                ("--tlscert", "cert.pem"),
                ("--tlskey", "key.pem"),
            ] {
                command.arg(flag).arg(certs.join(name));
            }
            command.args(arguments).output().unwrap()
        };
        assert!(docker(&["ps"]).status.success(), "{}", socketd.log());
        let refused = docker(&["network", "rm", "bridge"]);
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains("permission denied"),
            "{refused:?}"
        );
        let log = socketd.log();
        assert!(log.contains("caller=laptop"), "{log}");
    }
}
