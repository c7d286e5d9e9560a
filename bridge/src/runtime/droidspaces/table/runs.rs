//! Which containers run: begins and ends, and what they were.

use std::time::{Duration, Instant};

use super::super::chain::Chain;
use super::super::entry::{Ended, Ending, Entry, Facts, exit};
use super::super::limits::{BOOT_TICK, NOTICED_MAX, REBOOT_MAX, SETTLE_MAX, SETTLE_TICK};
use super::super::living::{Claim, Run, behind, claim, time_of};
use super::super::lock_file::is_locked;
use super::super::monitor_log::Mark;
use super::super::notes::RunNote;
use super::{Follower, Table};
use crate::clock;
use crate::runtime::{Change, Started};
use crate::sys::pidfd;

/// What a container's first process ends by when it starts again from within: the kernel's answer to
/// `reboot` in a process namespace.
const REBOOT_EXIT: u32 = 128 + 1;

impl Table {
    /// What its pidfile leads to, where that is another run than the one that is known.
    pub(super) fn new_run(&mut self, directory: &str) -> Option<Run> {
        let entry = self.entries.get_mut(directory)?;
        let safe = entry.safe_name();
        // Before the look, so that not even the end of the shortest run is noted before it.
        let mark = Mark::end_of(&self.workspace.monitor_log(&safe));
        let pidfile = self.workspace.sidecar(&safe, "pid");
        let (pid, ticks) = match claim(&pidfile, &entry.facts.config.uuid) {
            Claim::Nobody => {
                entry.booting = None;
                return None;
            }
            // A run that was known as its own stays that, whatever it has made of its mark since.
            Claim::Stranger { pid, ticks, .. }
                if noted_as(&self.noted, pid, ticks).is_some_and(|note| note.id == entry.id) =>
            {
                (pid, ticks)
            }
            Claim::Stranger { pid, why, .. } => {
                entry.doubt(pid, why);
                return None;
            }
            Claim::Lives { pid, ticks } => (pid, ticks),
        };
        if entry
            .run
            .as_ref()
            .is_some_and(|run| (run.pid, run.ticks) == (pid, ticks))
        {
            return None;
        }
        let id = entry.id;
        let since_boot_ns = behind(entry.since_boot_ns, ticks);
        let noted = noted_as(&self.noted, pid, ticks);
        let started_at = noted.map_or_else(|| time_of(ticks), |note| note.started_at);
        // One process is one container's: a mark that another forged does not make it two, nor the other's.
        let taken = self.entries.values().any(|other| {
            let runs = |run: &Run| (run.pid, run.ticks) == (pid, ticks);
            let ran = noted.is_some_and(|note| note.id == other.id && other.id != id);
            ran || other.run.as_ref().is_some_and(runs)
        });
        if taken {
            if let Some(entry) = self.entries.get_mut(directory) {
                entry.doubt(pid, "it is another container's");
            }
            return None;
        }
        Some(Run {
            pid,
            ticks,
            started_at,
            since_boot_ns,
            handle: pidfd::open(pid).ok(),
            mark,
            chain: Chain::of(pid),
        })
    }

    pub(super) fn begin_run(&mut self, directory: &str, run: Run, follower: &dyn Follower) {
        self.next_token += 1;
        let token = self.next_token;
        let Some(entry) = self.entries.get_mut(directory) else {
            return;
        };
        let safe = entry.safe_name();
        follower.follow(token, &run);
        entry.mark = run.mark;
        entry.oom_kills = self.workspace.oom_kills(&safe);
        follower.begun(&safe, &run);
        entry.token = token;
        entry.since_boot_ns = run.since_boot_ns;
        entry.run = Some(run);
        entry.stranger = None;
        entry.booting = None;
    }

    /// Whether it runs, and whether as before.
    pub(in crate::runtime::droidspaces) fn look_at_run(&mut self, directory: &str, follower: &dyn Follower) {
        let fresh = self.new_run(directory);
        let Some(entry) = self.entries.get_mut(directory) else {
            return;
        };
        if entry
            .run
            .as_ref()
            .is_some_and(|run| fresh.is_some() || !run.lives())
        {
            self.begin_ending(directory, follower);
        }
        let Some(run) = fresh else { return };
        let again = self.is_again(directory);
        self.settle(directory, again.then_some(REBOOT_EXIT), true, follower);
        let started = Started {
            pid: run.pid,
            started_at: run.started_at,
            since_boot_ns: run.since_boot_ns,
            became: None,
        };
        self.begin_run(directory, run, follower);
        self.keep_notes();
        if let Some(entry) = self.entries.get(directory) {
            self.tell(Change::Started {
                id: entry.id,
                started,
                again,
            });
        }
    }

    /// Whether a start is the second half of one that began with the last end: the monitor noted no end,
    /// and nobody from outside holds the container's lock.
    fn is_again(&self, directory: &str) -> bool {
        let Some(entry) = self.entries.get(directory) else {
            return false;
        };
        let from_within = |ended: Ended| !ended.by_others && ended.at.elapsed() < REBOOT_MAX;
        let possible = match &entry.ending {
            Some(ending) => !ending.locked,
            None => entry.ended.is_some_and(from_within),
        };
        if !possible {
            return false;
        }
        let safe = entry.safe_name();
        let noted = entry
            .mark
            .exit_since(&self.workspace.monitor_log(&safe))
            .is_some();
        !noted && !is_locked(&self.workspace.note(&safe, "lock"))
    }

