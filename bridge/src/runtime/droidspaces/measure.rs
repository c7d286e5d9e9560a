//! One thread that measures root file systems, one after the other, and sleeps when all are measured.
//! A tree of a phone may take seconds to walk: nobody waits for it.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::sync::{Mutex, Weak};
use std::thread;
use std::time::Instant;

use super::images::measure;
use super::limits::MEASURES_TOLD;
use super::table::Table;
use crate::lock::hold;
use crate::runtime::Change;

/// The way to the thread, which ends with it.
#[derive(Debug, Clone)]
pub(super) struct Measurer(SyncSender<()>);

impl Measurer {
    /// The way, and its end for [`start`].
    pub(super) fn new() -> (Self, Receiver<()>) {
        let (wake, woken) = sync_channel(1);
        (Self(wake), woken)
    }

    /// Has it look whether something is to be measured.
    pub(super) fn wake(&self) {
        // Full: it will look anyway.
        let _ = self.0.try_send(());
    }
}

/// Starts the thread.
pub(super) fn start(
    table: Weak<Mutex<Table>>,
    changes: Sender<Change>,
    woken: Receiver<()>,
) -> io::Result<()> {
    thread::Builder::new()
        .name("measure".to_owned())
        .spawn(move || run(&table, &changes, &woken))
        .map(drop)
}

fn run(table: &Weak<Mutex<Table>>, changes: &Sender<Change>, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        let Some(table) = table.upgrade() else { return };
        let (mut changed, mut told) = (false, Instant::now());
        loop {
            let next = hold(&table).images().take_due();
            let Some((id, rootfs)) = next else { break };
            let bytes = measure(&rootfs);
            changed |= hold(&table).images().measured(id, bytes);
            // Many take long: what is known is shown meanwhile.
            if changed && told.elapsed() > MEASURES_TOLD {
                (changed, told) = (false, Instant::now());
                let _ = changes.send(Change::ImagesChanged);
            }
        }
        if changed && changes.send(Change::ImagesChanged).is_err() {
            return;
        }
    }
}
