//! The walls that `serve` puts up around itself, as far as this kernel has them.

use std::fs;
use std::path::Path;
use std::thread;

use super::finding::Finding;
use super::scene::Scene;
use crate::sandbox;

pub(super) fn landlock(_: &Scene) -> Vec<Finding> {
    vec![match sandbox::landlock_version() {
        None => Finding::fallback(
            "this kernel has none (before 5.13): files are kept from socketd by their rights alone",
        ),
        Some(version) if version < 4 => Finding::fallback(format!(
            "ABI {version}: files are put out of reach; TCP (4) and signals and abstract sockets (6) are not"
        )),
        Some(version) if version < 6 => Finding::fallback(format!(
            "ABI {version}: files and TCP are put out of reach; signals and abstract sockets (6) are not"
        )),
        Some(version) => Finding::ok(format!(
            "ABI {version} or younger: files, TCP, signals and abstract sockets"
        )),
    }]
}

/// A filter that lets everything through, on a thread of its own that ends with it.
pub(super) fn seccomp(_: &Scene) -> Vec<Finding> {
    let tried = thread::spawn(sandbox::try_filter).join();
    vec![match tried {
        Ok(Ok(true)) => Finding::ok("socketd can have its system calls filtered"),
        Ok(Ok(false)) => Finding::fallback(
            "this kernel has no filters of system calls: socketd and containers run without",
        ),
        Ok(Err(error)) => Finding::wrong(
            format!("the kernel has filters of system calls and refuses them: {error}"),
            "see what runs this program: a filter around it may forbid prctl",
        ),
        Err(_) => Finding::unknown("filters of system calls could not be tried"),
    }]
}

/// What the system's own rules say of this process; ours in the packages come with rules for the daemons.
pub(super) fn selinux(_: &Scene) -> Vec<Finding> {
    let enforce = Path::new("/sys/fs/selinux/enforce");
    let context = fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
    let context = context.trim_end_matches(['\0', '\n']).to_owned();
    vec![match fs::read_to_string(enforce) {
        Ok(mode) => {
            let mode = if mode.trim() == "1" {
                "enforcing"
            } else {
                "permissive"
            };
            Finding::ok(format!("{mode}; this process is {context}"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::ok("not in use"),
        Err(_) => Finding::unknown(format!("in use, and does not let {context} see how")),
    }]
}
