//! PAX records: `LENGTH KEY=VALUE` and a newline, one after another.
//!
//! Read by their lengths, because a value may hold any byte: file capabilities hold newlines.

use super::fault::Fault;

/// A key and its value.
pub(super) type Record<'a> = (&'a [u8], &'a [u8]);

/// Splits the data of a PAX header into keys and values, in order.
///
/// # Errors
/// [`Fault::Records`].
pub(super) fn parse(mut data: &[u8]) -> Result<Vec<Record<'_>>, Fault> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let space = data.iter().position(|byte| *byte == b' ').ok_or(Fault::Records)?;
        let (digits, _) = data.split_at_checked(space).ok_or(Fault::Records)?;
        let length = usize::try_from(decimal(digits).ok_or(Fault::Records)?).map_err(|_| Fault::Records)?;
        let (record, rest) = data.split_at_checked(length).ok_or(Fault::Records)?;
        let body = record
            .get(space + 1..)
            .and_then(|body| body.strip_suffix(b"\n"))
            .ok_or(Fault::Records)?;
        let equals = body.iter().position(|byte| *byte == b'=').ok_or(Fault::Records)?;
        let (key, value) = body.split_at_checked(equals).ok_or(Fault::Records)?;
        records.push((key, value.get(1..).unwrap_or_default()));
        data = rest;
    }
    Ok(records)
}

/// A decimal number without sign.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Seconds since 1970 with an optional sign and fraction, as seconds and nanoseconds.
pub(super) fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let mut halves = digits.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(decimal(halves.next()?)?).ok()?;
    let mut nanoseconds = 0;
    let fraction = halves.next().unwrap_or_default();
    for place in 0..9 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        nanoseconds = nanoseconds * 10 + u32::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &[u8], expected: Option<&[(&str, &[u8])]>) {
        let expected = expected.map(|records| {
            records
                .iter()
                .map(|(key, value)| (key.as_bytes(), *value))
                .collect::<Vec<_>>()
        });
        assert_eq!(parse(data).ok(), expected, "{}", data.escape_ascii());
    }

    #[test]
    fn records() {
        check(b"", Some(&[]));
        check(b"6 a=b\n", Some(&[("a", b"b")]));
        check(b"5 a=\n8 b=c=d\n", Some(&[("a", b""), ("b", b"c=d")]));
        check(b"7 a=\n\n\n", Some(&[("a", b"\n\n")]));
        check(b"7 a=b\n", None);
        check(b"5 a=b\n", None);
        check(b"6 a=b", None);
        check(b"4 a\n", None);
        check(b"0 a=b\n", None);
        check(b"-6 a=b\n", None);
        check(b"99999999999999999999999 a=b\n", None);
        check(b" a=b\n", None);
        check(b"a=b\n", None);
        check(b"\0\0\0\0", None);
    }

    #[test]
    fn times() {
        assert_eq!(time(b"12"), Some((12, 0)));
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"12.0123456789"), Some((12, 12_345_678)));
        assert_eq!(time(b"-12"), Some((-12, 0)));
        assert_eq!(time(b"-12.25"), Some((-13, 750_000_000)));
        for bad in [&b""[..], b"-", b"a", b"1.x", b"99999999999999999999", b"--1"] {
            assert_eq!(time(bad), None);
        }
    }
}
