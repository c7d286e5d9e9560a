//! What bridge and socketd say of themselves.

use std::io;

use wire::info::LimitSupport;

use super::asked::{Answer, Asked, Front, Told};
use super::finding::Finding;
use super::health::Health;
use super::scene::Scene;
use crate::docker::time::rfc3339_nano;
use crate::link::LinkError;

/// Our own version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn bridge(scene: &Scene, asked: &Asked) -> Vec<Finding> {
    vec![match &asked.bridge {
        Ok(told) => answering(scene, told),
        Err(LinkError::Down(io::ErrorKind::PermissionDenied)) if !scene.is_root => {
            Finding::unknown("this user may not ask the bridge: root may")
        }
        Err(error @ LinkError::Down(_)) => Finding::wrong(error.to_string(), scene.home.start),
        Err(error) => Finding::wrong(error.to_string(), "its log says more; start it again"),
    }]
}

fn answering(scene: &Scene, told: &Told) -> Finding {
    let info = &told.info;
    let since = rfc3339_nano(info.started_at);
    let says = format!(
        "version {}, since {since}, {}",
        info.bridge_version, info.state_dir
    );
    // A bridge that is not ours has a version of its own.
    if scene.serve.bridge.stock.is_none() && info.bridge_version != VERSION {
        return Finding::wrong(
            format!("{says}; this program is version {VERSION}"),
            "after an update, start both again",
        );
    }
    Finding::ok(says)
}

/// What else a bridge that answers says; nothing where it does not answer.
fn of_bridge(asked: &Asked, judge: impl Fn(&Told) -> Vec<Finding>) -> Vec<Finding> {
    asked
        .bridge
        .as_ref()
        .map_or_else(|_| Vec::new(), |told| judge(told))
}

pub(super) fn journal(_: &Scene, asked: &Asked) -> Vec<Finding> {
    of_bridge(asked, |told| {
        let journal = &told.info.journal;
        if !journal.failure.is_empty() {
            return vec![Finding::wrong(
                format!("nothing can be written down: {}", journal.failure),
                "make room where the state directory lies, then start the bridge again",
            )];
        }
        if let Some(last) = told.last.as_ref().filter(|last| last.time > asked.at) {
            return vec![Finding::wrong(
                format!(
                    "its last event is of {}, which is yet to come",
                    rfc3339_nano(last.time)
                ),
                "set the clock",
            )];
        }
        let span = (journal.first_sequence, journal.last_sequence);
        vec![Finding::ok(format!("events {} to {}", span.0, span.1))]
    })
}

pub(super) fn limits(_: &Scene, asked: &Asked) -> Vec<Finding> {
    of_bridge(asked, |told| {
        let LimitSupport {
            memory,
            swap,
            cpu_quota,
            cpu_shares,
            cpuset,
            pids,
            oom_kill_disable,
        } = told.info.limits;
        let all = [
            ("memory", memory),
            ("swap", swap),
            ("CPU quota", cpu_quota),
            ("CPU shares", cpu_shares),
            ("cpuset", cpuset),
            ("processes", pids),
            ("no OOM killer", oom_kill_disable),
        ];
        let of = |is_there: bool| {
            let names = all.iter().filter(|(_, there)| *there == is_there);
            names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        };
        vec![match of(false) {
            missing if missing.is_empty() => {
                Finding::ok(format!("the bridge can hold containers to {}", of(true)))
            }
            missing => Finding::fallback(format!(
                "the bridge lets go of limits of {missing}, which these control groups do not have"
            )),
        }]
    })
}

pub(super) fn filters(_: &Scene, asked: &Asked) -> Vec<Finding> {
    of_bridge(asked, |told| {
        vec![if told.info.seccomp {
            Finding::ok("containers run behind a filter of system calls")
        } else {
            Finding::fallback(
                "containers run without a filter of system calls, which the kernel does not have",
            )
        }]
    })
}

pub(super) fn warnings(_: &Scene, asked: &Asked) -> Vec<Finding> {
    of_bridge(asked, |told| {
        let warnings = told.info.warnings.iter();
        warnings
            .map(|warning| Finding::fallback(format!("the bridge says: {warning}")))
            .collect()
    })
}

pub(super) fn requests(_: &Scene, asked: &Asked) -> Vec<Finding> {
    of_bridge(asked, |told| {
        let Some(said) = &told.capabilities else {
            return vec![Finding::unknown(
                "the bridge does not say which requests it takes",
            )];
        };
        let says = format!(
            "the bridge knows {} requests, and takes {} on watch.sock",
            said.opcodes.len(),
            said.permitted.len()
        );
        vec![if said.version == 0 {
            Finding::wrong(
                format!("{says}, in no version of the protocol that socketd knows"),
                "after an update, start both again",
            )
        } else {
            Finding::ok(says)
        }]
    })
}

pub(super) fn fronts(scene: &Scene, asked: &Asked) -> Vec<Finding> {
    asked.fronts.iter().map(|front| judge(scene, front)).collect()
}

