//! Names and numbers of signals.

use nix::libc;
use nix::sys::signal::Signal;
use wire::{Refusal, RefusalCode};

/// The signal that cannot be refused.
pub(crate) const KILL: i32 = libc::SIGKILL;
/// The signal that asks.
pub(crate) const TERM: i32 = libc::SIGTERM;

/// The highest real-time signal of Linux.
const NUMBER_MAX: u32 = 64;

/// A number that is a signal.
pub(crate) fn checked(number: u32) -> Result<i32, Refusal> {
    let signal = i32::try_from(number)
        .ok()
        .filter(|_| (1..=NUMBER_MAX).contains(&number));
    signal.ok_or_else(|| Refusal::because(RefusalCode::InvalidSpec, format!("invalid signal: {number}")))
}

/// A signal by number, or by name with or without `SIG`, real-time ones as `RTMIN+3` or `RTMAX-1`.
pub(crate) fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<u32>() {
        return checked(number).ok();
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(above) = name.strip_prefix("RTMIN") {
        return real_time(34, above);
    }
    if let Some(below) = name.strip_prefix("RTMAX") {
        return real_time(64, below);
    }
    // Enum values of a C library's numbers.
    Signal::iterator()
        .find(|signal| signal.as_str() == format!("SIG{name}"))
        .map(|signal| {
            // The discriminant is the number.
            #[allow(clippy::as_conversions)]
            let number = signal as i32;
            number
        })
}

fn real_time(base: i32, offset: &str) -> Option<i32> {
    let offset = if offset.is_empty() {
        0
    } else {
        offset.parse::<i32>().ok()?
    };
    let number = base.checked_add(offset)?;
    (34..=64).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("KILL", Some(9)),
            ("SIGTERM", Some(15)),
            ("sigusr1", Some(10)),
            ("28", Some(28)),
            ("RTMIN", Some(34)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("RTMAX+1", None),
            ("0", None),
            ("65", None),
            ("NOPE", None),
            ("", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
    }
}
