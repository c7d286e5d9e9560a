//! The processes of a container, as its control groups name them.

use wire::ContainerId;
use wire::stats::ProcessInfo;

use super::super::processes::{in_namespace_of, list};
use super::NativeRuntime;
use crate::limits::PROCESSES_MAX;
use crate::shim::cgroup::Groups;
use crate::shim::record::Run;

impl NativeRuntime {
    /// One that ends meanwhile is left out.
    pub(super) fn list_processes(&self, id: &ContainerId, run: &Run) -> Vec<ProcessInfo> {
        let pids = Groups::of(&self.layout, id).processes(PROCESSES_MAX);
        list(pids.unwrap_or_else(|| in_namespace_of(run.pid)))
    }
}