fn judge(scene: &Scene, Front { place, answer }: &Front) -> Finding {
    match answer {
        Answer::Health(health) => faring(place, health),
        Answer::Refused(status) => {
            Finding::ok(format!("{place} answers, to its own callers alone ({status})"))
        }
        Answer::Tls => Finding::ok(format!("{place} takes connections over TLS")),
        Answer::Odd => Finding::wrong(
            format!("{place}: what answers there is no socketd"),
            "stop it, or listen elsewhere",
        ),
        Answer::Nobody(error) if error.kind() == io::ErrorKind::PermissionDenied && !scene.is_root => {
            Finding::unknown(format!("{place}: this user may not ask; root may"))
        }
        Answer::Nobody(error) => {
            Finding::wrong(format!("{place}: nobody answers ({error})"), scene.home.start)
        }
    }
}

fn faring(place: &str, health: &Health) -> Finding {
    let says = format!(
        "{place} answers, version {}, since {}",
        health.version, health.since
    );
    if health.version != VERSION {
        return Finding::wrong(
            format!("{says}; this program is version {VERSION}"),
            "after an update, start both again",
        );
    }
    if !health.bridge.reachable {
        return Finding::wrong(
            format!("{says}, and does not reach the bridge: {}", health.bridge.error),
            "see the rows of the bridge and of its sockets",
        );
    }
    Finding::ok(says)
}

#[cfg(test)]
mod tests {
    use wire::info::JournalInfo;
    use wire::{Event, Info, Time};

    use super::super::finding::Verdict;
    use super::super::health::Bridge;
    use super::*;
    use crate::config::{Cli, Command};

    fn scene() -> Scene {
        use clap::Parser;
        let cli = Cli::try_parse_from(["socketd", "doctor", "--bridge-dir", "/nonexistent/run/bridge"]);
        let Command::Doctor(look) = cli.unwrap().command else {
            unreachable!("it was asked for")
        };
        Scene::new(&look)
    }

    fn asked(info: Info) -> Asked {
        Asked {
            at: Time(1_000),
            bridge: Ok(Box::new(Told {
                info,
                capabilities: None,
                running: 0,
                stopped: 0,
                last: Some(Event {
                    time: Time(2_000),
                    ..Event::default()
                }),
            })),
            fronts: Vec::new(),
        }
    }

    #[track_caller]
    fn check(findings: &[Finding], verdict: Verdict, part: &str) {
        assert_eq!(findings.len(), 1, "{findings:?}");
        let found = &findings[0];
        assert_eq!(found.verdict, verdict, "{found:?}");
        assert!(found.says.contains(part), "{found:?}");
    }

    #[test]
    fn what_a_bridge_says() {
        let scene = scene();
        let info = |version: &str| Info {
            bridge_version: version.to_owned(),
            ..Info::default()
        };
        check(&bridge(&scene, &asked(info(VERSION))), Verdict::Ok, VERSION);
        check(&bridge(&scene, &asked(info("0.0.0"))), Verdict::Wrong, "0.0.0");
        check(
            &limits(&scene, &asked(info(VERSION))),
            Verdict::Fallback,
            "memory, swap",
        );
        check(
            &filters(&scene, &asked(info(VERSION))),
            Verdict::Fallback,
            "without a filter",
        );
        check(
            &requests(&scene, &asked(info(VERSION))),
            Verdict::Unknown,
            "does not say",
        );
        assert_eq!(warnings(&scene, &asked(info(VERSION))), []);
        let warned = Info {
            warnings: vec!["beware".to_owned()],
            ..Info::default()
        };
        check(&warnings(&scene, &asked(warned)), Verdict::Fallback, "beware");
        check(
            &journal(&scene, &asked(info(VERSION))),
            Verdict::Wrong,
            "yet to come",
        );
        let failed = Info {
            journal: JournalInfo {
                failure: "disk full".to_owned(),
                ..JournalInfo::default()
            },
            ..Info::default()
        };
        check(&journal(&scene, &asked(failed)), Verdict::Wrong, "disk full");
    }

    #[test]
    fn a_bridge_that_does_not_answer() {
        let scene = scene();
        let silent = |error| Asked {
            bridge: Err(error),
            ..asked(Info::default())
        };
        let down = silent(LinkError::Down(io::ErrorKind::NotFound));
        check(&bridge(&scene, &down), Verdict::Wrong, "not running");
        check(
            &bridge(&scene, &silent(LinkError::Late)),
            Verdict::Wrong,
            "in time",
        );
        assert_eq!(journal(&scene, &down), []);
    }

    #[test]
    fn what_listeners_say() {
        let scene = scene();
        let health = |version: &str, reachable| {
            Answer::Health(Health {
                status: "ok".to_owned(),
                version: version.to_owned(),
                since: "then".to_owned(),
                bridge: Bridge {
                    reachable,
                    error: "gone".to_owned(),
                },
            })
        };
        let check = |answer, verdict, part| {
            let front = Front {
                place: "unix:///x".to_owned(),
                answer,
            };
            check(&[judge(&scene, &front)], verdict, part);
        };
        check(health(VERSION, true), Verdict::Ok, "since then");
        check(health("0.0.0", true), Verdict::Wrong, "0.0.0");
        check(health(VERSION, false), Verdict::Wrong, "gone");
        check(Answer::Refused(403), Verdict::Ok, "its own callers");
        check(Answer::Tls, Verdict::Ok, "TLS");
        check(Answer::Odd, Verdict::Wrong, "no socketd");
        let nobody = io::ErrorKind::ConnectionRefused.into();
        check(Answer::Nobody(nobody), Verdict::Wrong, "nobody answers");
    }
}
