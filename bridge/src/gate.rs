//! Who may ask what: a table one can print.
//!
//! The file system's owner and mode of the two sockets say it first; this says it again.
//! What is not in the table is not permitted.

use wire::Opcode;

use crate::peer::Peer;

/// Through which socket a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// `watch.sock`: ask and subscribe.
    Watch,
    /// `control.sock`: act.
    Control,
}

const BOTH: &[Door] = &[Door::Watch, Door::Control];
const WATCH: &[Door] = &[Door::Watch];
const CONTROL: &[Door] = &[Door::Control];

/// Every opcode and the doors it may come through.
pub(crate) const TABLE: &[(Opcode, &[Door])] = &[
    (Opcode::Ping, BOTH),
    (Opcode::Capabilities, BOTH),
    (Opcode::Info, WATCH),
    (Opcode::ListContainers, WATCH),
    (Opcode::InspectContainer, WATCH),
    (Opcode::ListImages, WATCH),
    (Opcode::PollEvents, WATCH),
    (Opcode::Subscribe, WATCH),
    (Opcode::Wait, WATCH),
    (Opcode::DiskUsage, WATCH),
    (Opcode::OpenLog, WATCH),
    (Opcode::ListProcesses, WATCH),
    (Opcode::ReadStats, WATCH),
    (Opcode::ListChanges, WATCH),
    (Opcode::InspectExec, WATCH),
    (Opcode::Create, CONTROL),
    (Opcode::Start, CONTROL),
    (Opcode::Stop, CONTROL),
    (Opcode::Restart, CONTROL),
    (Opcode::Kill, CONTROL),
    (Opcode::Remove, CONTROL),
    (Opcode::Rename, CONTROL),
    (Opcode::Pause, CONTROL),
    (Opcode::Unpause, CONTROL),
    (Opcode::Update, CONTROL),
    (Opcode::CreateExec, CONTROL),
    (Opcode::StartExec, CONTROL),
    (Opcode::HangUpExec, CONTROL),
    (Opcode::Attach, CONTROL),
    (Opcode::OpenInput, CONTROL),
    (Opcode::Resize, CONTROL),
    (Opcode::ImportImage, CONTROL),
    (Opcode::RemoveImage, CONTROL),
    (Opcode::TagImage, CONTROL),
    (Opcode::Commit, CONTROL),
    (Opcode::StatPath, CONTROL),
    (Opcode::ReadArchive, CONTROL),
    (Opcode::WriteArchive, CONTROL),
    (Opcode::Export, CONTROL),
];

/// Which callers are answered at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    /// The user that the front runs as. Root may always ask.
    pub(crate) front_uid: u32,
}

impl Gate {
    /// Whether this peer is answered at all.
    pub(crate) fn admits(self, peer: Peer) -> bool {
        peer.uid == 0 || peer.uid == self.front_uid
    }
}

/// Whether an opcode may come through a door.
pub(crate) fn permits(door: Door, opcode: Opcode) -> bool {
    TABLE
        .iter()
        .any(|(listed, doors)| *listed == opcode && doors.contains(&door))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opcode_is_listed_once() {
        for opcode in Opcode::ALL {
            let times = TABLE.iter().filter(|(listed, _)| listed == opcode).count();
            assert_eq!(times, 1, "{opcode:?}");
        }
    }

    #[test]
    fn nothing_that_acts_comes_through_the_watch_door() {
        for opcode in Opcode::ALL {
            assert_eq!(permits(Door::Watch, *opcode), opcode.number() < 32, "{opcode:?}");
        }
    }

    #[test]
    fn strangers_are_not_admitted() {
        let gate = Gate { front_uid: 60750 };
        let peer = |uid| Peer { uid, gid: 0, pid: 1 };
        assert!(gate.admits(peer(0)));
        assert!(gate.admits(peer(60750)));
        assert!(!gate.admits(peer(1000)));
        assert!(!gate.admits(peer(u32::MAX)));
    }
}
