//! A program in a terminal, driven as a person would.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::pty::{Winsize, openpty};

use crate::pace;

/// Time for an answer to appear.
const LIMIT: Duration = Duration::from_secs(15);

/// A terminal and the program in it.
#[derive(Debug)]
pub struct Terminal {
    keyboard: File,
    /// Everything that was shown, line ends and control sequences included.
    shown: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    child: Child,
    /// Its device.
    path: String,
}

impl Terminal {
    /// Runs a command with a terminal of 24 rows and 80 columns of its own.
    ///
    /// # Panics
    /// When it cannot be run; `setsid` is part of every Debian.
    pub fn run(command: &Command) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let ends = openpty(Some(&size), None).unwrap();
        let path = nix::unistd::ttyname(ends.slave.as_fd()).unwrap();
        let slave = || ends.slave.try_clone().unwrap();
        let mut child = Command::new("setsid");
        child.args(["--ctty", "--wait"]).arg(command.get_program());
        child.args(command.get_args()).env("TERM", "xterm");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => child.env(name, value),
                None => child.env_remove(name),
            };
        }
        let child = child
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .unwrap();
        drop(ends.slave);
        let keyboard = File::from(ends.master);
        let shown = Arc::new(Mutex::new(String::new()));
        let reader = {
            let (mut screen, shown) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                // A terminal without a program answers with an error.
                while let Ok(count) = screen.read(&mut bytes) {
                    if count == 0 {
                        break;
                    }
                    let text = String::from_utf8_lossy(&bytes[..count]);
                    shown.lock().unwrap().push_str(&text);
                }
            })
        };
        Self {
            keyboard,
            shown,
            reader: Some(reader),
            child,
            path: path.display().to_string(),
        }
    }

    /// Types.
    ///
    /// # Panics
    /// When nobody is there any more.
    #[track_caller]
    pub fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a text has appeared, and takes everything up to its end.
    ///
    /// # Panics
    /// When it does not appear.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let what = format!("{text:?} appears");
        let shown = &self.shown;
        let found = move || {
            let mut shown = shown.lock().unwrap();
            let at = shown.find(text)? + text.len();
            Some(shown.drain(..at).collect::<String>())
        };
        pace::until(&what, LIMIT, found)
    }

    /// Gives the window another size.
    ///
    /// # Panics
    /// When there is no `stty`.
    #[track_caller]
    pub fn resize(&self, rows: u16, columns: u16) {
        let (rows, columns) = (rows.to_string(), columns.to_string());
        let status = Command::new("stty")
            .args(["-F", &self.path, "rows", &rows, "cols", &columns])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the program's end and gives its exit code.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn end(&mut self) -> i32 {
        let child = &mut self.child;
        let status = pace::until("the program ends", LIMIT, || child.try_wait().unwrap());
        status.code().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take()
            && thread::panicking()
        {
            drop(reader);
            let shown = self.shown.lock().map(|shown| shown.clone()).unwrap_or_default();
            // Into the captured output of the test that fails.
            let _ = writeln!(std::io::stderr(), "shown last: {shown:?}");
        }
    }
}
