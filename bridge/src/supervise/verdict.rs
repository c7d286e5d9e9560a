//! What the exit codes of a health check say of a container. Pure: no clock, no process.

use std::time::Duration;

use wire::Spec;
use wire::container::{Health, HealthStatus, Probe};

use crate::limits::PROBES_MAX;

/// Between two checks, and for one, where nothing else is asked.
const INTERVAL: Duration = Duration::from_secs(30);

/// Between two checks while the container starts, where nothing else is asked.
const START_INTERVAL: Duration = Duration::from_secs(5);

/// Failures in a row that make a container unhealthy, where nothing else is asked.
const RETRIES: u32 = 3;

/// A health check, with what was left open filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) arguments: Vec<String>,
    pub(super) timeout: Duration,
    interval: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: u32,
}

impl Check {
    /// What a specification asks for; none where it asks for no check.
    pub(super) fn of(spec: &Spec) -> Option<Self> {
        let asked = spec.health_check.as_ref()?;
        if asked.disabled || asked.arguments.is_empty() {
            return None;
        }
        let or = |ns: u64, default| {
            if ns == 0 {
                default
            } else {
                Duration::from_nanos(ns)
            }
        };
        let mut arguments = asked.arguments.clone();
        if asked.shell {
            arguments.splice(0..0, ["/bin/sh".to_owned(), "-c".to_owned()]);
        }
        Some(Self {
            arguments,
            timeout: or(asked.timeout_ns, INTERVAL),
            interval: or(asked.interval_ns, INTERVAL),
            start_period: Duration::from_nanos(asked.start_period_ns),
            start_interval: or(asked.start_interval_ns, START_INTERVAL),
            retries: if asked.retries == 0 {
                RETRIES
            } else {
                asked.retries
            },
        })
    }

    /// How long from now the next probe of a container that has run for `ran` is due.
    pub(super) fn next(&self, ran: Duration, starting: bool) -> Duration {
        if starting && ran < self.start_period {
            self.start_interval
        } else {
            self.interval
        }
    }
}

/// The health of a container that has just started.
pub(super) fn starting() -> Health {
    Health {
        status: HealthStatus::Starting,
        ..Health::default()
    }
}

/// What a container has at its start, where it is checked.
pub(super) fn at_start(spec: &Spec) -> Option<Health> {
    Check::of(spec).map(|_| starting())
}

/// Takes one probe in, of a container that had run for `ran` when it began.
pub(super) fn judge(health: &mut Health, check: &Check, ran: Duration, probe: Probe) {
    if probe.exit_code == 0 {
        health.failing_streak = 0;
        health.status = HealthStatus::Healthy;
    } else if health.status != HealthStatus::Starting || ran >= check.start_period {
        health.failing_streak = health.failing_streak.saturating_add(1);
        if health.failing_streak >= check.retries {
            health.status = HealthStatus::Unhealthy;
        }
    }
    health.log.push(probe);
    let past = health.log.len().saturating_sub(PROBES_MAX);
    health.log.drain(..past);
}

/// A status in the words of events.
pub(super) fn word(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Healthy => "healthy",
        HealthStatus::Unhealthy => "unhealthy",
        HealthStatus::Starting | HealthStatus::Unknown(_) => "starting",
    }
}

/// What is shown of a probe that took too long.
pub(super) fn too_long(timeout: Duration, output: &str) -> String {
    let sentence = format!("Health check exceeded timeout ({})", in_words(timeout));
    if output.is_empty() {
        sentence
    } else {
        format!("{sentence}: {output}")
    }
}

/// `1h0m5s`, `1m30s`, `1.5s`, `20ms`: without zeros in front or behind.
fn in_words(time: Duration) -> String {
    let decimal = |whole: u64, fraction: u64, digits: usize| {
        let text = format!("{whole}.{fraction:0digits$}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}\u{b5}s", decimal(nanos / 1_000, nanos % 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos / 1_000_000, nanos % 1_000_000, 6)),
        _ => {
            let (hours, minutes) = (time.as_secs() / 3600, time.as_secs() / 60 % 60);
            let seconds = decimal(time.as_secs() % 60, u64::from(time.subsec_nanos()), 9);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::spec::HealthCheck;

    use super::*;

    fn check(change: impl FnOnce(&mut HealthCheck)) -> Option<Check> {
        let mut asked = HealthCheck {
            arguments: vec!["true".to_owned()],
            ..HealthCheck::default()
        };
        change(&mut asked);
        Check::of(&Spec {
            health_check: Some(asked),
            ..Spec::default()
        })
    }

    fn probe(exit_code: i32) -> Probe {
        Probe {
            exit_code,
            ..Probe::default()
        }
    }

    #[test]
    fn what_is_left_open() {
        assert_eq!(Check::of(&Spec::default()), None);
        assert_eq!(check(|asked| asked.disabled = true), None);
        assert_eq!(check(|asked| asked.arguments.clear()), None);
        let usual = check(|_| {}).expect("it is one");
        assert_eq!(
            (usual.interval, usual.timeout, usual.retries),
            (INTERVAL, INTERVAL, 3)
        );
        let shell = check(|asked| asked.shell = true).expect("it is one");
        assert_eq!(shell.arguments, ["/bin/sh", "-c", "true"]);
    }

    #[test]
    fn three_in_a_row_are_too_many_and_one_makes_up_for_them() {
        let check = check(|_| {}).expect("it is one");
        let mut health = starting();
        let mut seen = Vec::new();
        for code in [1, 1, 0, 1, -1, 2, 0] {
            judge(&mut health, &check, Duration::from_nanos(1), probe(code));
            seen.push((word(health.status), health.failing_streak));
        }
        assert_eq!(
            seen,
            [
                ("starting", 1),
                ("starting", 2),
                ("healthy", 0),
                ("healthy", 1),
                ("healthy", 2),
                ("unhealthy", 3),
                ("healthy", 0),
            ]
        );
        let kept: Vec<i32> = health.log.iter().map(|probe| probe.exit_code).collect();
        assert_eq!(kept, [0, 1, -1, 2, 0]);
    }

    #[test]
    fn failures_while_it_starts_do_not_count() {
        let check = check(|asked| {
            asked.retries = 1;
            asked.start_period_ns = 100;
            asked.start_interval_ns = 7;
            asked.interval_ns = 9;
        });
        let check = check.expect("it is one");
        let mut health = starting();
        judge(&mut health, &check, Duration::from_nanos(99), probe(1));
        assert_eq!((word(health.status), health.failing_streak), ("starting", 0));
        judge(&mut health, &check, Duration::from_nanos(100), probe(1));
        assert_eq!(word(health.status), "unhealthy");
        let next = |ran, starting| check.next(Duration::from_nanos(ran), starting).as_nanos();
        assert_eq!((next(50, true), next(50, false), next(100, true)), (7, 9, 9));
    }

    #[test]
    fn times_in_words() {
        for (nanos, words) in [
            (0, "0s"),
            (20_000_000, "20ms"),
            (1_500, "1.5\u{b5}s"),
            (1_500_000_000, "1.5s"),
            (30_000_000_000, "30s"),
            (90_000_000_000, "1m30s"),
            (3_605_000_000_000, "1h0m5s"),
        ] {
            assert_eq!(in_words(Duration::from_nanos(nanos)), words);
        }
        assert_eq!(
            too_long(Duration::from_secs(1), "half"),
            "Health check exceeded timeout (1s): half"
        );
    }
}
