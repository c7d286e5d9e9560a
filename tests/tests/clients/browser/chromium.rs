//! Headless Chromium, with a folder of its own and an end.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use harness::pair::new_dir;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// What it must not do or ask for here: a sandbox that root cannot have, other machines, and more memory than
/// a small page needs.
const ARGUMENTS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--no-proxy-server",
    "--no-pings",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--password-store=basic",
    "--renderer-process-limit=2",
    "--js-flags=--max-old-space-size=128",
    // Every name is this machine: nobody else is asked, and the page's name leads here.
    "--host-resolver-rules=MAP * 127.0.0.1",
];

/// A browser that shows one page. Ended, with all its processes, when dropped.
pub(crate) struct Chromium {
    child: Child,
    dir: PathBuf,
}

impl Chromium {
    /// Opens a page.
    ///
    /// # Panics
    /// When there is no such browser.
    pub(crate) fn open(address: &str) -> Self {
        let dir = new_dir();
        let log = File::create(dir.join("log")).unwrap();
        let child = Command::new("chromium")
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", dir.join("profile").display()))
            .arg(address)
            .env("HOME", &dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("There is no chromium ({error}): install it (apt-get install chromium).")
        });
        Self { child, dir }
    }

    /// Ends it; what it complained about.
    pub(crate) fn end(&mut self) -> String {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        // It may have ended by itself, with all of its processes.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.end();
        // A process that is just ending may still write there: tried until it is gone.
        for _ in 0..100 {
            if fs::remove_dir_all(&self.dir).is_ok() {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
    }
}
