//! What the journal asks of the machine besides files: clocks, the boot's name, chance.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
use wire::Time;

/// Clocks, the boot's name and chance. A trait so that a test can step the clock and the bytes
/// of a checked-in segment can be made again.
pub trait Surroundings: fmt::Debug + Send + Sync {
    /// The wall clock.
    fn wall(&self) -> Time;

    /// Nanoseconds since the machine booted, sleep included. Never steps back within a boot.
    fn since_boot_ns(&self) -> u64;

    /// Names this boot; all zero where the machine does not say.
    fn boot_id(&self) -> [u8; 16];

    /// Sixteen bytes that nobody can guess.
    ///
    /// # Errors
    /// What the source of chance says.
    fn salt(&self) -> io::Result<[u8; 16]>;
}

/// The real machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

impl Surroundings for Machine {
    fn wall(&self) -> Time {
        // A clock before 1970 is a clock that nobody has set.
        Time::since_epoch(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
    }

    fn since_boot_ns(&self) -> u64 {
        let elapsed = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    fn boot_id(&self) -> [u8; 16] {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .and_then(|text| parse_uuid(&text))
            .unwrap_or_default()
    }

    fn salt(&self) -> io::Result<[u8; 16]> {
        let mut salt = [0; 16];
        fs::File::open("/dev/urandom")?.read_exact(&mut salt)?;
        Ok(salt)
    }
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.trim().chars().filter(|&c| c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    // Little-endian like every number of the format; the bytes only ever need to be the same.
    (digits.len() == 32).then(|| number.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Machine, Surroundings, parse_uuid};

    #[test]
    fn a_boot_has_one_name_and_a_salt_is_new_each_time() {
        assert_eq!(Machine.boot_id(), Machine.boot_id());
        assert_ne!(Machine.salt().unwrap(), Machine.salt().unwrap());
    }

    #[test]
    fn time_since_boot_never_falls() {
        let first = Machine.since_boot_ns();
        assert!(first > 0);
        assert!(Machine.since_boot_ns() >= first);
    }

    #[test]
    fn a_boot_name_is_32_digits() {
        assert_eq!(
            parse_uuid("00000000-0000-0000-0000-000000000102\n").unwrap()[..2],
            [2, 1]
        );
        assert_eq!(parse_uuid("0102"), None);
        assert_eq!(parse_uuid("no"), None);
    }
}
