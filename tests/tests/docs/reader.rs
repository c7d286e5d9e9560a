//! Somebody who does what a document says, line by line.

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::binaries::binaries;

use crate::blocks::{Block, Exchange};
use crate::machine::Machine;
use crate::session::{Served, Session};
use crate::tables::{BY_HAND, ELSEWHERE, FOLLOWING, Kind, LANGUAGES, OTHERWISE, SERVING};

/// Where the two configuration files lie.
const CONFIG: &str = "/etc/socketd/socketd.toml";
const CEILING: &str = "/etc/socketd/bridge.toml";

/// The reader, with a machine.
pub(crate) struct Reader {
    // Before the machine: it has files open there.
    session: Session,
    /// What serves by now, each with what is behind it before it.
    served: Vec<(Kind, Served)>,
    _machine: Machine,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let machine = Machine::new();
        Self {
            session: Session::new(&machine.dir, &machine.path()),
            served: Vec::new(),
            _machine: machine,
        }
    }

    /// Does what one block says.
    pub(crate) fn take(&mut self, block: &Block) {
        match block.language.as_str() {
            "sh" => {
                for line in block.commands() {
                    self.obey(&block.place, &line);
                }
            }
            "console" => {
                for exchange in block.exchanges() {
                    self.compare(&block.place, &exchange);
                }
            }
            "toml" => self.configure(block),
            "json" => {
                let read = serde_json::from_str::<serde_json::Value>(&block.text);
                assert!(read.is_ok(), "{}: {read:?}", block.place);
            }
            other => assert!(
                LANGUAGES.iter().any(|(language, _)| *language == other),
                "{}: a block of {other:?}, which nobody here can read",
                block.place
            ),
        }
    }

    /// Does what one line says; it must succeed.
    pub(crate) fn obey(&mut self, place: &str, line: &str) {
        if ELSEWHERE.iter().any(|(elsewhere, _)| line.starts_with(elsewhere)) {
            return;
        }
        let asked = otherwise(line);
        if let Some((_, kind, ready)) = SERVING.iter().find(|(part, _, _)| asked.contains(part)) {
            self.serve(&asked, *kind, ready);
            return;
        }
        let following = FOLLOWING.iter().find(|(part, _, _)| asked.contains(part));
        let (run, may_be): (String, &[i32]) = match following {
            Some((_, how, statuses)) => (how.replace("{}", &asked), statuses),
            None => (asked.clone(), &[0]),
        };
        let (status, text) = self.session.run(&run);
        assert!(
            may_be.contains(&status),
            "{place}: {line}\nends with {status}:\n{text}\n{}",
            self.logs()
        );
        for (command, by_hand, _) in BY_HAND {
            if line.starts_with(command) {
                let (status, text) = self.session.run(by_hand);
                assert_eq!(status, 0, "{by_hand}: {text}");
            }
        }
    }

    /// Does what one line says; it must print what is shown.
    fn compare(&mut self, place: &str, Exchange { command, shown }: &Exchange) {
        let (_, text) = self.session.run(&otherwise(command));
        let spaced = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(shown) = shown {
            assert!(
                text.lines().any(|line| spaced(line) == spaced(shown)),
                "{place}: {command}\nshows\n{shown}\nand prints\n{text}\n{}",
                self.logs()
            );
        }
    }

    /// What serves takes the place of its like.
    fn serve(&mut self, line: &str, kind: Kind, ready: &str) {
        if let Some(at) = self.served.iter().position(|(former, _)| *former == kind) {
            let (_, former) = self.served.remove(at);
            self.session.end(former);
        }
        let served = self.session.serve(line, ready);
        self.served.push((kind, served));
    }

    /// Has a configuration file read by the program whose it is; in its place, where the text says that it lies there.
    fn configure(&mut self, block: &Block) {
        let text = otherwise(&block.text);
        if block.said.contains(CEILING) {
            assert!(!Path::new(CEILING).exists(), "{}: a second ceiling", block.place);
            fs::write(CEILING, &text).unwrap();
            let bridge = self.served.iter().find(|(kind, _)| *kind == Kind::Bridge);
            let bridge = bridge.unwrap_or_else(|| panic!("{}: no bridge runs", block.place));
            let line = bridge.1.line.clone();
            let (_, kind, ready) = SERVING.iter().find(|(part, _, _)| line.contains(part)).unwrap();
            self.serve(&line, *kind, ready);
            return;
        }
        let path = if block.said.contains(CONFIG) {
            CONFIG
        } else {
            "/etc/socketd/only-read.toml"
        };
        fs::write(path, &text).unwrap();
        let (_, said) = self.session.run(&format!("socketd doctor --config {path}"));
        let row = said.lines().find(|line| line.contains(" configuration "));
        assert!(
            row.is_some_and(|row| row.starts_with("ok ")),
            "{}: {row:?}",
            block.place
        );
    }

    fn logs(&self) -> String {
        let served = self.served.iter();
        served
            .map(|(_, served)| format!("{}:\n{}\n", served.line, served.log()))
            .collect()
    }

    /// Stops daemons and containers; nothing is left.
    pub(crate) fn leave(mut self) {
        while let Some((_, served)) = self.served.pop() {
            self.session.end(served);
        }
        // Without a bridge, for the last one need not have known of all containers.
        let (status, text) = self.session.run("socketd-bridge down");
        assert_eq!(status, 0, "{text}");
    }
}

impl Drop for Reader {
    /// After a failure, which is told already.
    fn drop(&mut self) {
        for (_, served) in &self.served {
            served.kill();
        }
        let _ = Command::new(&binaries().bridge).arg("down").output();
    }
}

fn otherwise(line: &str) -> String {
    OTHERWISE
        .iter()
        .fold(line.to_owned(), |line, (text, here, _)| line.replace(text, here))
}
