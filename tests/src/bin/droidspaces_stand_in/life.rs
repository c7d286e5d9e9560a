//! `start`, `stop` and `restart`.

use std::fs;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::droidspaces::{Config, is_name, safe_name};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::arguments::Options;
use crate::boot::Kind;
use crate::lock::Lock;
use crate::place::Place;
use crate::{Failure, say, state};

/// How long a start waits for the container to count as running.
const START_LIMIT: Duration = Duration::from_secs(5);
/// Pause between two looks at a container that starts. Droidspaces' own is 100 ms; tests start many.
const START_PAUSE: Duration = Duration::from_millis(10);
/// How long a stop waits for the init to obey.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// How long it waits for an init that was killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Pause between two looks at a container that stops.
const STOP_PAUSE: Duration = Duration::from_millis(200);

pub(crate) fn start(place: &Place, options: &Options) -> Result<u8, Failure> {
    let config = prepare(place, options)?;
    let name = config.value("name");
    if let Some(pid) = state::running(place, &config) {
        return Err(Failure::failed(format!(
            "Container '{name}' is already running (PID {pid})"
        )));
    }
    boot(place, options, config)
}

pub(crate) fn restart(place: &Place, options: &Options) -> Result<u8, Failure> {
    let config = prepare(place, options)?;
    if state::running(place, &config).is_some() {
        halt(place, &config)?;
    }
    boot(place, options, config)
}

/// Stops every container that is named, and tells whether each could be.
pub(crate) fn stop(place: &Place, options: &Options) -> Result<u8, Failure> {
    let names: Vec<&str> = options.name.split(',').filter(|name| !name.is_empty()).collect();
    let one = |name: &str| {
        let unknown = || Failure::failed(format!("Container '{name}' is not running"));
        let config = place.config(name).ok_or_else(unknown)?;
        halt(place, &config)
    };
    match names.as_slice() {
        [] => Err(Failure::invalid("--name is required for stop")),
        [name] => one(name).map(|()| 0),
        several => {
            let failures: Vec<Failure> = several.iter().filter_map(|name| one(name).err()).collect();
            match failures.is_empty() {
                true => Ok(0),
                false => {
                    let texts: Vec<String> = failures.into_iter().map(|failure| failure.text).collect();
                    Err(Failure::invalid(texts.join("\n")))
                }
            }
        }
    }
}

/// The settings that hold now: the file's, then the command line's.
fn prepare(place: &Place, options: &Options) -> Result<Config, Failure> {
    let given = options.settings.iter().find(|(key, _)| *key == "rootfs_path");
    let beside = given.and_then(|(_, path)| Some(Path::new(path).parent()?.join("container.config")));
    let mut config = match (&options.conf, beside.filter(|path| path.exists())) {
        (Some(conf), _) => {
            let unread = |error| Failure::invalid(format!("Cannot read '{conf}': {error}"));
            Config::load(Path::new(conf)).map_err(unread)?
        }
        (None, Some(beside)) => Config::load(&beside)?,
        (None, None) => place.config(&options.name).unwrap_or_default(),
    };
    for (key, value) in &options.settings {
        config.set(key, value);
    }
    if !options.name.is_empty() {
        config.set("name", &options.name);
    }
    if !is_name(config.value("name")) {
        return Err(Failure::invalid("--name is required, and must be a valid name"));
    }
    if config.value("rootfs_path").is_empty() {
        return Err(Failure::invalid("Either --rootfs or --rootfs-img is required"));
    }
    Ok(config)
}

