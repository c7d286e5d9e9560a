//! Moments as people and programs write them.

use std::time::Duration;

use jiff::civil::DateTime;
use utoipa::openapi::{Object, Type};

use super::answer::ApiError;

/// The moment that a text is: RFC 3339, seconds since 1970 with or without a fraction, or, as Docker has it, how long
/// ago (`10m`, `1h30m`, `1.5h`). In nanoseconds since 1970.
///
/// # Errors
/// 400 for anything else.
pub(super) fn moment(name: &str, text: &str, now: i64) -> Result<i64, ApiError> {
    let found = seconds(text)
        .or_else(|| calendar(text))
        .or_else(|| Some(now.saturating_sub(i64::try_from(span(text)?.as_nanos()).unwrap_or(i64::MAX))));
    found.ok_or_else(|| {
        ApiError::bad(format!(
            "`{name}` is RFC 3339, seconds since 1970, or how long ago, such as 10m or 1h30m"
        ))
    })
}

/// As Docker is told a moment.
pub(super) fn for_docker(nanoseconds: i64) -> String {
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    let rest = nanoseconds.rem_euclid(1_000_000_000);
    format!("{seconds}.{rest:09}")
}

/// RFC 3339, and nothing that is merely like it.
fn calendar(text: &str) -> Option<i64> {
    let text = text.to_ascii_uppercase();
    let (local, ahead) = match text.strip_suffix('Z') {
        Some(local) => (local, 0),
        None => {
            let (local, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
            (local, ahead(zone)?)
        }
    };
    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let shape: String = local.chars().map(digits).collect();
    let fraction = shape.strip_prefix("0000-00-00T00:00:00")?;
    if !fraction.is_empty() && !fraction.strip_prefix('.').is_some_and(is_fraction) {
        return None;
    }
    let local: DateTime = local.parse().ok()?;
    let local = local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    let at = local.as_nanos() - i128::from(ahead) * 1_000_000_000;
    let far = if at < 0 { i64::MIN } else { i64::MAX };
    Some(i64::try_from(at).unwrap_or(far))
}

/// How many seconds a zone such as `+01:30` is ahead.
fn ahead(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str, end: i64| {
        let is_number = text.len() == 2 && is_digits(text);
        let number: i64 = text.parse().ok()?;
        (is_number && number < end).then_some(number)
    };
    Some(sign * (number(hours, 24)? * 3600 + number(minutes, 60)? * 60))
}

fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if !is_digits(digits) || digits.len() > 18 || !is_fraction(fraction) {
        return None;
    }
    let rest: i64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds: i64 = whole.parse().ok()?;
    let signed = if whole.starts_with('-') { -rest } else { rest };
    // A moment that is too far away for nanoseconds is as good as the last there is.
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(signed))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_fraction(text: &str) -> bool {
    is_digits(text) && text.len() <= 9
}

/// A span as Docker has it: numbers with units, one after another.
fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut all = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if !is_digits(whole) || whole.len() > 10 || !is_fraction(fraction) {
            return None;
        }
        let units = ["ns", "us", "ms", "s", "m", "h"];
        // `m` begins `ms` too, so the longest that fits.
        let unit = units
            .iter()
            .filter(|unit| behind.starts_with(**unit))
            .max_by_key(|unit| unit.len())?;
        let seconds = match *unit {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            _ => 3600.0,
        };
        let number: f64 = number.parse().ok()?;
        all = all.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = behind.strip_prefix(unit)?;
    }
    Some(all)
}

