//! What systemd is told of this process, where it asks to be told.
//!
//! A datagram of `NAME=value` lines to the socket that `NOTIFY_SOCKET` names. The socket is connected once, while
//! there still is the power to reach it; whoever does not listen there is never waited for. Where
//! nobody asks, nothing is sent and no timer runs.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The way to systemd; leads nowhere where it did not start us.
#[derive(Debug, Default)]
pub struct Systemd {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that all is well.
    period: Option<Duration>,
}

impl Systemd {
    /// As the environment says.
    #[must_use]
    pub fn from_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
            return Self::default();
        };
        match connect(&name) {
            Ok(socket) => Self {
                socket: Some(socket),
                period: period(
                    std::env::var("WATCHDOG_USEC").ok().as_deref(),
                    std::env::var("WATCHDOG_PID").ok().as_deref(),
                    std::process::id(),
                ),
            },
            Err(error) => {
                tracing::warn!(socket = %name.display(), %error, "nobody can be told that this process is ready");
                Self::default()
            }
        }
    }

    /// It serves. `status` is a sentence for people.
    pub fn tell_ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// It reads its files again, and says when it is ready.
    pub fn tell_reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros()));
    }

    /// It ends.
    pub fn tell_stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Ending; requests that run are answered first\n");
    }

    /// It still does what it is for.
    pub fn tell_alive(&self) {
        self.tell("WATCHDOG=1\n");
    }

    /// When to say that; none where nobody waits for it.
    #[must_use]
    pub fn watchdog(&self) -> Option<Interval> {
        self.period.map(|period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        })
    }

    fn tell(&self, text: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(text.as_bytes())
        {
            tracing::debug!(%error, "systemd does not listen");
        }
    }
}

/// A path, or the name of an abstract socket after an `@`.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Half of the time after which systemd would take us for dead, where it is us that it watches.
fn period(microseconds: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let microseconds = microseconds?.parse().ok().filter(|count: &u64| *count > 1)?;
    let ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    ours.then(|| Duration::from_micros(microseconds / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(microseconds: Option<&str>, pid: Option<&str>, expected: Option<u64>) {
        let got = period(microseconds, pid, 7);
        assert_eq!(
            got,
            expected.map(Duration::from_micros),
            "{microseconds:?} {pid:?}"
        );
    }

    #[test]
    fn how_often_systemd_wants_to_hear() {
        check(Some("20000000"), None, Some(10_000_000));
        check(Some("20000000"), Some("7"), Some(10_000_000));
        check(Some("20000000"), Some("8"), None);
        check(Some("20000000"), Some(""), None);
        check(Some("0"), None, None);
        check(Some("1"), None, None);
        check(Some("soon"), None, None);
        check(None, Some("7"), None);
    }
}
