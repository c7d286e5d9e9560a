//! Arguments of those who only look: what of `serve` they look at, and where they look unless told.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{Bridge, Group, Listen, LogFormat, Serve};
use crate::link::StockAddress;
use crate::sandbox::Identity;

/// What packages lay where, on one kind of system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// The configuration file of `serve`.
    pub config: &'static str,
    /// What the bridge never does: a file of the bridge's.
    pub ceiling: &'static str,
    /// The bridge's state directory.
    pub state_dir: &'static str,
    /// The folder of the bridge's two sockets.
    pub bridge_dir: &'static str,
    /// The unix socket that clients use.
    pub socket: &'static str,
    /// How both daemons are started, in words.
    pub start: &'static str,
}

/// Where packages for Linux put it.
const LINUX: Home = Home {
    config: "/etc/socketd/socketd.toml",
    ceiling: "/etc/socketd/bridge.toml",
    state_dir: "/var/lib/socketd",
    bridge_dir: "/var/lib/socketd/run/bridge",
    socket: "/run/socketd/docker.sock",
    start: "systemctl start socketd-bridge socketd, or socketd-bridge up",
};

/// Where the module for rooted phones puts it: what lasts below /data/adb, which root alone may enter, and the
/// sockets in memory.
const ANDROID: Home = Home {
    config: "/data/adb/socketd/etc/socketd.toml",
    ceiling: "/data/adb/socketd/etc/bridge.toml",
    state_dir: "/data/adb/socketd/state",
    bridge_dir: "/dev/socketd/bridge",
    socket: "/dev/socketd/api/docker.sock",
    start: "sh /data/adb/modules/socketd/service.sh, or restart the phone",
};

impl Home {
    /// This machine's: the phone's where something of it is there and nothing of the other.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let is_home = |home: &Self| Path::new(home.config).exists() || Path::new(home.state_dir).exists();
        if !is_home(&LINUX) && is_home(&ANDROID) {
            ANDROID
        } else {
            LINUX
        }
    }
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What is looked at: arguments of `serve`, as they are given there.
#[derive(Debug, Clone, Args)]
pub struct Look {
    /// Directory with the bridge's two sockets.
    ///
    /// Default: /var/lib/socketd/run/bridge, on a phone with the module /dev/socketd/bridge.
    #[arg(long, value_name = "DIR", conflicts_with = "stock")]
    pub bridge_dir: Option<PathBuf>,

    /// Instead of that, a bridge that speaks version 1 of the protocol.
    #[arg(long = "bridge", value_name = "ADDRESS")]
    pub stock: Option<StockAddress>,

    /// Where socketd listens, with the options that `serve` is given. May be given several times.
    ///
    /// Default, where there is no configuration file either: unix:///run/socketd/docker.sock.
    #[arg(long, value_name = "URL")]
    pub listen: Vec<Listen>,

    /// The configuration file of `serve`.
    ///
    /// Default: /etc/socketd/socketd.toml if it is there, on a phone with the module
    /// /data/adb/socketd/etc/socketd.toml.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where /metrics and /_socketd/health are served and nothing else. May be given several times.
    #[arg(long, value_name = "URL")]
    pub metrics_listen: Vec<Listen>,

    /// Who `serve` becomes when started as root.
    #[arg(long, value_name = "UID[:GID]", default_value_t = Identity::default())]
    pub user: Identity,

    /// Group whose members may use the unix sockets.
    #[arg(long, value_name = "GID|NAME")]
    pub socket_group: Option<Group>,

    /// How to write what was found.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

impl Look {
    /// Arguments of the `serve` that is looked at, with what lies in its usual places on this machine.
    #[must_use]
    pub fn serve(&self, home: Home) -> Serve {
        let usual = Path::new(home.config);
        let config = match &self.config {
            // Who names listeners means these alone.
            None if self.listen.is_empty() && usual.exists() => Some(usual.to_owned()),
            given => given.clone(),
        };
        let mut listen = self.listen.clone();
        if listen.is_empty() && config.is_none() {
            listen.extend(format!("unix://{}", home.socket).parse::<Listen>());
        }
        let bridge_dir = match (&self.bridge_dir, &self.stock) {
            (None, None) => Some(home.bridge_dir.into()),
            (given, _) => given.clone(),
        };
        Serve {
            bridge: Bridge {
                bridge_dir,
                stock: self.stock.clone(),
            },
            listen,
            config,
            metrics_listen: self.metrics_listen.clone(),
            limit: Vec::new(),
            host_name: Vec::new(),
            allow_origin: Vec::new(),
            user: self.user,
            socket_group: self.socket_group.clone(),
            with_parent: false,
            log_format: LogFormat::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn check(arguments: &[&str], expected: Option<(&str, &[&str])>) {
        let all = [&["socketd", "status"], arguments].concat();
        let found = Cli::try_parse_from(all).ok().and_then(|cli| match cli.command {
            Command::Status(look) => {
                let serve = look.serve(Home {
                    config: "/nonexistent/socketd.toml",
                    ..LINUX
                });
                let listen: Vec<_> = serve.listen.iter().map(ToString::to_string).collect();
                let bridge = serve.bridge;
                let bridge = bridge.bridge_dir.map(|dir| dir.display().to_string());
                Some((bridge.unwrap_or_else(|| "stock".to_owned()), listen))
            }
            _ => None,
        });
        let expected = expected.map(|(bridge, listen)| {
            let listen = listen.iter().map(|&url| url.to_owned()).collect();
            (bridge.to_owned(), listen)
        });
        assert_eq!(found, expected, "{arguments:?}");
    }

    #[test]
    fn what_is_not_said_is_where_packages_put_it() {
        let usual: &[&str] = &["unix:///run/socketd/docker.sock"];
        check(&[], Some(("/var/lib/socketd/run/bridge", usual)));
        check(&["--bridge-dir", "/b"], Some(("/b", usual)));
        check(&["--bridge", "dsap:@b"], Some(("stock", usual)));
        check(&["--bridge", "dsap:@b", "--bridge-dir", "/b"], None);
        check(
            &["--listen", "tcp://127.0.0.1:1"],
            Some(("/var/lib/socketd/run/bridge", &["tcp://127.0.0.1:1"])),
        );
        check(
            &["--config", "/c.toml"],
            Some(("/var/lib/socketd/run/bridge", &[])),
        );
    }
}
