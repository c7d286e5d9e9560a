//! Words for people, and for filters.

use std::fmt::Write;

use jiff::Timestamp;
use wire::event::attribute;
use wire::{Action, Event, EventKind, Time};

/// Letters of an id that people look at.
const SHORT: usize = 12;

/// A point in time as RFC 3339, in UTC.
pub(super) fn moment(time: Time) -> String {
    Timestamp::from_nanosecond(i128::from(time.0)).map_or_else(|_| time.0.to_string(), |at| at.to_string())
}

/// Reads a point in time: RFC 3339, or seconds since 1970 with or without decimals.
pub(super) fn parse_moment(text: &str) -> Result<Time, String> {
    let nanos = match text.parse::<Timestamp>() {
        Ok(at) => at.as_nanosecond(),
        Err(_) => seconds(text).ok_or_else(|| {
            format!("{text:?} is neither seconds since 1970 nor a time like 2026-11-25T02:11:40Z")
        })?,
    };
    u64::try_from(nanos)
        .map(Time)
        .map_err(|_| format!("{text:?} is before 1970 or after 2554"))
}

fn seconds(text: &str) -> Option<i128> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty()
        || !whole
            .bytes()
            .chain(decimals.bytes())
            .all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let padded: String = decimals.chars().chain(std::iter::repeat('0')).take(9).collect();
    let whole = whole.parse::<i128>().ok()?.checked_mul(1_000_000_000)?;
    whole.checked_add(padded.parse().ok()?)
}

/// The word of a kind: `container`.
pub(super) fn kind_word(kind: EventKind) -> String {
    word(&format!("{kind:?}"))
}

/// The word of an action: `exec_create`.
pub(super) fn action_word(action: Action) -> String {
    word(&format!("{action:?}"))
}

/// `ExecCreate` as `exec_create`.
fn word(name: &str) -> String {
    let mut word = String::with_capacity(name.len() + 2);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// Appends an event as one line for people.
pub(super) fn line(event: &Event, out: &mut String) {
    let actor = event.actor.get(..SHORT).unwrap_or(&event.actor);
    let name = event.attribute(attribute::NAME).unwrap_or_default();
    let _ = write!(
        out,
        "{:>8}  {:<30}  {} {} {actor} {name}",
        event.sequence,
        moment(event.time),
        kind_word(event.kind),
        action_word(event.action),
    );
    for pair in event.attributes.iter().filter(|pair| pair.key != attribute::NAME) {
        // What could end the line, or mean something to a terminal, is shown as what it is.
        let _ = write!(out, " {}={}", pair.key.escape_debug(), pair.value.escape_debug());
    }
    out.push('\n');
}

/// Appends a gap: events that cannot be read any more.
pub(super) fn gap(first: u64, last: u64, why: &str, out: &mut String) {
    let _ = writeln!(out, "{first:>8}  events {first} to {last} cannot be shown: {why}");
}

#[cfg(test)]
mod tests {
    use wire::spec::Pair;

    use super::*;

    #[test]
    fn a_line() {
        let event = Event {
            sequence: 71,
            time: Time(1_795_313_500_500_000_000),
            kind: EventKind::Container,
            action: Action::ExecCreate,
            actor: "0123456789abcdef".to_owned(),
            attributes: vec![Pair::new("name", "web"), Pair::new("image", "a\nb")],
            labels: Vec::new(),
        };
        let mut out = String::new();
        line(&event, &mut out);
        let time = format!("{:<30}", "2026-11-22T02:11:40.5Z");
        assert_eq!(
            out,
            format!("      71  {time}  container exec_create 0123456789ab web image=a\\nb\n")
        );
    }

    #[test]
    fn moments() {
        assert_eq!(
            parse_moment("2026-11-22T02:11:40.5Z"),
            Ok(Time(1_795_313_500_500_000_000))
        );
        assert_eq!(parse_moment("1795313500.5"), Ok(Time(1_795_313_500_500_000_000)));
        assert_eq!(parse_moment("0"), Ok(Time(0)));
        // The first one is just above what 128 bits hold.
        for text in [
            "170141183460469231731687303715.884105728",
            "",
            ".",
            "-1",
            "1.5.5",
            "yesterday",
            "1960-01-01T00:00:00Z",
            "9999999999999999999999",
        ] {
            assert!(parse_moment(text).is_err(), "{text}");
        }
    }
}
