//! "Up 3 minutes", "Exited (137) 2 hours ago": the text a list shows, and until when it is true.

use core::fmt::Write;

use wire::container::HealthStatus;
use wire::{State, Status, Time};

use super::time::Now;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The word for where in its life a container is.
#[must_use]
pub fn state_word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Restarting => "restarting",
        Status::Exited => "exited",
        Status::Removing => "removing",
        // What a later version calls otherwise can at least not be started from here.
        Status::Dead | Status::Unknown(_) => "dead",
    }
}

/// Exit code of the last end: 0 while it runs or has not ended, 255 where nobody saw the end.
#[must_use]
pub fn exit_code(state: &State) -> u32 {
    match &state.exit {
        _ if matches!(state.status, Status::Running | Status::Paused) => 0,
        Some(exit) if exit.unknown => 255,
        Some(exit) => exit.code,
        None => 0,
    }
}

/// The text, and the first moment at which it reads differently.
#[must_use]
pub fn status_text(state: &State, now: Now) -> (String, Time) {
    let mut text = String::with_capacity(40);
    let valid_until = write_status(state, now, &mut text);
    (text, valid_until)
}

/// As [`status_text`], into whatever takes text. Writing must not fail; where it could, the text is cut short.
pub fn write_status(state: &State, now: Now, out: &mut impl Write) -> Time {
    let forever = Time(u64::MAX);
    match state.status {
        Status::Created => {
            put(out, "Created");
            forever
        }
        Status::Running => {
            put(out, "Up ");
            let valid_until = write_since(start(state, now), now.wall, out);
            put(out, health_text(state));
            valid_until
        }
        Status::Paused => {
            put(out, "Up ");
            let valid_until = write_since(start(state, now), now.wall, out);
            put(out, " (Paused)");
            valid_until
        }
        Status::Restarting => write_ended("Restarting", state, now, out),
        Status::Exited => write_ended("Exited", state, now, out),
        Status::Removing => {
            put(out, "Removal In Progress");
            forever
        }
        Status::Dead | Status::Unknown(_) => {
            put(out, "Dead");
            forever
        }
    }
}

/// What a running container's text says of its health.
fn health_text(state: &State) -> &'static str {
    match state.health.as_ref().map(|health| health.status) {
        None => "",
        Some(HealthStatus::Starting) => " (health: starting)",
        Some(HealthStatus::Healthy) => " (healthy)",
        Some(HealthStatus::Unhealthy | HealthStatus::Unknown(_)) => " (unhealthy)",
    }
}

fn write_ended(word: &str, state: &State, now: Now, out: &mut impl Write) -> Time {
    let _ = write!(out, "{word} ({})", exit_code(state));
    if state.finished_at.is_never() {
        // Nobody knows since when.
        return Time(u64::MAX);
    }
    put(out, " ");
    let valid_until = write_since(state.finished_at, now.wall, out);
    put(out, " ago");
    valid_until
}

/// When a container that runs was started, as the wall clock tells time now. What it said then may lie years off: a
/// phone without a battery for its clock starts in 1970.
fn start(state: &State, now: Now) -> Time {
    let known = state.started_since_boot_ns > 0;
    let ran = now
        .since_boot_ns
        .checked_sub(state.started_since_boot_ns)
        .filter(|_| known);
    ran.map_or(state.started_at, |ran| Time(now.wall.0.saturating_sub(ran)))
}

/// A clock that was set back makes the start lie ahead; that reads as no time at all.
fn write_since(start: Time, now: Time, out: &mut impl Write) -> Time {
    let elapsed = now.0.saturating_sub(start.0);
    let (words, valid_for) = human_duration(elapsed);
    match words {
        Words::Fixed(text) => put(out, text),
        Words::Count(count, unit) => {
            let _ = write!(out, "{count} {unit}");
        }
    }
    Time(start.0.saturating_add(valid_for))
}

/// Texts and byte vectors, which is all that is written to here, take everything.
fn put(out: &mut impl Write, text: &str) {
    let _ = out.write_str(text);
}

