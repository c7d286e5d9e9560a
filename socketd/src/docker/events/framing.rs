//! How one JSON object follows another, as the client's `Accept` asks.

use bytes::Bytes;

/// What stands before each object of a JSON text sequence (RFC 7464).
const RECORD_SEPARATOR: u8 = 0x1e;

/// A way to put objects one after the other. In all of them a line feed ends each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `application/json`: what Docker has always sent, whatever it is.
    Json,
    /// `application/x-ndjson`.
    NdJson,
    /// `application/jsonl`.
    JsonLines,
    /// `application/json-seq`: a record separator before each.
    JsonSequence,
}

impl Framing {
    const ALL: [Self; 4] = [Self::Json, Self::NdJson, Self::JsonLines, Self::JsonSequence];

    /// The media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::NdJson => "application/x-ndjson",
            Self::JsonLines => "application/jsonl",
            Self::JsonSequence => "application/json-seq",
        }
    }

    /// The one that the values of `Accept` like best, the first of several. Docker's own where none of
    /// them is named: a client that asks for something else gets that too, as from Docker.
    #[must_use]
    pub fn wanted<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let mut best = (Self::Json, 0.0);
        for range in accept.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let named = Self::ALL
                .into_iter()
                .find(|framing| framing.content_type().eq_ignore_ascii_case(name));
            let Some(framing) = named.or(matches!(name, "*/*" | "application/*").then_some(Self::Json))
            else {
                continue;
            };
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(Some(1.0), |text| text.parse::<f32>().ok())
                .unwrap_or(0.0);
            if quality > best.1 {
                best = (framing, quality);
            }
        }
        best.0
    }

    /// Puts lines together. One line alone is passed on without a copy.
    #[must_use]
    pub fn join(self, mut lines: impl Iterator<Item = Bytes>) -> Bytes {
        let Some(first) = lines.next() else {
            return Bytes::new();
        };
        let mut lines = lines.peekable();
        if self != Self::JsonSequence && lines.peek().is_none() {
            return first;
        }
        let mut joined = Vec::with_capacity(first.len() + 1);
        for line in std::iter::once(first).chain(lines) {
            if self == Self::JsonSequence {
                joined.push(RECORD_SEPARATOR);
            }
            joined.extend_from_slice(&line);
        }
        joined.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &[&str], expected: Framing) {
        assert_eq!(Framing::wanted(accept.iter().copied()), expected, "{accept:?}");
    }

    #[test]
    fn the_best_that_is_accepted() {
        check(&[], Framing::Json);
        check(&["*/*"], Framing::Json);
        check(&["text/html"], Framing::Json);
        check(&["application/x-ndjson"], Framing::NdJson);
        check(&["Application/JSONL"], Framing::JsonLines);
        check(&["application/json-seq"], Framing::JsonSequence);
        check(&["application/json;q=0.5, application/jsonl"], Framing::JsonLines);
        check(
            &["application/jsonl; q=0.5", "application/json-seq;q=0.9"],
            Framing::JsonSequence,
        );
        check(&["application/jsonl, application/x-ndjson"], Framing::JsonLines);
        check(&["application/jsonl;q=0"], Framing::Json);
        check(&["application/jsonl;q=much"], Framing::Json);
        check(&["*/*;q=0.1, application/x-ndjson;q=0.2"], Framing::NdJson);
    }

    #[test]
    fn lines_are_put_together() {
        let lines = || [Bytes::from_static(b"{}\n"), Bytes::from_static(b"[]\n")].into_iter();
        assert_eq!(Framing::NdJson.join(lines()), "{}\n[]\n");
        assert_eq!(Framing::JsonSequence.join(lines()), "\x1e{}\n\x1e[]\n");
        assert_eq!(Framing::JsonSequence.join(lines().take(1)), "\x1e{}\n");
        assert_eq!(Framing::Json.join(lines().take(0)), "");
    }
}