/// What the document says of a moment: just what [`moment`] takes, or nothing at all.
pub(super) fn schema() -> Object {
    const FRACTION: &str = "(\\.[0-9]{1,9})?";
    let days = [
        "[0-9]{4}-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])",
        "[0-9]{4}-(0[469]|11)-(0[1-9]|[12][0-9]|30)",
        "[0-9]{4}-02-(0[1-9]|1[0-9]|2[0-8])",
        "[0-9]{2}(0[48]|[2468][048]|[13579][26])-02-29",
        "([02468][048]|[13579][26])00-02-29",
    ]
    .join("|");
    let hours = "([01][0-9]|2[0-3]):[0-5][0-9]";
    let calendar = format!("({days})[Tt]{hours}:([0-5][0-9]|60){FRACTION}([Zz]|[+-]{hours})");
    let seconds = format!("-?[0-9]{{1,18}}{FRACTION}");
    let span = format!("([0-9]{{1,10}}{FRACTION}(ns|us|ms|s|m|h))+");
    Object::builder()
        .schema_type(Type::String)
        .pattern(Some(format!("^({seconds}|{span}|{calendar})?$")))
        .build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_700_000_000_000_000_000;

    #[test]
    fn texts() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(moment("since", text, NOW).ok(), expected, "{text}")
        };
        check("0", Some(0));
        check("1700000000", Some(NOW));
        check("1700000000.5", Some(NOW + 500_000_000));
        check("1700000000.000000001", Some(NOW + 1));
        check("-1.5", Some(-1_500_000_000));
        check("2023-11-14T22:13:20Z", Some(NOW));
        check("2023-11-14T23:13:20+01:00", Some(NOW));
        check("10m", Some(NOW - 600_000_000_000));
        check("1h30m", Some(NOW - 5_400_000_000_000));
        check("1.5h", Some(NOW - 5_400_000_000_000));
        check("100ms", Some(NOW - 100_000_000));
        check("99999999999", Some(i64::MAX));
        check("999999999999999999", Some(i64::MAX));
        check("1000000000000000000", None);
        check("9999999999h", Some(NOW - i64::MAX));
        check("9999-01-01T00:00:00Z", Some(i64::MAX));
        check("9999-12-31T23:59:60-23:59", Some(i64::MAX));
        check("0000-01-01T00:00:00+23:59", Some(i64::MIN));
        check("2023-11-14t22:13:20.5z", Some(NOW + 500_000_000));
        check("2024-02-29T00:00:00-01:30", Some(1_709_170_200_000_000_000));
        check("2023-02-29T00:00:00Z", None);
        check("2023-11-14 22:13:20Z", None);
        check("2023-11-14T22:13Z", None);
        check("2023-11-14T22:13:20", None);
        check("2023-11-14T22:13:20.Z", None);
        check("2023-11-14T22:13:20,5Z", None);
        check("2023-11-14T22:13:20+24:00", None);
        check("2023-11-14T22:13:20+0100", None);
        check("2023-11-14T22:13:20Z[UTC]", None);
        check("99999999999999999999h", None);
        check("", None);
        check("yesterday", None);
        check("10", Some(10_000_000_000));
        check("10x", None);
        check("m", None);
        check("1..5s", None);
        check("1.s", None);
        check(".5s", None);
        check("10000000000s", None);
        check("--1", None);
        check("+1", None);
        check("1e9", None);
        check("2023-13-14T22:13:20Z", None);
        check("ä", None);
    }

    proptest! {
        #[test]
        fn seconds_are_seconds(whole in -9_000_000_000_i64..9_000_000_000, rest in 0_i64..1_000_000_000) {
            let sign = if whole < 0 { -1 } else { 1 };
            let text = format!("{whole}.{rest:09}");
            let expected = whole * 1_000_000_000 + sign * rest;
            prop_assert_eq!(moment("since", &text, NOW).ok(), Some(expected));
            if expected >= 0 {
                // And Docker is told what was meant.
                prop_assert_eq!(moment("since", &for_docker(expected), NOW).ok(), Some(expected));
            }
        }

        #[test]
        fn spans_are_how_long_ago(hours in 0_i64..100_000, minutes in 0_i64..10_000, millis in 0_i64..10_000) {
            let text = format!("{hours}h{minutes}m{millis}ms");
            let ago = (hours * 3_600 + minutes * 60) * 1_000_000_000 + millis * 1_000_000;
            let seen = moment("since", &text, NOW).unwrap();
            // Fractions are floating.
            prop_assert!((NOW - ago - seen).abs() <= 1_000, "{} {}", seen, NOW - ago);
        }

        #[test]
        fn calendars(at in 0_i64..4_000_000_000) {
            let text = jiff::Timestamp::from_second(at).unwrap().to_string();
            prop_assert_eq!(moment("since", &text, NOW).ok(), Some(at * 1_000_000_000));
        }

        #[test]
        fn anything_is_a_moment_or_an_error(text in "\\PC{0,40}|[-+.0-9a-zA-Z:]{0,40}|[0-9]{0,400}", now in any::<i64>()) {
            if let Err(error) = moment("since", &text, now) {
                prop_assert_eq!(error.status().as_u16(), 400);
            }
        }
    }

    #[test]
    fn what_docker_is_told() {
        let check = |nanoseconds: i64, expected: &str| assert_eq!(for_docker(nanoseconds), expected);
        check(NOW + 1, "1700000000.000000001");
        check(0, "0.000000000");
    }
}
