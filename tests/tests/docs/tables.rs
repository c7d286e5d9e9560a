//! What of the documents is not run as it stands there, and why: all of it.

/// The documents, each with what runs on the reader's machine before it begins.
pub(crate) const DOCUMENTS: &[(&str, &[&str])] = &[
    ("README.md", &["socketd-bridge up --demo"]),
    ("docs/clients.md", PAIR),
    ("docs/portainer.md", PAIR),
    ("docs/dockhand.md", &[BRIDGE, CERTIFICATES, TLS]),
    ("docs/phone.md", &[BRIDGE, LOOPBACK, PHONE]),
    ("docs/fleet.md", PAIR),
    ("docs/services.md", &[BRIDGE, FILE, BY_FILE]),
];

/// What services run.
const PAIR: &[&str] = &[BRIDGE, FRONT];
const BRIDGE: &str = "socketd-bridge serve";
const FRONT: &str =
    "socketd serve --bridge-dir /var/lib/socketd/run/bridge --listen unix:///run/socketd/docker.sock";
/// What a package brings, and what its service runs.
const FILE: &str =
    "printf '[[listener]]\\nurl = \"unix:///run/socketd/docker.sock\"\\n' > /etc/socketd/socketd.toml";
const BY_FILE: &str =
    "socketd serve --bridge-dir /var/lib/socketd/run/bridge --config /etc/socketd/socketd.toml";
const LOOPBACK: &str = "socketd serve --bridge-dir /var/lib/socketd/run/bridge --listen unix:///run/socketd/docker.sock \
    --listen tcp://127.0.0.1:2375?access=read";
const CERTIFICATES: &str = "socketd certs init /etc/socketd/certs --host phone.lan";
const TLS: &str = "socketd serve --bridge-dir /var/lib/socketd/run/bridge --listen unix:///run/socketd/docker.sock \
    --host-name phone.lan --listen 'tcp://0.0.0.0:2376?tls=verify&ca=/etc/socketd/certs/ca.pem\
    &cert=/etc/socketd/certs/server-cert.pem&key=/etc/socketd/certs/server-key.pem'";
/// The places of the module, as they lie here, with somebody whom the phone's socketd is.
const PHONE: &str = "mkdir -p phone/etc phone/log && touch phone/log/bridge.log phone/log/socketd.log && \
    { sleep 1000 & echo $! > phone/socketd.pid; }";

/// Programs that are run, as this machine has them. Any that is neither here nor below is not found.
pub(crate) const REAL: &[&str] = &[
    "cat", "chmod", "cp", "curl", "docker", "env", "install", "ln", "mkdir", "openssl", "script", "sed",
    "setsid", "sh", "sleep", "stat", "tail", "tar", "timeout", "touch",
];

/// Programs that something simpler stands in for, and why.
pub(crate) const STAND_INS: &[(&str, &str, &str)] = &[
    ("sudo", "exec \"$@\"", "the test is root"),
    (
        "su",
        "[ \"$1\" = -c ] && shift && exec sh -c \"$*\"",
        "the test is root; on a phone, too, words behind the first belong to the command",
    ),
];

/// Commands that are not run here, by how they begin, each with where it is run.
pub(crate) const ELSEWHERE: &[(&str, &str)] = &[
    (
        "sudo apt-get install",
        ".ci/run installs what a machine lacks; tests/services installs the package",
    ),
    ("sudo mkdir -p /var/cache/socketd-tests", ".ci/run does it"),
    (
        "sudo -E env \"PATH=$PATH\" ",
        ".ci/run runs it: the tests, of which this is one, and what builds packages",
    ),
    ("packaging/debian/pack.sh ", "tests/services packs and installs"),
    (
        "sudo dpkg ",
        "tests/services installs, upgrades, removes and purges",
    ),
    (
        "sudo systemctl enable",
        "tests/services starts the units under systemd",
    ),
    (
        "sudo systemctl reload",
        "tests/services starts the units under systemd",
    ),
    (
        "sudo systemctl restart socketd-bridge",
        "tests/services starts the units under systemd",
    ),
    (
        "systemctl status",
        "tests/services starts the units under systemd",
    ),
    (
        "journalctl ",
        "it shows what systemd has; tests/services reads it there",
    ),
    (
        "sudo cp packaging/openrc",
        "tests/services runs the scripts under OpenRC",
    ),
    ("sudo rc-", "tests/services runs the scripts under OpenRC"),
    (
        "sudo cp -r packaging/runit",
        "tests/services runs the scripts under runit",
    ),
    (
        "sudo ln -s /etc/sv/",
        "tests/services runs the scripts under runit",
    ),
    ("sudo sv ", "tests/services runs the scripts under runit"),
    (
        "DOCKHAND_SERVER_URL=wss://",
        "tests/hawser has the server that is dialled",
    ),
    (
        "socketd-fleet hawser --server ",
        "tests/hawser has the server that is dialled",
    ),
    (
        "sudo systemctl enable --now socketd-hawser",
        "tests/services starts the units under systemd",
    ),
    (
        "sudo systemctl stop socketd-coordinator",
        "tests/services starts the units under systemd",
    ),
    (
        "sudo systemctl start socketd-coordinator",
        "tests/services starts the units under systemd",
    ),
    (
        "adb ",
        "no phone hangs here: tests/phone runs the zip's installer and its scripts in an emulated one",
    ),
];

