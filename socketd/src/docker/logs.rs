//! What a client asks of a log, and how a line's time is shown.

use wire::Time;

use super::error::ApiError;
use super::query::Query;
use super::time::{parse_moment, rfc3339_nano};

/// `GET /containers/{id}/logs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsQuery {
    /// Whether standard output is wanted.
    pub stdout: bool,
    /// Whether standard error is wanted.
    pub stderr: bool,
    /// Whether what is written from now on is wanted.
    pub follow: bool,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// So many lines from the end; none means all.
    pub tail: Option<u64>,
    /// Nothing before this.
    pub since: Time,
    /// Nothing after this.
    pub until: Option<Time>,
}

impl LogsQuery {
    /// Reads it. `details` is taken and adds nothing: no container of ours has any.
    ///
    /// # Errors
    /// 400 where no stream is chosen, or a time is none.
    pub fn parse(query: &Query, now: Time) -> Result<Self, ApiError> {
        let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr"));
        if !stdout && !stderr {
            return Err(ApiError::bad_request(
                "Bad parameters: you must choose at least one stream",
            ));
        }
        let since = moment(query, "since", now)?.unwrap_or(Time::NEVER);
        let until = moment(query, "until", now)?;
        if until.is_some_and(|until| until < since) {
            return Err(ApiError::bad_request("invalid parameters: until is before since"));
        }
        Ok(Self {
            stdout,
            stderr,
            follow: query.flag("follow"),
            timestamps: query.flag("timestamps"),
            // As with Docker, what is no number means all, and so does a negative one.
            tail: query.text("tail").and_then(|text| text.parse().ok()),
            since,
            until,
        })
    }
}

/// A moment; absent, empty and zero mean none.
fn moment(query: &Query, key: &str, now: Time) -> Result<Option<Time>, ApiError> {
    match query.text(key) {
        None | Some("" | "0") => Ok(None),
        Some(text) => parse_moment(text, now)
            .map(Some)
            .map_err(|error| ApiError::bad_request(error.to_string())),
    }
}

/// Writes times before lines, as RFC 3339 with nine decimals. Lines of one second share most of it.
#[derive(Debug, Default)]
pub struct Stamper {
    second: u64,
    /// `2026-11-22T02:11:40`, of that second.
    begin: String,
}

const NEVER_STAMP: &[u8] = b"0001-01-01T00:00:00.000000000Z ";

const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl Stamper {
    /// Appends a time and a blank. Of a line whose time nobody knows it is the one that never was.
    pub fn append(&mut self, time: Time, out: &mut Vec<u8>) {
        if time.is_never() {
            return out.extend_from_slice(NEVER_STAMP);
        }
        let second = time.0 / NANOS_PER_SECOND;
        if self.begin.is_empty() || second != self.second {
            // Zero would be the time that never was.
            let text = rfc3339_nano(Time(second.saturating_mul(NANOS_PER_SECOND).saturating_add(1)));
            self.begin = text.get(..19).unwrap_or_default().to_owned();
            self.second = second;
        }
        let mut decimals = *b".000000000Z ";
        let mut rest = time.0 % NANOS_PER_SECOND;
        for digit in decimals.iter_mut().skip(1).take(9).rev() {
            *digit = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or_default());
            rest /= 10;
        }
        out.extend_from_slice(self.begin.as_bytes());
        out.extend_from_slice(&decimals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_795_313_500_000_000_000);

    fn parse(text: &str) -> Result<LogsQuery, ApiError> {
        LogsQuery::parse(&Query::parse(Some(text)), NOW)
    }

    #[test]
    fn one_stream_is_needed() {
        let error = ApiError::bad_request("Bad parameters: you must choose at least one stream");
        assert_eq!(parse(""), Err(error.clone()));
        assert_eq!(parse("stdout=0&follow=1"), Err(error));
        assert!(parse("stderr=1").is_ok_and(|query| query.stderr && !query.stdout));
    }

    #[test]
    fn every_form_of_a_tail() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(
                parse(&format!("stdout=1&{text}")).unwrap().tail,
                expected,
                "{text}"
            );
        }
        check("", None);
        check("tail=all", None);
        check("tail=x", None);
        check("tail=-1", None);
        check("tail=", None);
        check("tail=0", Some(0));
        check("tail=100", Some(100));
    }

    #[test]
    fn times_bound_what_is_shown() {
        let query = parse("stdout=1&since=10m&until=1795313500.5").unwrap();
        assert_eq!(query.since, Time(NOW.0 - 600_000_000_000));
        assert_eq!(query.until, Some(Time(NOW.0 + 500_000_000)));
        let query = parse("stdout=1&since=0&until=0").unwrap();
        assert_eq!((query.since, query.until), (Time::NEVER, None));
        for text in ["since=x", "until=x", "since=20&until=10"] {
            let error = parse(&format!("stdout=1&{text}")).unwrap_err();
            assert_eq!(error.status, 400, "{text}");
        }
    }

    #[test]
    fn stamps_have_nine_decimals() {
        let mut stamper = Stamper::default();
        let mut out = Vec::new();
        for nanos in [0, 329_231_690, 329_231_691, 1_500_000_000] {
            stamper.append(Time(NOW.0 + nanos), &mut out);
        }
        stamper.append(Time::NEVER, &mut out);
        stamper.append(Time(1), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "2026-11-22T02:11:40.000000000Z 2026-11-22T02:11:40.329231690Z 2026-11-22T02:11:40.329231691Z \
             2026-11-22T02:11:41.500000000Z 0001-01-01T00:00:00.000000000Z 1970-01-01T00:00:00.000000001Z "
        );
    }
}