/// How long something took, in words.
#[derive(Debug, PartialEq, Eq)]
enum Words {
    Fixed(&'static str),
    Count(u64, &'static str),
}

/// What go-units' `HumanDuration` says of so many nanoseconds, and from how many on it says something else.
/// Hours are rounded to the nearest, all else is cut; years are cut hours again.
fn human_duration(nanos: u64) -> (Words, u64) {
    let seconds = nanos / SECOND;
    let minutes = nanos / MINUTE;
    // The moment at which a number of rounded hours is reached.
    let reached = |hours: u64| (hours * HOUR).saturating_sub(HOUR / 2);
    let hours = nanos.saturating_add(HOUR / 2) / HOUR;
    let step = |unit_hours: u64, cap_hours: u64| {
        let next = (hours / unit_hours + 1) * unit_hours;
        reached(next.min(cap_hours))
    };
    match (seconds, minutes, hours) {
        (0, ..) => (Words::Fixed("Less than a second"), SECOND),
        (1, ..) => (Words::Fixed("1 second"), 2 * SECOND),
        (2..60, ..) => (Words::Count(seconds, "seconds"), (seconds + 1) * SECOND),
        (_, 1, _) => (Words::Fixed("About a minute"), 2 * MINUTE),
        (_, 2..60, _) => (Words::Count(minutes, "minutes"), (minutes + 1) * MINUTE),
        (.., 1) => (Words::Fixed("About an hour"), reached(2)),
        (.., 2..48) => (Words::Count(hours, "hours"), reached(hours + 1)),
        (.., 48..336) => (Words::Count(hours / 24, "days"), step(24, 336)),
        (.., 336..1440) => (Words::Count(hours / 168, "weeks"), step(168, 1440)),
        (.., 1440..17520) => (Words::Count(hours / 720, "months"), step(720, 17520)),
        _ => {
            let years = nanos / HOUR / 8760;
            (
                Words::Count(years, "years"),
                (years + 1).saturating_mul(8760 * HOUR),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::container::{Exit, Health};

    use super::*;

    fn words(nanos: u64) -> String {
        match human_duration(nanos).0 {
            Words::Fixed(text) => text.to_owned(),
            Words::Count(count, unit) => format!("{count} {unit}"),
        }
    }

    #[test]
    fn durations_read_as_go_units_words_them() {
        #[track_caller]
        fn check(nanos: u64, expected: &str) {
            assert_eq!(words(nanos), expected);
        }
        check(0, "Less than a second");
        check(SECOND - 1, "Less than a second");
        check(SECOND, "1 second");
        check(2 * SECOND - 1, "1 second");
        check(2 * SECOND, "2 seconds");
        check(59 * SECOND, "59 seconds");
        check(MINUTE, "About a minute");
        check(2 * MINUTE - 1, "About a minute");
        check(2 * MINUTE, "2 minutes");
        check(HOUR - 1, "59 minutes");
        check(HOUR, "About an hour");
        check(HOUR + HOUR / 2 - 1, "About an hour");
        check(HOUR + HOUR / 2, "2 hours");
        check(47 * HOUR + HOUR / 2 - 1, "47 hours");
        check(47 * HOUR + HOUR / 2, "2 days");
        check(13 * 24 * HOUR, "13 days");
        check(14 * 24 * HOUR, "2 weeks");
        check(59 * 24 * HOUR, "8 weeks");
        check(60 * 24 * HOUR, "2 months");
        check(729 * 24 * HOUR, "24 months");
        // The half hour in which rounded hours say two years and cut hours say one.
        check(730 * 24 * HOUR - HOUR / 2, "1 years");
        check(730 * 24 * HOUR, "2 years");
        check(3 * 365 * 24 * HOUR, "3 years");
    }

    fn state(status: Status, exit: Option<Exit>) -> State {
        State {
            status,
            exit,
            started_at: Time(1000 * SECOND),
            finished_at: Time(2000 * SECOND),
            ..State::default()
        }
    }

    fn ended(code: u32) -> Option<Exit> {
        Some(Exit {
            code,
            ..Exit::default()
        })
    }

    #[test]
    fn every_state_has_its_text() {
        #[track_caller]
        fn check(state: &State, expected: &str) {
            assert_eq!(status_text(state, Time(2180 * SECOND).into()).0, expected);
        }
        let unknown = Some(Exit {
            unknown: true,
            ..Exit::default()
        });
        check(&state(Status::Created, ended(127)), "Created");
        check(&state(Status::Running, None), "Up 19 minutes");
        check(&state(Status::Running, ended(1)), "Up 19 minutes");
        for (status, expected) in [
            (HealthStatus::Starting, "Up 19 minutes (health: starting)"),
            (HealthStatus::Healthy, "Up 19 minutes (healthy)"),
            (HealthStatus::Unhealthy, "Up 19 minutes (unhealthy)"),
        ] {
            let mut checked = state(Status::Running, None);
            checked.health = Some(Health {
                status,
                ..Health::default()
            });
            check(&checked, expected);
            checked.status = Status::Paused;
            check(&checked, "Up 19 minutes (Paused)");
        }
        check(&state(Status::Paused, None), "Up 19 minutes (Paused)");
        check(
            &state(Status::Restarting, ended(1)),
            "Restarting (1) 3 minutes ago",
        );
        check(&state(Status::Exited, ended(137)), "Exited (137) 3 minutes ago");
        check(
            &state(Status::Exited, unknown.clone()),
            "Exited (255) 3 minutes ago",
        );
        let long_ago = State {
            finished_at: Time::NEVER,
            ..state(Status::Exited, unknown)
        };
        check(&long_ago, "Exited (255)");
        check(&state(Status::Removing, ended(0)), "Removal In Progress");
        check(&state(Status::Dead, ended(0)), "Dead");
    }

    #[test]
    fn a_start_in_the_future_is_no_time_at_all() {
        let (text, valid_until) = status_text(&state(Status::Running, None), Time(5).into());
        assert_eq!(text, "Up Less than a second");
        assert_eq!(valid_until, Time(1001 * SECOND));
    }

    #[test]
    fn a_clock_that_was_set_makes_nothing_older_or_younger() {
        let running = State {
            started_since_boot_ns: 100 * SECOND,
            ..state(Status::Running, None)
        };
        let at = |seconds| Now {
            wall: Time(seconds * SECOND),
            since_boot_ns: 103 * SECOND,
        };
        for seconds in [5, 1003, 1_795_313_501] {
            let (text, valid_until) = status_text(&running, at(seconds));
            assert_eq!(text, "Up 3 seconds");
            assert_eq!(valid_until, Time((seconds + 1) * SECOND));
        }
        let early = Now {
            since_boot_ns: 99 * SECOND,
            ..at(1003)
        };
        assert_eq!(
            status_text(&running, early).0,
            "Up 3 seconds",
            "of another start of the machine"
        );
    }

    #[test]
    fn what_never_changes_is_valid_for_ever() {
        for status in [Status::Created, Status::Removing, Status::Dead] {
            let (_, valid_until) = status_text(&state(status, None), Time(7).into());
            assert_eq!(valid_until, Time(u64::MAX));
        }
    }

    proptest! {
        /// The moment a text is said to end is the very first at which it reads differently.
        #[test]
        fn validity_is_exact(start in 0u64..1 << 60, shift in 0u32..62, noise: u64) {
            // All sizes of durations are met alike, from nanoseconds to a century.
            let elapsed = noise >> (63 - shift).min(63);
            let mut running = state(Status::Running, None);
            running.started_at = Time(start);
            let now = Time(start + elapsed);
            let (text, valid_until) = status_text(&running, now.into());
            prop_assert!(valid_until > now);
            let just_before = Time(valid_until.0 - 1);
            prop_assert_eq!(&status_text(&running, just_before.into()).0, &text);
            prop_assert_ne!(&status_text(&running, valid_until.into()).0, &text);
        }
    }
}
