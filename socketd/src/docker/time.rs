//! Points in time as Docker writes and reads them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use wire::Time;

/// What Go prints for a time that never was.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// The present, by the clock that somebody may set and by the one that nobody can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// By the wall clock.
    pub wall: Time,
    /// In nanoseconds since the machine started, sleep included; zero where that is not known.
    pub since_boot_ns: u64,
}

impl From<Time> for Now {
    /// By the wall clock alone.
    fn from(wall: Time) -> Self {
        Self {
            wall,
            since_boot_ns: 0,
        }
    }
}

/// RFC 3339 in UTC with as many decimals as are needed, as Go's `RFC3339Nano`; [`NEVER`] for no time.
#[must_use]
pub fn rfc3339_nano(time: Time) -> String {
    if time.is_never() {
        return NEVER.to_owned();
    }
    // 2^64 nanoseconds end in the year 2554, well inside what the calendar holds.
    match Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => NEVER.to_owned(),
    }
}

/// Reads a moment in any of Docker's forms: seconds since 1970 with or without decimals
/// (`1795313500.25`), a date (`2026-11-22`, `2026-11-22T02:11`, RFC 3339 with decimals and a zone),
/// or a Go duration before `now` (`10m`, `1h30m`). Moments before 1970 become 1970.
///
/// # Errors
/// [`NotAMoment`].
pub fn parse_moment(text: &str, now: Time) -> Result<Time, NotAMoment> {
    let text = text.trim();
    if let Some(before) = duration_nanos(text) {
        return Ok(Time(clamp(i128::from(now.0) - before)));
    }
    if let Some(nanos) = unix_nanos(text) {
        return Ok(Time(clamp(nanos)));
    }
    date_nanos(text)
        .map(|nanos| Time(clamp(nanos)))
        .ok_or_else(|| NotAMoment(text.to_owned()))
}

/// A text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAMoment(pub String);

impl core::fmt::Display for NotAMoment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "strconv.ParseInt: parsing {:?}: invalid syntax", self.0)
    }
}

impl core::error::Error for NotAMoment {}

fn clamp(nanos: i128) -> u64 {
    u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
}

/// `seconds[.decimals]`; decimals beyond nanoseconds are cut, as Docker pads and cuts them.
fn unix_nanos(text: &str) -> Option<i128> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = seconds.parse().ok()?;
    if seconds.starts_with('+') || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded: String = decimals.chars().chain(core::iter::repeat('0')).take(9).collect();
    let nanos: i128 = padded.parse().ok()?;
    Some(i128::from(whole) * NANOS_PER_SECOND + nanos)
}

fn date_nanos(text: &str) -> Option<i128> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_nanosecond());
    }
    // Without a zone Docker reads the daemon's own; a container host runs in UTC.
    let local = text
        .parse::<DateTime>()
        .or_else(|_| text.trim_end_matches('Z').parse::<Date>().map(DateTime::from))
        .ok()?;
    let zoned = local.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_nanosecond())
}

/// A Go duration (`1h30m`, `-5s`, `1.5h`, `100ms`) in nanoseconds. A number without a unit is none, save `0`.
pub(in crate::docker) fn duration_nanos(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS_PER_SECOND,
            "m" => 60 * NANOS_PER_SECOND,
            "h" => 3600 * NANOS_PER_SECOND,
            _ => return None,
        };
        // The number in billionths, so that one and a half hours are exact.
        let billionths = unix_nanos(number)?;
        total = total.checked_add(billionths.checked_mul(scale)? / NANOS_PER_SECOND)?;
        rest = after;
    }
    Some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_795_313_500_000_000_000);

    #[test]
    fn writes_times_as_go_does() {
        #[track_caller]
        fn check(nanos: u64, expected: &str) {
            assert_eq!(rfc3339_nano(Time(nanos)), expected);
        }
        check(0, "0001-01-01T00:00:00Z");
        check(1, "1970-01-01T00:00:00.000000001Z");
        check(1_795_313_500_000_000_000, "2026-11-22T02:11:40Z");
        check(1_795_313_500_329_231_690, "2026-11-22T02:11:40.32923169Z");
        check(1_795_313_500_500_000_000, "2026-11-22T02:11:40.5Z");
        check(u64::MAX, "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn reads_every_form_of_a_moment() {
        #[track_caller]
        fn check(text: &str, expected: u64) {
            assert_eq!(parse_moment(text, NOW), Ok(Time(expected)), "{text}");
        }
        check("0", 0);
        check("1.5", 1_500_000_000);
        check("1795313500", 1_795_313_500_000_000_000);
        check("1795313500.25", 1_795_313_500_250_000_000);
        check("1795313500.000000001", 1_795_313_500_000_000_001);
        check("1795313500.0000000019", 1_795_313_500_000_000_001);
        check("-5", 0);
        check("10m", NOW.0 - 600_000_000_000);
        check("1h30m", NOW.0 - 5_400_000_000_000);
        check("1.5h", NOW.0 - 5_400_000_000_000);
        check("-10s", NOW.0 + 10_000_000_000);
        check("2026-11-22", 1_795_305_600_000_000_000);
        check("2026-11-22Z", 1_795_305_600_000_000_000);
        check("2026-11-22T02:11", 1_795_313_460_000_000_000);
        check("2026-11-22T02:11:40", 1_795_313_500_000_000_000);
        check("2026-11-22T02:11:40.5Z", 1_795_313_500_500_000_000);
        check("2026-11-22T03:11:40+01:00", 1_795_313_500_000_000_000);
        check("1960-01-01T00:00:00Z", 0);
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in ["", "abc", "1.x", "1.5.5", "h", "5x", "2026-13-01", "1e9", "+7"] {
            assert_eq!(
                parse_moment(text, NOW),
                Err(NotAMoment(text.to_owned())),
                "{text}"
            );
        }
    }
}
