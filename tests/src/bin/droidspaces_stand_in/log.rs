//! `Logs/<name>/log`: what the monitor says about a container.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::place::Place;

/// Appends a line with the local time.
pub(crate) fn line(place: &Place, name: &str, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(place.log_file(name, "log")?)?;
    file.write_all(format!("[{}] {text}\n", now()?).as_bytes())
}

/// The local time, by the program that knows time zones; a phone's knows no milliseconds.
fn now() -> io::Result<String> {
    let mut date = Command::new("date");
    let output = date.arg("+%Y-%m-%d %H:%M:%S").env("LC_ALL", "C").output()?;
    let millis = UNIX_EPOCH.elapsed().unwrap_or_default().subsec_millis();
    let seconds = String::from_utf8_lossy(&output.stdout);
    Ok(format!("{}.{millis:03}", seconds.trim()))
}