    /// A run was seen to end; by its number.
    pub(in crate::runtime::droidspaces) fn run_ended(&mut self, token: u64, follower: &dyn Follower) {
        let of_it = |entry: &&Entry| entry.token == token && entry.run.is_some();
        let directory = self
            .entries
            .values()
            .find(of_it)
            .map(|entry| entry.directory.clone());
        if let Some(directory) = directory {
            self.begin_ending(&directory, follower);
            self.settle_or_wait(&directory, follower);
        }
    }

    fn begin_ending(&mut self, directory: &str, follower: &dyn Follower) {
        let Some(entry) = self.entries.get_mut(directory) else {
            return;
        };
        let Some(run) = entry.run.take() else { return };
        follower.let_go(entry.token, &run);
        let safe = entry.safe_name();
        entry.ending = Some(Ending {
            oom: self.workspace.oom_kills(&safe) > entry.oom_kills,
            locked: is_locked(&self.workspace.note(&safe, "lock")),
            at: clock::now(),
            since_boot_ns: run.since_boot_ns,
            chain: run.chain,
            deadline: Instant::now() + SETTLE_MAX,
            last: Instant::now() + NOTICED_MAX,
        });
        let image = entry.image;
        // What ran has written.
        self.images.measure_again(image);
        self.measurer.wake();
        self.keep_notes();
    }

    /// Tells an end whose reason is known, or that has waited long enough for it.
    fn settle_or_wait(&mut self, directory: &str, follower: &dyn Follower) {
        self.settle(directory, None, false, follower);
        let waits = self
            .entries
            .get(directory)
            .is_some_and(|entry| entry.ending.is_some());
        if waits {
            self.look_at_run(directory, follower);
        }
        let now = Instant::now();
        let ending = self
            .entries
            .get_mut(directory)
            .and_then(|entry| entry.ending.as_mut());
        let late = ending.is_some_and(|ending| {
            if ending.chain.holds() {
                // The monitor gets its time from when it can know.
                ending.deadline = ending.deadline.max(now + SETTLE_MAX / 2);
            }
            ending.deadline <= now || ending.last <= now
        });
        if late {
            self.settle(directory, None, true, follower);
        }
        self.catch_up(directory, follower);
    }

    /// Takes in what was written while it ran.
    fn catch_up(&mut self, directory: &str, follower: &dyn Follower) {
        let rests = |entry: &Entry| entry.run.is_none() && entry.ending.is_none();
        if !self.entries.get(directory).is_some_and(rests) {
            return;
        }
        if let Some(facts) = Facts::read(&self.workspace, directory)
            && self.alter(directory, facts)
        {
            // A new run may carry the mark that it has only now.
            self.look_at_run(directory, follower);
        }
    }

    /// Tells an end if its reason is noted, or `known`; `now`: in any case.
    fn settle(&mut self, directory: &str, known: Option<u32>, now: bool, follower: &dyn Follower) {
        let Some(entry) = self.entries.get_mut(directory) else {
            return;
        };
        let Some(ending) = &entry.ending else { return };
        let log = self.workspace.monitor_log(&entry.safe_name());
        let noted = entry.mark.exit_since(&log);
        if noted.is_none() && !now {
            return;
        }
        let change = Change::Exited {
            id: entry.id,
            exit: exit(noted.or(known), ending.oom),
            finished_at: ending.at,
            since_boot_ns: ending.since_boot_ns,
        };
        entry.ended = Some(Ended {
            at: Instant::now(),
            by_others: noted.is_some() || ending.locked,
        });
        entry.ending = None;
        let (id, safe) = (entry.id, entry.safe_name());
        self.tell(change);
        follower.over(&id, &safe);
    }

    /// Whether an end or a begin waits to be told.
    pub(in crate::runtime::droidspaces) fn is_waiting(&self) -> bool {
        let waits = |entry: &Entry| entry.ending.is_some() || entry.booting.is_some();
        self.entries.values().any(waits)
    }

    /// Tells every end and every begin that can be told. How long until it should be tried again; none where nothing waits.
    pub(in crate::runtime::droidspaces) fn settle_all(
        &mut self,
        follower: &dyn Follower,
    ) -> Option<Duration> {
        let waiting = self.entries.values().filter(|entry| entry.ending.is_some());
        let waiting: Vec<String> = waiting.map(|entry| entry.directory.clone()).collect();
        for directory in &waiting {
            self.settle_or_wait(directory, follower);
        }
        let booting = self.entries.values().filter(|entry| entry.booting.is_some());
        let booting: Vec<String> = booting.map(|entry| entry.directory.clone()).collect();
        for directory in &booting {
            self.look_at_run(directory, follower);
        }
        let any = |waits: fn(&Entry) -> bool| self.entries.values().any(waits);
        if any(|entry| entry.ending.is_some()) {
            Some(SETTLE_TICK)
        } else {
            any(|entry| entry.booting.is_some()).then_some(BOOT_TICK)
        }
    }

    /// Looks after the runs whose end the kernel does not tell. Whether there are any.
    pub(in crate::runtime::droidspaces) fn look_after(&mut self, follower: &dyn Follower) -> bool {
        let untold = |entry: &&Entry| entry.run.as_ref().is_some_and(|run| run.handle.is_none());
        let directories: Vec<String> = self
            .entries
            .values()
            .filter(untold)
            .map(|entry| entry.directory.clone())
            .collect();
        for directory in &directories {
            self.look_at_run(directory, follower);
            self.settle_or_wait(directory, follower);
        }
        self.entries.values().any(|entry| untold(&entry))
    }
}

/// What an earlier bridge noted of this process.
fn noted_as(noted: &[RunNote], pid: u32, ticks: u64) -> Option<&RunNote> {
    noted.iter().find(|note| (note.pid, note.ticks) == (pid, ticks))
}
