//! `pid`, `show`, `info` and `usage`: what there is to read.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use harness::droidspaces::Config;

use crate::arguments::Options;
use crate::place::Place;
use crate::{Failure, INVALID, say, state};

/// How long `usage` watches the processor.
const SAMPLE: Duration = Duration::from_millis(250);

pub(crate) fn pid(place: &Place, options: &Options) -> Result<u8, Failure> {
    let config = place.config(&options.name);
    match config.and_then(|config| state::running(place, &config)) {
        Some(pid) => say(&pid.to_string()),
        None => say("NONE").map(|_| INVALID),
    }
}

/// Every container that runs.
pub(crate) fn show(place: &Place, options: &Options) -> Result<u8, Failure> {
    let mut total = 0;
    let mut running = Vec::new();
    for entry in fs::read_dir(place.containers())?.filter_map(Result::ok) {
        total += 1;
        let Ok(config) = Config::load(&entry.path().join("container.config")) else {
            continue;
        };
        if let Some(pid) = state::running(place, &config) {
            running.push((config.value("name").to_owned(), pid));
        }
    }
    running.sort();
    let mut text = String::new();
    if options.format {
        text += &format!("TOTAL_CONTAINERS={total}\nRUN_CONTAINERS={}\n", running.len());
        running
            .iter()
            .for_each(|(name, pid)| text += &format!("CONT_{name}={pid}\n"));
    } else {
        running
            .iter()
            .for_each(|(name, pid)| text += &format!("│ {name} │ {pid} │\n"));
    }
    io::stdout().write_all(text.as_bytes())?;
    Ok(0)
}

pub(crate) fn info(place: &Place, options: &Options) -> Result<u8, Failure> {
    let (config, pid) = running(place, options)?;
    let mode = match config.value("net_mode") {
        "nat" => "NAT",
        "" => "host",
        other => other,
    };
    let kernel = |file: &str| fs::read_to_string(format!("/proc/sys/kernel/{file}")).unwrap_or_default();
    let mut text = format!(
        "HOST_PLATFORM=Linux\nHOST_ARCH={}\nCONTAINER_NAME={}\nCONTAINER_PID={pid}\nCONTAINER_HOSTNAME={}\n\
         NETWORKING_MODE={mode}\n",
        std::env::consts::ARCH,
        config.value("name"),
        match config.value("hostname") {
            "" => config.value("name").to_owned(),
            own => own.to_owned(),
        },
    );
    if mode == "NAT" {
        text += &format!("NAT_IP={}\n", config.value("static_nat_ip"));
    }
    text += &format!("DISABLE_IPV6={}\n", u8::from(config.is_on("disable_ipv6")));
    if !options.format {
        text = format!(
            "\u{1b}[1m{}\u{1b}[0m on {}",
            config.value("name"),
            kernel("osrelease")
        );
    }
    io::stdout().write_all(text.as_bytes())?;
    Ok(0)
}

pub(crate) fn usage(place: &Place, options: &Options) -> Result<u8, Failure> {
    let (_, pid) = running(place, options)?;
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(pid);
    let used: u64 = state::processes()
        .filter(|other| own.is_some() && namespace(*other) == own)
        .map(|pid| kilobytes(format!("/proc/{pid}/status"), "VmRSS:"))
        .sum();
    thread::park_timeout(SAMPLE);
    let total = kilobytes("/proc/meminfo", "MemTotal:");
    say(&format!(
        "UPTIME_SEC=0\nUPTIME=0s\nRAM_USED_KB={used}\nRAM_TOTAL_KB={total}\nCPU_PERMILL=0"
    ))
}

fn running(place: &Place, options: &Options) -> Result<(Config, i32), Failure> {
    let config = place.config(&options.name).unwrap_or_default();
    let pid = state::running(place, &config);
    let pid = pid.ok_or_else(|| Failure::failed(format!("Container '{}' is not running", options.name)))?;
    Ok((config, pid))
}

/// A number of kilobytes behind a word at the beginning of a line.
fn kilobytes(file: impl AsRef<Path>, word: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}
