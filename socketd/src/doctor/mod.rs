//! `socketd doctor`: what works on this machine, what does not, and how to mend it. Changes nothing.
//!
//! Two tables of checks, a function each. The first are made with whatever power this process was started
//! with: they look at the kernel, at files and at ports. Then that power is given up, as `serve` gives it up,
//! and only then are the daemons asked: what they answer is never read as root.

mod asked;
mod certificates;
mod cgroups;
mod daemons;
mod files;
mod finding;
mod health;
mod identity;
mod kernel;
mod listeners;
mod ports;
mod report;
mod scene;
mod walls;

use std::io::{self, Write};

use crate::config::Look;

pub(crate) use self::asked::{Answer, AskError, Asked, Front, Told};
pub use self::finding::{Finding, Verdict};
pub(crate) use self::report::printable;
pub(crate) use self::scene::Scene;

/// A check that asks no daemon.
struct Check {
    name: &'static str,
    made: fn(&Scene) -> Vec<Finding>,
}

/// A check of what the daemons answered.
struct Question {
    name: &'static str,
    made: fn(&Scene, &Asked) -> Vec<Finding>,
}

const fn check(name: &'static str, made: fn(&Scene) -> Vec<Finding>) -> Check {
    Check { name, made }
}

const fn question(name: &'static str, made: fn(&Scene, &Asked) -> Vec<Finding>) -> Question {
    Question { name, made }
}

/// In the order in which they are told: the machine, the files, the ports.
const CHECKS: &[Check] = &[
    check("kernel", kernel::version),
    check("pidfd", kernel::pidfd),
    check("clone3", kernel::clone3),
    check("openat2", kernel::openat2_call),
    check("statx", kernel::statx_call),
    check("memfd", kernel::memfd),
    check("close_range", kernel::close_range),
    check("namespaces", kernel::namespaces),
    check("overlayfs", kernel::overlayfs),
    check("cgroups", cgroups::mounted),
    check("seccomp", walls::seccomp),
    check("landlock", walls::landlock),
    check("selinux", walls::selinux),
    check("clock", kernel::clock),
    check("user", identity::user),
    check("group", identity::group),
    check("network", identity::network),
    check("configuration", files::configuration),
    check("ceiling", files::ceiling),
    check("state", files::state),
    check("sockets", files::sockets),
    check("certificates", certificates::all),
    check("listeners", listeners::all),
];

/// The bridge, then socketd.
const QUESTIONS: &[Question] = &[
    question("bridge", daemons::bridge),
    question("requests", daemons::requests),
    question("journal", daemons::journal),
    question("limits", daemons::limits),
    question("filters", daemons::filters),
    question("warnings", daemons::warnings),
    question("socketd", daemons::fronts),
];

/// Makes every check and prints what was found. Answers whether nothing is wrong.
///
/// # Errors
/// Standard output takes nothing.
pub fn doctor(look: &Look) -> io::Result<bool> {
    let findings = examine(&Scene::new(look));
    let mut output = io::stdout().lock();
    output.write_all(report::write(&findings, look.format).as_bytes())?;
    output.flush()?;
    Ok(report::verdict(&findings) != Verdict::Wrong)
}

fn examine(scene: &Scene) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Check { name, made } in CHECKS {
        findings.extend(made(scene).into_iter().map(|found| found.by(name)));
    }
    match Asked::of(scene) {
        Ok(asked) => {
            for Question { name, made } in QUESTIONS {
                findings.extend(made(scene, &asked).into_iter().map(|found| found.by(name)));
            }
        }
        Err(error) => findings.push(power(scene, &error).by("power")),
    }
    findings
}

/// Why no daemon was asked.
fn power(scene: &Scene, error: &AskError) -> Finding {
    match error {
        AskError::Dialer(_) if !scene.is_root => Finding::unknown(error.to_string()),
        _ => Finding::wrong(
            error.to_string(),
            "start it as root of the machine itself, or as an ordinary user",
        ),
    }
}
