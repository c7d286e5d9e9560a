//! The thread that starts all other programs.
//!
//! The threads that read what peers send may not start any: their filter forbids it, and what they
//! started would have that filter. So they hand the finished command to a thread that has none and does
//! nothing else. It also lives as long as the bridge: a helper that asks the kernel to be killed with its
//! parent is killed when that thread ends, not when some session does.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// A command, and where to say what became of it.
type Order = (Command, SyncSender<io::Result<Child>>);

static LAUNCHER: OnceLock<Sender<Order>> = OnceLock::new();

/// Starts the thread, unless there is one. To be called before any thread is fenced in.
///
/// # Errors
/// What the system said.
pub(crate) fn begin() -> io::Result<()> {
    let (orders, waiting) = channel();
    if LAUNCHER.set(orders).is_ok() {
        thread::Builder::new()
            .name("launcher".to_owned())
            .spawn(move || launch(&waiting))?;
    }
    Ok(())
}

fn launch(orders: &Receiver<Order>) {
    for (mut command, answer) in orders {
        let started = command.spawn();
        // The child's ends of pipes and sockets: who asked waits for them to close.
        drop(command);
        // Who asked waits for this.
        let _ = answer.send(started);
    }
}

/// Starts a program: in the launcher's thread, or in this one where nobody has begun to be fenced in.
///
/// # Errors
/// What the system said.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    let Some(launcher) = LAUNCHER.get() else {
        return command.spawn();
    };
    let gone = || io::Error::other("nobody starts programs any more");
    let (answer, started) = sync_channel(1);
    launcher.send((command, answer)).map_err(|_| gone())?;
    started.recv().map_err(|_| gone())?
}
