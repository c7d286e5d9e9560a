//! The monitor: one per container, from its start to its end. It keeps what the container writes, and
//! says how it ended.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::setsid;

use crate::boot::REBOOT;
use crate::place::Place;
use crate::{Failure, lock, log, pty, state};

/// The name by which people know it.
const NAME: &std::ffi::CStr = c"[ds-monitor]";
/// Signals that do not end it.
const SIGNALS: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGPIPE,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];
/// Bytes after which the file with what the container wrote begins anew.
const CONSOLE_BYTES_MAX: u64 = 2 << 20;
/// How long a container that starts again may take.
const REBOOT_LIMIT: Duration = Duration::from_secs(5);

/// Runs a container from its start to its end, however often it starts again.
pub(crate) fn watch(place: &Place, name: &str) -> Result<u8, Failure> {
    setsid()?;
    prctl::set_name(NAME)?;
    SIGNALS.into_iter().collect::<SigSet>().thread_block()?;
    let mut again = false;
    loop {
        let code = cycle(place, name, again)?;
        let held = lock::is_held(&place.sidecar(name, "lock"));
        if code == REBOOT && !held {
            log::line(place, name, "[monitor] Detected container REBOOT")?;
            again = true;
            continue;
        }
        log::line(
            place,
            name,
            &format!("[monitor] Detected container SHUTDOWN (exit: {code})"),
        )?;
        // Whoever holds the lock clears away itself.
        if !held && place.knob("keep-pid-file").is_none() {
            for extension in ["pid", "init"] {
                let _ = fs::remove_file(place.sidecar(name, extension));
            }
        }
        return Ok(0);
    }
}

/// Runs it once; gives the exit code of the process between.
fn cycle(place: &Place, name: &str, again: bool) -> Result<u8, Failure> {
    let pty::Ends { master, slave } = pty::open(None)?;
    let mut child = Command::new(place.program())
        .args(["@boot", name])
        .stdin(slave.try_clone()?)
        .stdout(slave.try_clone()?)
        .stderr(slave)
        .spawn()?;
    let console = keep(master, place.log_file(name, "console")?);
    if again {
        announce(place, name);
    }
    let status = child.wait()?;
    // It ends with the last process that has the terminal, and all of them ended with the init.
    let _ = console.join();
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

/// Says that a container has started again, as soon as it has.
fn announce(place: &Place, name: &str) {
    let deadline = Instant::now() + REBOOT_LIMIT;
    while Instant::now() < deadline {
        let text = fs::read_to_string(place.sidecar(name, "pid")).unwrap_or_default();
        if text.trim().parse().is_ok_and(state::is_container) {
            if let Some(config) = place.config(name) {
                place.record("restart", &config);
            }
            return;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// Copies what the container writes to a file, until nobody is left to write.
fn keep(mut master: File, path: PathBuf) -> JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut bytes = [0; 4096];
        // A terminal without a writer answers with an error.
        while let Ok(count @ 1..) = master.read(&mut bytes) {
            if file.metadata()?.len() >= CONSOLE_BYTES_MAX {
                file.set_len(0)?;
            }
            file.write_all(&bytes[..count])?;
        }
        Ok(())
    })
}
