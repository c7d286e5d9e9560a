//! Signals by name or number, as Linux numbers them.

use crate::docker::error::ApiError;

const RTMIN: u32 = 34;
const RTMAX: u32 = 64;

const NAMES: &[(&str, u32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The number of a signal given as `SIGTERM`, `term`, `15` or `RTMIN+3`.
///
/// # Errors
/// 400 `Invalid signal: x`.
pub fn parse_signal(text: &str) -> Result<u32, ApiError> {
    number(text).ok_or_else(|| ApiError::bad_request(format!("Invalid signal: {text}")))
}

fn number(text: &str) -> Option<u32> {
    if let Ok(number) = text.parse::<u32>() {
        return (1..=RTMAX).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = NAMES.iter().find(|(known, _)| *known == name);
    named.map(|(_, number)| *number).or_else(|| real_time(name))
}

fn real_time(name: &str) -> Option<u32> {
    let distance = |text: &str, sign: char| match text.strip_prefix(sign) {
        Some(digits) => digits.parse::<u32>().ok(),
        None => text.is_empty().then_some(0),
    };
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        RTMIN.checked_add(distance(rest, '+')?)?
    } else {
        RTMAX.checked_sub(distance(name.strip_prefix("RTMAX")?, '-')?)?
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        #[track_caller]
        fn check(text: &str, expected: Option<u32>) {
            let wanted = expected.ok_or_else(|| ApiError::bad_request(format!("Invalid signal: {text}")));
            assert_eq!(parse_signal(text), wanted);
        }
        check("SIGTERM", Some(15));
        check("term", Some(15));
        check("sigKill", Some(9));
        check("15", Some(15));
        check("64", Some(64));
        check("RTMIN", Some(34));
        check("SIGRTMIN+3", Some(37));
        check("RTMAX-1", Some(63));
        check("NOPE", None);
        check("", None);
        check("0", None);
        check("-9", None);
        check("65", None);
        check("RTMIN+31", None);
        check("RTMAX-31", None);
        check("SIGSIGTERM", None);
    }
}
