//! Giving up powers, irrevocably: limits, identity, capabilities, filter. In that order, for each
//! needs powers that a later one takes.

use std::fs;
use std::io;

use caps::{CapSet, CapsHashSet};
use nix::sys::prctl;
use nix::sys::resource::{getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{setgroups, setresgid, setresuid};

use super::users::Identity;
use crate::shim::failure::{Failure, Stage, at};
use crate::shim::plan::ProcessPlan;
use crate::shim::seccomp;
use crate::sys;

/// Sets limits of the process and its standing with the memory killer.
///
/// # Errors
/// [`Failure::invalid`] for more than this machine allows.
pub(super) fn set_limits(plan: &ProcessPlan) -> Result<(), Failure> {
    for &(resource, soft, hard) in &plan.rlimits {
        match setrlimit(resource, soft, hard) {
            Err(nix::errno::Errno::EPERM) => {
                let allowed = getrlimit(resource).map_err(at(Stage::Limits, ""))?.1;
                return Err(Failure::invalid(format_args!(
                    "{resource:?}: a hard limit of {hard} is asked, and this machine allows {allowed}"
                )));
            }
            Err(nix::errno::Errno::EINVAL) => {
                return Err(Failure::invalid(format_args!(
                    "{resource:?}: the kernel refuses {soft}:{hard}"
                )));
            }
            other => other.map_err(at(Stage::Limits, ""))?,
        }
    }
    if plan.oom_score_adjustment != 0 {
        fs::write("/proc/self/oom_score_adj", plan.oom_score_adjustment.to_string()).map_err(|error| {
            Failure::invalid(format_args!(
                "oom score adjustment of {} is refused: {error}",
                plan.oom_score_adjustment
            ))
        })?;
    }
    Ok(())
}

/// Becomes `identity` with `capabilities` of the powers there are, and no more ever again.
///
/// # Errors
/// What the kernel said.
pub(super) fn irrevocably_become(identity: &Identity, plan: &ProcessPlan) -> Result<(), Failure> {
    if !plan.new_privileges {
        prctl::set_no_new_privs().map_err(at(Stage::Capabilities, "no_new_privs"))?;
    }
    let refused = |error: caps::errors::CapsError| {
        Failure::system(Stage::Capabilities, "", &io::Error::other(error.to_string()))
    };
    // What this process does not hold, it cannot give.
    let held = caps::read(None, CapSet::Permitted).map_err(refused)?;
    let kept: CapsHashSet = held.intersection(&plan.capabilities).copied().collect();
    for capability in caps::runtime::thread_all_supported().difference(&kept) {
        if caps::has_cap(None, CapSet::Bounding, *capability).map_err(refused)? {
            caps::drop(None, CapSet::Bounding, *capability).map_err(refused)?;
        }
    }
    let (uid, gid) = (identity.uid, identity.gid);
    prctl::set_keepcaps(true).map_err(at(Stage::Identity, "keep capabilities"))?;
    setgroups(&identity.groups).map_err(at(Stage::Identity, "groups"))?;
    setresgid(gid, gid, gid).map_err(at(Stage::Identity, "group"))?;
    setresuid(uid, uid, uid).map_err(at(Stage::Identity, "user"))?;
    prctl::set_keepcaps(false).map_err(at(Stage::Identity, "keep capabilities"))?;
    // Effective first: it must stay within permitted. Nothing is inheritable, so that no file's
    // inheritable set can bring back what was dropped.
    caps::clear(None, CapSet::Inheritable).map_err(refused)?;
    caps::set(None, CapSet::Effective, &kept).map_err(refused)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(refused)?;
    // The kernel forgets this wish with every change of identity.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(at(Stage::Identity, "parent death signal"))
}

/// Filters system calls. The last act before the command, because setting up needs calls that the
/// filter denies.
///
/// # Errors
/// What the kernel said; a kernel that knows no filters is no error, for create warned about it.
pub(super) fn irrevocably_filter(plan: &ProcessPlan) -> Result<(), Failure> {
    if plan.filtered {
        irrevocably_filter_for(&plan.capabilities)
    } else {
        Ok(())
    }
}

/// The same, for a process with these powers.
///
/// # Errors
/// As [`irrevocably_filter`].
pub(super) fn irrevocably_filter_for(powers: &CapsHashSet) -> Result<(), Failure> {
    for program in seccomp::programs(powers)? {
        match sys::filter::irrevocably_filter(&program) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) && !sys::filter::is_known() => {
                return Ok(());
            }
            other => other.map_err(at(Stage::Filter, ""))?,
        }
    }
    Ok(())
}