/// What stands otherwise in a document than it can be here, and why.
pub(crate) const OTHERWISE: &[(&str, &str, &str)] = &[
    (
        "cargo build --release && ",
        "",
        "what it builds is what the tests run",
    ),
    (
        "systemctl restart socketd",
        "socketd serve --bridge-dir /var/lib/socketd/run/bridge --config /etc/socketd/socketd.toml",
        "what the unit starts",
    ),
    (
        "\"5f0c...\"",
        "\"0000000000000000000000000000000000000000000000000000000000000000\"",
        "a hash, cut short to be read",
    ),
    (
        "/data/adb/modules/socketd/bin/",
        "",
        "where the module has its programs",
    ),
    ("/data/adb/socketd/", "phone/", "where the module has its files"),
    (
        "/dev/socketd/api/",
        "/run/socketd/",
        "where the module has its sockets",
    ),
    (
        "/dev/socketd/",
        "phone/",
        "where the module has its numbers of processes",
    ),
];

/// What the text around a command tells the reader to do, after the command.
pub(crate) const BY_HAND: &[(&str, &str, &str)] = &[
    (
        "socketd certs init",
        "cp /etc/socketd/certs/ca.pem /etc/socketd/certs/cert.pem /etc/socketd/certs/key.pem .",
        "clients get these three, in a folder of theirs",
    ),
    (
        "cat >hawser.token",
        "echo a-token-that-nobody-guesses >hawser.token",
        "the reader pastes it",
    ),
];

/// What serves; one of a kind takes the place of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bridge,
    /// A socketd beside what the bridge has started itself.
    Front,
    /// What clients dial in place of a front.
    Agent,
    /// Where nodes dial.
    Coordinator,
    /// What dials there.
    Node,
}

/// Lines that go on until they are ended: what shows them, what it is, and what it prints once it answers.
pub(crate) const SERVING: &[(&str, Kind, &str)] = &[
    ("socketd-bridge up", Kind::Bridge, "socketd is up"),
    ("socketd-bridge serve", Kind::Bridge, "answering"),
    ("socketd serve", Kind::Front, "listening"),
    ("socketd-fleet hawser", Kind::Agent, "listening"),
    (
        "socketd-fleet coordinator --api-port",
        Kind::Coordinator,
        "listening",
    ),
    ("socketd-fleet node --token-file", Kind::Node, "connected"),
];

/// Lines that end when their reader has seen enough: what shows them, how they are run, and how they may end.
/// Those that follow are let run for a second; those with a terminal get one whose user leaves at once.
pub(crate) const FOLLOWING: &[(&str, &str, &[i32])] = &[
    ("docker logs -f", "timeout 1 {}", &[0, 124]),
    ("curl -sN", "timeout 1 {}", &[124]),
    ("journal show --follow", "timeout 1 {}", &[124]),
    (
        " -it ",
        "while echo exit; do sleep 0.1; done | script -qec '{}' /dev/null",
        &[0],
    ),
];

/// Blocks that are only shown, and why.
pub(crate) const LANGUAGES: &[(&str, &str)] = &[
    ("yaml", "for Prometheus, which is not on this machine"),
    (
        "ini",
        "a unit; those that are shipped are tested with their package",
    ),
];
