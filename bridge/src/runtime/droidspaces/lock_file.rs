//! The lock that the runtime's own command holds while it stops or restarts a container.

use nix::libc;

use crate::shim::record::boot_id;
use crate::sys::pidfd;

/// Whether a lock file's text, `PID BOOT_ID`, is that of a lock that somebody holds now.
pub(super) fn is_locked(text: &str) -> bool {
    let Some((pid, boot)) = text.split_once(' ') else {
        return false;
    };
    let holder = pid.trim().parse::<u32>();
    boot.trim() == boot_id() && holder.is_ok_and(lives)
}

fn lives(pid: u32) -> bool {
    match pidfd::start_ticks(pid) {
        Ok(_) => true,
        Err(error) => error.raw_os_error() != Some(libc::ESRCH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_needs_a_living_holder_of_this_boot() {
        let (own, boot) = (std::process::id(), boot_id());
        assert!(is_locked(&format!("{own} {boot}")));
        assert!(!is_locked(&format!("{own} another")));
        assert!(!is_locked(&format!("4194305 {boot}")));
        for bad in ["", " ", "x y", &own.to_string()] {
            assert!(!is_locked(bad), "{bad}");
        }
    }
}
