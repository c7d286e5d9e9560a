//! A pair, a coordinator, and a node of the pair's socket.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use harness::daemon::Daemon;
use harness::{Address, Cli, Docker, Pair, binaries, pace};
use serde_json::{Value, json};

/// Time for a node to be there, again too.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// Everything a test needs, but for the two programs that it starts and ends itself.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) pair: Pair,
    dir: PathBuf,
}

impl Scene {
    pub(crate) fn start() -> Self {
        let pair = Pair::start();
        let dir = pair.dir().join("fleet");
        fs::create_dir_all(dir.join("client")).unwrap();
        Self { pair, dir }
    }

    /// Whoever owns the coordinator, at its socket.
    pub(crate) fn admin(&self) -> Docker {
        Docker::new(Address::Unix(self.dir.join("coordinator/admin.sock")))
    }

    /// Where a coordinator keeps what it knows.
    pub(crate) fn coordinator_dir(&self) -> String {
        self.dir.join("coordinator").to_str().unwrap().to_owned()
    }

    /// A coordinator; `command` is the program, wherever it runs.
    pub(crate) fn coordinator(&self, mut command: Command, arguments: &[&str]) -> Daemon {
        command.arg("coordinator").args(arguments).arg("--state-dir");
        let coordinator = Daemon::run("the coordinator", bare(command.arg(self.dir.join("coordinator"))));
        pace::until("the coordinator listens", LIMIT, || {
            coordinator.log().contains("listening").then_some(())
        });
        coordinator
    }

    /// A coordinator of this machine's, on ports of its own; and where it listens for nodes, and for users.
    pub(crate) fn local_coordinator(&self) -> (Daemon, [String; 2]) {
        let ports = ["--grpc-port", "0", "--api-port", "0"];
        let coordinator = self.coordinator(Command::new(program()), &ports);
        let listening = listening(&coordinator);
        (coordinator, listening)
    }

    /// A node of the pair's that dials there; it is enrolled where it was not.
    pub(crate) fn node(&self, command: Command, url: &str) -> Daemon {
        self.node_of(&self.pair.unix(), command, url)
    }

    /// The same of any engine.
    pub(crate) fn node_of(&self, engine: &Address, command: Command, url: &str) -> Daemon {
        self.node_with(command, url, &["--allow-plain", "--docker", &engine.to_string()])
    }

    /// The same with these arguments.
    pub(crate) fn node_with(&self, mut command: Command, url: &str, arguments: &[&str]) -> Daemon {
        let token = self.dir.join("token");
        if !token.exists() {
            let made = self
                .admin()
                .post_json("/api/enrolments", &json!({ "name": "phone" }));
            let made = made.expect(201).json();
            fs::write(&token, made["token"].as_str().unwrap()).unwrap();
        }
        command.args(["node", "--coordinator", url]).args(arguments);
        command.arg("--token-file").arg(token);
        command.arg("--state-dir").arg(self.dir.join("node"));
        Daemon::run("the node", bare(&command))
    }

    /// The one node, once it is connected and tells of an engine.
    pub(crate) fn connected(&self) -> String {
        pace::until("the node is connected", LIMIT, || {
            let nodes = self.admin().get("/api/nodes").expect(200).json();
            let node = nodes["nodes"].get(0)?;
            let is_there = node["is_connected"] == true && node["engine"]["is_reachable"] == true;
            is_there.then(|| node["node_id"].as_str().unwrap().to_owned())
        })
    }

    /// A key that may do everything, the same each time.
    pub(crate) fn key(&self) -> String {
        let config = self.dir.join("client/config.json");
        if !config.exists() {
            let asked = json!({ "name": "laptop", "access": "full" });
            let made = self.admin().post_json("/api/keys", &asked).expect(201).json();
            let key = format!("Bearer {}", made["key"].as_str().unwrap());
            let text = json!({ "HttpHeaders": { "Authorization": key } }).to_string();
            fs::write(&config, text).unwrap();
        }
        let config: Value = serde_json::from_slice(&fs::read(config).unwrap()).unwrap();
        let shown = config["HttpHeaders"]["Authorization"].as_str().unwrap();
        shown.strip_prefix("Bearer ").unwrap().to_owned()
    }

    /// The real `docker` command with that key, by the node's endpoint.
    pub(crate) fn by_endpoint(&self, users: &str, node_id: &str) -> Cli {
        self.key();
        let config = self.dir.join("client").to_str().unwrap().to_owned();
        Cli {
            address: format!("tcp://{users}/nodes/{node_id}/docker"),
            options: vec!["--config".to_owned(), config],
        }
    }

    /// The same of a `docker` that runs elsewhere.
    pub(crate) fn docker(&self, mut command: Command, address: &str, node_id: &str) -> Command {
        let cli = self.by_endpoint(address, node_id);
        command.args(cli.options).args(["-H", &cli.address]);
        command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
        command
    }

    /// How often the coordinator heard of each thing that happened to a container, once it heard of the last.
    pub(crate) fn heard(&self, last: &str) -> BTreeMap<String, usize> {
        pace::until("the last event", LIMIT, || {
            let told = self.admin().get("/api/events?after=0").expect(200).json();
            let heard = counted(told["events"].as_array().unwrap(), |line| {
                let event = &line["event"];
                Some((
                    event["type"].as_str()?,
                    event["action"].as_str()?,
                    event["attributes"]["name"].as_str()?,
                ))
            });
            heard.contains_key(last).then_some(heard)
        })
    }

    /// The same of what the pair itself has.
    pub(crate) fn happened(&self) -> BTreeMap<String, usize> {
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs() + 1;
        let events = self.pair.docker().events(&format!("since=0&until={now}"));
        counted(&events, |event| {
            let name = event["Actor"]["Attributes"]["name"].as_str()?;
            Some((event["Type"].as_str()?, event["Action"].as_str()?, name))
        })
    }
}

/// Where a coordinator listens for nodes, and for users.
pub(crate) fn listening(coordinator: &Daemon) -> [String; 2] {
    let log = coordinator.log();
    let line = log.lines().find(|line| line.contains(" listening "));
    let line = line.unwrap_or_else(|| panic!("it listens nowhere: {log}"));
    ["nodes=", "users="].map(|name| {
        let (_, rest) = line.split_once(name).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    })
}

fn counted<'a>(
    lines: &'a [Value],
    of: impl Fn(&'a Value) -> Option<(&'a str, &'a str, &'a str)>,
) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for (kind, action, name) in lines.iter().filter_map(of) {
        if kind == "container" {
            *all.entry(format!("{action} {name}")).or_default() += 1;
        }
    }
    all
}

/// The program itself.
pub(crate) fn program() -> &'static Path {
    binaries::fleet()
}

/// Without what whoever runs the tests may have set.
fn bare(command: &Command) -> Command {
    let mut own = Command::new(command.get_program());
    own.args(command.get_args()).env_clear();
    own.env("PATH", std::env::var_os("PATH").unwrap());
    own
}
