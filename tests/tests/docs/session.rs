//! A shell that is given one line after the other, as a reader types them: variables and the folder stay.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use harness::pace;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Time for any command.
const LIMIT: Duration = Duration::from_secs(60);
/// What the shell says when a line is done.
const DONE: &str = "::done ";

/// The shell.
pub(crate) struct Session {
    dir: PathBuf,
    shell: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    count: usize,
}

/// A program that goes on beside the shell, with its whole process group.
#[derive(Debug)]
pub(crate) struct Served {
    group: Pid,
    log: PathBuf,
    /// The line that started it.
    pub(crate) line: String,
}

impl Session {
    /// In this folder, with programs from that one alone.
    pub(crate) fn new(dir: &Path, programs: &Path) -> Self {
        let mut shell = Command::new("/bin/sh")
            .current_dir(dir)
            .env_clear()
            .env("PATH", programs)
            .env("HOME", dir.join("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("DOCKER_CLI_HINTS", "false")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(shell.stdout.take().unwrap());
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let input = shell.stdin.take().unwrap();
        let mut session = Self {
            dir: dir.to_owned(),
            shell,
            input,
            lines,
            count: 0,
        };
        // What a line sets, the next program has: also one that is started beside the shell.
        session.run("set -a");
        session
    }

    /// A file with one line, for the shell to read: quotes in it are then nobody's concern.
    fn write(&mut self, line: &str) -> PathBuf {
        self.count += 1;
        let path = self.dir.join(format!(".line-{}", self.count));
        fs::write(&path, format!("{line}\n")).unwrap();
        path
    }

    /// Runs a line to its end: its status, and all that it prints.
    #[track_caller]
    pub(crate) fn run(&mut self, line: &str) -> (i32, String) {
        let file = self.write(line);
        writeln!(
            self.input,
            "{{ . {}; }} </dev/null 2>&1; printf '\\n{DONE}%s\\n' $?",
            file.display()
        )
        .unwrap();
        let mut text = String::new();
        loop {
            let said = self.lines.recv_timeout(LIMIT);
            let said = said.unwrap_or_else(|error| panic!("{line}: {error}; so far:\n{text}"));
            match said.strip_prefix(DONE) {
                Some(status) => return (status.parse().unwrap(), text.trim().to_owned()),
                None => {
                    text.push_str(&said);
                    text.push('\n');
                }
            }
        }
    }

    /// Starts a line that goes on, and waits until it has printed this.
    #[track_caller]
    pub(crate) fn serve(&mut self, line: &str, ready: &str) -> Served {
        assert!(
            !line.contains("&&") && !line.contains(';'),
            "{line}: more than one program"
        );
        // The program itself, so that the shell, whose child it is, knows when it is gone.
        let file = self.write(&format!("exec {line}"));
        let log = file.with_extension("log");
        // In a session of its own, by whose number all of it is ended.
        let start = format!("setsid sh {} >{} 2>&1 & echo $!", file.display(), log.display());
        let (status, text) = self.run(&start);
        let pid = text.lines().last().and_then(|line| line.parse().ok());
        assert_eq!(status, 0, "{line}: {text}");
        let served = Served {
            group: Pid::from_raw(pid.unwrap_or_else(|| panic!("{line}: {text}"))),
            log,
            line: line.to_owned(),
        };
        pace::until(line, LIMIT, || {
            let log = served.log();
            let runs = served.states().iter().any(|state| state != "Z");
            assert!(runs || log.contains(ready), "{line} has ended:\n{log}");
            log.contains(ready).then_some(())
        });
        served
    }

    /// Ends what was started, and waits until all of it is gone.
    pub(crate) fn end(&mut self, served: Served) {
        let _ = killpg(served.group, Signal::SIGTERM);
        self.run(&format!("wait {}", served.group));
        pace::until("the end of what was started", LIMIT, || {
            served.states().is_empty().then_some(())
        });
    }
}

impl Served {
    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The states of its processes, as the kernel writes them; `Z` of one that has ended, and that nobody has
    /// asked for yet: its threads may still hold what it held.
    fn states(&self) -> Vec<String> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
        let own = self.group.to_string();
        let state = |stat: String| {
            // A program that was just started is not in its group yet.
            let is_first = stat.split(' ').next() == Some(&own);
            // Behind the name: state, parent, group.
            let mut fields = stat.rsplit(") ").next()?.split(' ');
            let state = fields.next()?.to_owned();
            (is_first || fields.nth(1) == Some(&own)).then_some(state)
        };
        stats.filter_map(state).collect()
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        let _ = killpg(self.group, Signal::SIGKILL);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
