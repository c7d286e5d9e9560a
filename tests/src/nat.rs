//! Two networks and the translator between them, as a phone's operator has one: whoever is inside dials out, nobody
//! dials in.
//!
//! Each is a network namespace held by one process of ours, so nothing is left of them when those have ended.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::pace;

/// Where a server is that everybody may dial.
pub const OUTSIDE: &str = "192.0.2.2";
/// Where a device is that nobody can dial.
pub const INSIDE: &str = "10.77.0.2";

/// Time for a namespace to be there.
const LIMIT: Duration = Duration::from_secs(20);

/// What the translator lets through: what goes out, and what comes back for it. `{0}` is one rule more.
const RULES: &str = "flush ruleset
table ip operator {
    chain forward {
        type filter hook forward priority 0; policy drop;
        {0}
        iifname inside accept
        ct state established,related accept
    }
    chain postrouting {
        type nat hook postrouting priority 100;
        oifname outside masquerade
    }
}";

/// The networks. They end with it.
#[derive(Debug)]
pub struct Nat {
    outside: Namespace,
    translator: Namespace,
    inside: Namespace,
}

impl Nat {
    /// Makes both networks and what is between them.
    ///
    /// # Panics
    /// When this is not root, or the kernel has none of it.
    pub fn start() -> Self {
        let nat = Self {
            outside: Namespace::start(),
            translator: Namespace::start(),
            inside: Namespace::start(),
        };
        for (name, far) in [("outside", &nat.outside), ("inside", &nat.inside)] {
            nat.translator.ip(&format!(
                "link add {name} type veth peer name wire netns {}",
                far.pid()
            ));
        }
        nat.outside.address("wire", &format!("{OUTSIDE}/24"));
        nat.translator.address("outside", "192.0.2.1/24");
        nat.translator.address("inside", "10.77.0.1/24");
        nat.inside.address("wire", &format!("{INSIDE}/24"));
        nat.inside.ip("route add default via 10.77.0.1");
        // The way in exists as far as routes go: it is the translator that has it closed.
        nat.outside.ip("route add 10.77.0.0/24 via 192.0.2.1");
        let forward = "echo 1 >/proc/sys/net/ipv4/ip_forward";
        run(nat.translator.command("sh").args(["-c", forward]));
        nat.mend();
        nat
    }

    /// A command where servers are.
    pub fn outside(&self, program: impl AsRef<OsStr>) -> Command {
        self.outside.command(program)
    }

    /// A command where devices are.
    pub fn inside(&self, program: impl AsRef<OsStr>) -> Command {
        self.inside.command(program)
    }

    /// Lets nothing through any more: whoever says something is told that the connection is over.
    ///
    /// # Panics
    /// When the rules are not taken.
    pub fn cut(&self) {
        self.rules("meta l4proto tcp reject with tcp reset");
    }

    /// Lets everything through that goes out, as at first.
    ///
    /// # Panics
    /// When the rules are not taken.
    pub fn mend(&self) {
        self.rules("");
    }

    fn rules(&self, first: &str) {
        let mut nft = self.translator.command("nft");
        run(nft.arg(RULES.replace("{0}", first)));
    }
}

/// A network namespace, and the process that holds it.
#[derive(Debug)]
struct Namespace {
    holder: Child,
}

impl Namespace {
    fn start() -> Self {
        let holder = Command::new("unshare")
            // It ends with the test, however that ends.
            .args(["--net", "setpriv", "--pdeathsig", "KILL", "sleep", "100000"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let namespace = Self { holder };
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        pace::until("a network of its own", LIMIT, || {
            (fs::read_link(namespace.path()).ok()? != own).then_some(())
        });
        namespace.ip("link set lo up");
        namespace
    }

    fn pid(&self) -> u32 {
        self.holder.id()
    }

    fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.pid()).into()
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        let mut net = OsString::from("--net=");
        net.push(self.path());
        command.arg(net).arg("--").arg(program);
        command
    }

    fn ip(&self, arguments: &str) {
        run(self.command("ip").args(arguments.split(' ')));
    }

    fn address(&self, link: &str, address: &str) {
        self.ip(&format!("address add {address} dev {link}"));
        self.ip(&format!("link set {link} up"));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}
