//! What a container uses: its control groups, its interfaces, and the machine to measure them by.

use wire::ContainerId;
use wire::stats::Stats;

use super::super::RuntimeError;
use super::super::stats::{begin, finish, interfaces_of, ticks};
use super::NativeRuntime;
use crate::shim::cgroup::{Groups, Reader};
use crate::shim::plan::{NetworkPlan, Plan};
use crate::shim::record::Run;

impl NativeRuntime {
    pub(super) fn read_stats(&self, id: &ContainerId, run: &Run) -> Result<Stats, RuntimeError> {
        let plan = Plan::new(&self.config(id)?)?;
        let mut reader = Reader::default();
        let mut stats = begin();
        let ticks = ticks();
        Groups::of(&self.layout, id).usage(&mut reader, ticks, &mut stats);
        finish(&mut reader, ticks, &mut stats);
        if plan.network == NetworkPlan::Own {
            stats.interfaces = interfaces_of(run.pid, &mut reader);
        }
        Ok(stats)
    }
}
