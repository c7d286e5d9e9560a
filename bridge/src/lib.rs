//! The root side of socketd: small, dull, and the only part with power.
//!
//! It answers typed binary requests on two unix sockets, keeps the journal of everything that
//! happens to containers, and runs them. It must not know: HTTP, JSON, or any client's words.
//!
//! - `listen`, `peer`, `places`, `gate`, `inbox`, `session`, `dispatch`: one request, from a socket to an answer;
//! - [`ceiling`]: the most that may ever be asked, whichever the door;
//! - `dsap`: the same for those who speak version 1 of the protocol;
//! - `supervise`, `inventory`, `publish`: one change, from a runtime to everybody;
//! - [`runtime`]: what runs containers; `shim`, `unpack`, `pack`, `relay`: its helpers in processes of their own;
//! - [`chronicle`]: the journal, read by people;
//! - [`fence`]: what the bridge gives up of itself; `launcher`: who starts programs nevertheless;
//! - `sys`: the only `unsafe`.

pub mod ceiling;
pub mod chronicle;
mod client;
mod clock;
mod complaints;
pub mod config;
mod dispatch;
pub mod down;
mod dsap;
pub mod fence;
mod gate;
mod host;
mod inbox;
mod inventory;
mod launcher;
mod limits;
mod listen;
mod lock;
mod networks;
mod pace;
pub mod pack;
mod peer;
mod places;
mod publish;
pub mod relay;
pub mod runtime;
pub mod serve;
mod session;
pub mod shim;
mod signal;
mod supervise;
pub mod sys;
mod systemd;
pub mod tree;
pub mod unpack;
pub mod up;

use std::sync::Arc;

use supervise::Supervisor;
use wire::Info;
use wire::info::JournalInfo;

/// Everything a request can reach.
#[derive(Debug)]
pub(crate) struct Bridge {
    supervisor: Arc<Supervisor>,
    /// What does not change while the bridge runs.
    facts: Info,
}

impl Bridge {
    /// Host and bridge, as they are now.
    fn info(&self) -> Info {
        let ledger = self.supervisor.ledger();
        let bounds = ledger.bounds();
        Info {
            journal: JournalInfo {
                first_sequence: bounds.first_retained,
                last_sequence: bounds.last_sequence,
                failure: ledger.failure().unwrap_or_default(),
            },
            networks: networks::all(&self.facts, self.supervisor.networks()),
            ..self.facts.clone()
        }
    }
}
