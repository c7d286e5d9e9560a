//! What bridge and packer tell each other: one [`Task`] in, some [`Word`]s out, each a message.

use wire::files::{PathChange, PathStat};
use wire::{numbers, record};

use crate::shim::record::Order;

numbers! {
    /// What is to be done.
    pub enum Work {
        /// Say what is at the path.
        Stat = 1,
        /// Pack what is at the path.
        Read = 2,
        /// Unpack into the directory at the path.
        Write = 3,
        /// Pack the root without what is mounted in it.
        Export = 4,
        /// The same, for an image: without device nodes that no image may hold.
        Commit = 5,
        /// Say what differs from the image.
        Compare = 6,
    }
}

record! {
    /// What a packer is started for.
    pub struct Task {
        /// What is to be done.
        1 => work: Work,
        /// The path, from the container's root.
        2 => path: String,
        /// The container's first process; zero where it does not run.
        3 => pid: u32,
        /// When that process was made, in clock ticks since the machine started.
        4 => started_ticks: u64,
        /// What its root file system is made of.
        5 => order: Order,
        /// The container's directory.
        6 => directory: String,
        /// As in `WriteArchive`.
        7 => keep_kinds: bool,
        /// As in `WriteArchive`.
        8 => keep_owners: bool,
    }
}

numbers! {
    /// What a word says.
    pub enum Verdict {
        /// Something went wrong on the machine.
        System = 1,
        /// What is there; for a tar, it follows now.
        Found = 2,
        /// Some differences; more words follow.
        Differs = 3,
        /// All is done.
        Done = 4,
        /// Nothing is at the path.
        NoSuchPath = 5,
        /// What is at the path is no directory.
        NotADirectory = 6,
        /// Something stands in the way.
        PathConflict = 7,
        /// The file system refuses writing.
        ReadOnly = 8,
        /// The tar is none.
        InvalidArchive = 9,
        /// The process whose root it was is gone.
        NotRunning = 10,
        /// The container has what none may have.
        NotPermitted = 11,
    }
}

record! {
    /// What a packer says.
    pub struct Word {
        /// What it says.
        1 => verdict: Verdict,
        /// What is at the path.
        2 => stat: PathStat,
        /// Differences.
        3 => changes: Vec<PathChange>,
        /// The path it is about, where that is not the one of the task.
        4 => path: String,
        /// Why, in words.
        5 => sentence: String,
        /// The system's error number.
        6 => errno: i32,
    }
}
