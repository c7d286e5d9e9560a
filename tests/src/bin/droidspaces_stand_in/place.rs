//! Where everything is: the workspace that the program lies in.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use harness::droidspaces::{Config, Event, safe_name};
use serde_json::json;

use crate::Failure;

/// The name of the daemon's socket on a device.
const DAEMON_SOCKET: &str = "droidspaces";

/// A workspace.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    /// The one that this program lies in.
    pub(crate) fn own() -> Result<Self, Failure> {
        let program = fs::read_link("/proc/self/exe")?;
        let root = program.parent().and_then(|bin| bin.parent());
        let root = root.ok_or_else(|| Failure::failed("This program lies in no workspace"))?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.root.join("bin/droidspaces")
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.root.join("Containers")
    }

    pub(crate) fn config_file(&self, name: &str) -> PathBuf {
        self.containers().join(safe_name(name)).join("container.config")
    }

    /// The settings of a container that is known here.
    pub(crate) fn config(&self, name: &str) -> Option<Config> {
        Config::load(&self.config_file(name)).ok()
    }

    pub(crate) fn sidecar(&self, name: &str, extension: &str) -> PathBuf {
        self.root.join(format!("Pids/{}.{extension}", safe_name(name)))
    }

    /// A file of a container's log folder, which is made on the way.
    pub(crate) fn log_file(&self, name: &str, file: &str) -> io::Result<PathBuf> {
        let folder = self.root.join("Logs").join(safe_name(name));
        fs::create_dir_all(&folder)?;
        Ok(folder.join(file))
    }

    pub(crate) fn daemon_pid_file(&self) -> PathBuf {
        self.root.join("droidspacesd.pid")
    }

    pub(crate) fn daemon_socket(&self) -> String {
        self.knob("daemon-socket")
            .unwrap_or_else(|| DAEMON_SOCKET.to_owned())
    }

    /// Writes an event down. Droidspaces passes over errors there.
    pub(crate) fn record(&self, action: &str, config: &Config) {
        let event = Event::now(action, config.value("uuid"), config.value("name"));
        let _ = event.append(&self.root.join("Logs/socketd-events.bin"));
    }

    /// What a knob says, where it is turned.
    pub(crate) fn knob(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join("stand-in").join(name)).ok()?;
        Some(text.trim_end().to_owned())
    }

    /// A knob with milliseconds.
    pub(crate) fn knob_time(&self, name: &str) -> Option<Duration> {
        let text = self.knob(name)?;
        Some(Duration::from_millis(text.parse().ok()?))
    }

    /// Writes down that this program was called, where somebody wants to know.
    pub(crate) fn log_call(&self, words: &[String]) -> io::Result<()> {
        let path = self.root.join("stand-in/argv-log");
        if !path.exists() {
            return Ok(());
        }
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let mut environment: Vec<String> = std::env::vars_os()
            .map(|(name, value)| format!("{}={}", text(&name), text(&value)))
            .collect();
        environment.sort();
        let line = json!({ "arguments": words, "environment": environment });
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(format!("{line}\n").as_bytes())
    }
}