/// Starts a container that does not run.
fn boot(place: &Place, options: &Options, mut config: Config) -> Result<u8, Failure> {
    if let Some(text) = place.knob("fail-start") {
        return Err(Failure::failed(text));
    }
    let rootfs = config.value("rootfs_path").to_owned();
    let kind =
        fs::metadata(&rootfs).map_err(|error| Failure::failed(format!("Rootfs '{rootfs}': {error}")))?;
    if kind.is_file() || kind.file_type().is_block_device() {
        return Err(Failure::failed(format!("Failed to mount image '{rootfs}'")));
    }
    complete(&mut config)?;
    let name = config.value("name").to_owned();
    fs::create_dir_all(place.containers().join(safe_name(&name)))?;
    config.save(&place.config_file(&name))?;
    if let (Some(_), Some(parent)) = (options.settings.first(), Path::new(&rootfs).parent()) {
        config.save(&parent.join("container.config"))?;
    }
    let kind = Kind::of(&config);
    fs::write(place.sidecar(&name, "init"), kind.word())?;
    let _ = fs::remove_file(place.sidecar(&name, "pid"));
    let console = place.log_file(&name, "console")?;
    // There is none before the first start.
    let _ = fs::rename(&console, console.with_extension("old"));
    launch(place, &config)?;
    place.record("start", &config);
    say(&format!("[+] Container '{name}' started"))
}

/// Gives a container what it does not have before its first start.
fn complete(config: &mut Config) -> Result<(), Failure> {
    let uuid = config.value("uuid");
    if uuid.is_empty() || state::is_taken(uuid) {
        let mut bytes = [0; 16];
        fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        config.set("uuid", &digits);
    }
    if config.value("net_mode").is_empty() {
        config.set("net_mode", "host");
    }
    if config.value("net_mode") == "nat" && config.value("static_nat_ip").is_empty() {
        let sum = config.value("name").bytes().fold(7_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        let address = format!("172.28.{}.{}", 1 + sum % 254, 1 + sum / 254 % 254);
        config.set("static_nat_ip", &address);
    }
    Ok(())
}

/// Runs the monitor, and waits until the container counts as running.
fn launch(place: &Place, config: &Config) -> Result<(), Failure> {
    let name = config.value("name");
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(place.log_file(name, "log")?)?;
    let mut monitor = Command::new(place.program())
        .args(["@monitor", name])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let text = fs::read_to_string(place.sidecar(name, "pid")).unwrap_or_default();
        if text.trim().parse().is_ok_and(state::is_container) {
            return Ok(());
        }
        if monitor.try_wait()?.is_some() {
            let read = |file: &str| place.log_file(name, file).and_then(fs::read);
            let said = [
                read("log").unwrap_or_default(),
                read("console").unwrap_or_default(),
            ]
            .concat();
            let said = String::from_utf8_lossy(&said);
            let text = format!("Container '{name}' failed to boot; it said:\n{said}");
            return Err(Failure::failed(text));
        }
        if Instant::now() > deadline {
            // The container ends with it.
            let _ = monitor.kill();
            let _ = fs::remove_file(place.sidecar(name, "pid"));
            return Err(Failure::failed(format!(
                "Container '{name}' did not boot in time"
            )));
        }
        thread::park_timeout(START_PAUSE);
    }
}

/// Stops a container that runs.
fn halt(place: &Place, config: &Config) -> Result<(), Failure> {
    let name = config.value("name");
    let pid = state::running(place, config)
        .ok_or_else(|| Failure::failed(format!("Container '{name}' is not running")))?;
    if let Some(text) = place.knob("fail-stop") {
        return Err(Failure::failed(text));
    }
    let _lock = Lock::take(place, name)?;
    Kind::of(config).end(pid)?;
    let patience = place.knob_time("stop-timeout").unwrap_or(STOP_LIMIT);
    if !is_gone_within(pid, patience) {
        // It may have gone between the two.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        if !is_gone_within(pid, KILL_LIMIT) {
            return Err(Failure::failed(format!("Container '{name}' does not end")));
        }
    }
    for extension in ["pid", "init"] {
        let _ = fs::remove_file(place.sidecar(name, extension));
    }
    place.record("die", config);
    say(&format!("[+] Container '{name}' stopped")).map(|_| ())
}

fn is_gone_within(pid: i32, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while state::is_alive(pid) {
        if Instant::now() >= deadline {
            return false;
        }
        thread::park_timeout(STOP_PAUSE);
    }
    true
}
