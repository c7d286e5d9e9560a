//! Everything together: the pair, the server, and an agent between them.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::thread;

use harness::daemon::Daemon;
use harness::dockhand::{Environment, Options};
use harness::{Agent, Docker, Dockhand, Pair};

/// The pair with a server and an agent of its environment 1.
pub(crate) struct Scene {
    pub(crate) agent: Daemon,
    /// How the agent was started.
    pub(crate) how: Agent,
    pub(crate) server: Dockhand,
    // Ends last, and looks for what is left behind.
    pub(crate) pair: Pair,
}

impl Scene {
    /// Starts all, and waits until the agent is welcome.
    pub(crate) fn start() -> Self {
        Self::start_with(Options::quick(), |agent| agent)
    }

    /// The same with another server, or an agent with other variables.
    pub(crate) fn start_with(options: Options, change: impl FnOnce(Agent) -> Agent) -> Self {
        let pair = Pair::start();
        let server = Dockhand::start(options);
        let token = server.make_token(1);
        let dir = pair.dir().join("agent");
        let how = change(Agent::new(pair.unix(), &server.url(), &token, &dir));
        let agent = how.start();
        let scene = Self {
            agent,
            how,
            server,
            pair,
        };
        scene.server.connected(1);
        scene
    }

    /// The environment, as pages use it.
    pub(crate) fn environment(&self) -> Environment {
        self.server.environment(1)
    }

    /// The pair itself.
    pub(crate) fn docker(&self) -> Docker {
        self.pair.docker()
    }

    /// Ends the agent as a crash would, and starts it again.
    pub(crate) fn crash_agent(&mut self) {
        self.agent.crash();
        self.agent = self.how.start();
    }
}

/// What the agent said explains a failure.
impl Drop for Scene {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = std::io::stderr().write_all(self.agent.log().as_bytes());
        }
    }
}

/// The payloads of a stream that has headers between them, and nothing that is no whole frame.
pub(crate) fn demultiplexed(mut bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let [kind, 0, 0, 0, a, b, c, d, rest @ ..] = bytes {
        assert!(matches!(kind, 1 | 2), "no such stream: {kind}");
        let length = [*a, *b, *c, *d]
            .iter()
            .fold(0, |all, byte| all * 256 + usize::from(*byte));
        all.extend_from_slice(&rest[..length]);
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty(), "half a header: {bytes:?}");
    all
}

/// What a process takes of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Takes {
    pub(crate) descriptors: usize,
    /// Those of them that are a container's log.
    pub(crate) logs: usize,
    pub(crate) threads: usize,
    /// Memory of its own, in KiB, and the most that was ever resident, its program included.
    pub(crate) own_kib: u64,
    pub(crate) most_kib: u64,
}

impl Takes {
    pub(crate) fn of(pid: i32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let number = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        // Gone meanwhile: no descriptor any more.
        let places: Vec<_> = descriptors
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .collect();
        let is_log = |place: &&PathBuf| {
            place.ends_with("log") && place.components().any(|part| part.as_os_str() == "containers")
        };
        Self {
            descriptors: places.len(),
            logs: places.iter().filter(is_log).count(),
            threads: fs::read_dir(format!("/proc/{pid}/task")).unwrap().count(),
            own_kib: number("RssAnon:"),
            most_kib: number("VmHWM:"),
        }
    }
}
