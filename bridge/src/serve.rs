//! Bringing the bridge up, and running it until it is told to end.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use caps::CapsHashSet;
use caps::errors::CapsError;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Uid;
use tracing_subscriber::filter::LevelFilter;

use crate::ceiling::{Ceiling, CeilingError, Powers};
use crate::config::{Common, Doors, Layout, LogFormat, Retention, RuntimeName, Runtimes, Rush, Serve};
use crate::fence::powers;
use crate::gate::{Door, Gate};
use crate::runtime::droidspaces::{self, DroidspacesOptions, DroidspacesRuntime};
use crate::runtime::native::{NativeOptions, NativeRuntime};
use crate::runtime::{Registry, Runtime, RuntimeError};
use crate::shim::cgroup;
use crate::supervise::{BeginError, Supervisor};
use crate::sys::memory;
use crate::systemd::Systemd;
use crate::{Bridge, dsap, host, launcher, listen};

/// This very program, also after it was replaced on disk by an upgrade.
const SELF: &str = "/proc/self/exe";

/// Why the bridge could not be brought up.
#[derive(Debug)]
pub enum StartError {
    /// Only root can do what it does.
    NotRoot,
    /// A directory or file.
    File(PathBuf, io::Error),
    /// What may be asked at most.
    Ceiling(CeilingError),
    /// The runtime.
    Runtime(RuntimeError),
    /// Journal, runtimes or threads.
    Begin(BeginError),
    /// Powers that are not used could not be given up.
    Powers(CapsError),
    /// There is no thread to start programs.
    Launcher(io::Error),
    /// Signals.
    Signals(Errno),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRoot => f.write_str("this must run as root (try sudo)"),
            Self::Ceiling(error) => error.fmt(f),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Runtime(error) => write!(f, "cannot open the runtime: {error}"),
            Self::Begin(error) => error.fmt(f),
            Self::Powers(error) => write!(f, "cannot give up powers: {error}"),
            Self::Launcher(error) => write!(f, "cannot start the thread that starts programs: {error}"),
            Self::Signals(error) => write!(f, "cannot wait for signals: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Writes the log to standard error: for people, or as JSON. `SOCKETD_LOG` may ask for more or
/// less than `info`: off, error, warn, debug, trace.
pub fn begin_log(format: LogFormat) {
    let asked = std::env::var("SOCKETD_LOG")
        .ok()
        .and_then(|word| word.parse().ok());
    let log = tracing_subscriber::fmt()
        .with_max_level(asked.unwrap_or(LevelFilter::INFO))
        .with_writer(io::stderr)
        // Else a line that nobody can be told is complained about where nobody hears it, and that panics.
        .log_internal_errors(false);
    match format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => log
            .with_target(false)
            .with_ansi(io::stderr().is_terminal())
            .init(),
    }
}

/// The signals that end a daemon, blocked so that they can be waited for. Called before the first
/// thread, for threads inherit it.
///
/// # Errors
/// The kernel's.
pub fn end_signals() -> Result<SigSet, StartError> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().map_err(StartError::Signals)?;
    Ok(signals)
}

/// Runs the bridge alone until it is told to end.
///
/// # Errors
/// Why it could not be brought up.
pub fn run(arguments: &Serve) -> Result<(), StartError> {
    let systemd = Arc::new(Systemd::from_environment());
    let signals = end_signals()?;
    let layout = prepare(&arguments.common)?;
    let ceiling = ceiling(&arguments.common)?;
    let (bridge, gate) = start(
        &arguments.common,
        &layout,
        arguments.retention,
        ceiling,
        arguments.demo,
    )?;
    open(&bridge, gate, &layout, &arguments.common, arguments.doors.rush)?;
    open_dsap(&bridge, &arguments.doors)?;
    tracing::info!(dir = %layout.sockets().display(), "answering");
    tell_ready(
        &systemd,
        &bridge,
        &format!("Answering in {}", layout.sockets().display()),
    )?;
    let signal = signals.wait().map_err(StartError::Signals)?;
    tracing::info!(%signal, "ending; containers keep running");
    systemd.tell_stopping();
    close(&layout);
    bridge.supervisor.tell_of_end();
    Ok(())
}

/// Says that the bridge answers, and from now on that it still does.
pub(crate) fn tell_ready(systemd: &Arc<Systemd>, bridge: &Bridge, status: &str) -> Result<(), StartError> {
    systemd.tell_ready(status);
    let watched = systemd.watch_over(&bridge.supervisor);
    watched.map_err(|error| StartError::Begin(BeginError::Thread(error)))
}

/// Makes the directories.
pub(crate) fn prepare(common: &Common) -> Result<Layout, StartError> {
    if !Uid::effective().is_root() {
        return Err(StartError::NotRoot);
    }
    // What is private lies below a directory that only root enters. What a container shows to its
    // own users must not depend on who started the bridge.
    umask(Mode::from_bits_truncate(0o022));
    directory(&common.state_dir, 0o711)?;
    let root = fs::canonicalize(&common.state_dir)
        .map_err(|error| StartError::File(common.state_dir.clone(), error))?;
    let layout = Layout::new(root);
    directory(&layout.private(), 0o700)?;
    directory(&layout.journal(), 0o700)?;
    directory(&layout.native(), 0o700)?;
    directory(&layout.run(), 0o711)?;
    let sockets = layout.sockets();
    directory(&sockets, 0o750)?;
    chown(&sockets, Some(0), Some(common.front_gid)).map_err(|error| StartError::File(sockets, error))?;
    Ok(layout)
}

/// Reads what may be asked at most. Before anything runs: with a file that is wrong nothing is to.
pub(crate) fn ceiling(common: &Common) -> Result<Ceiling, StartError> {
    Ceiling::load(common.ceiling.as_deref()).map_err(StartError::Ceiling)
}

/// Begins to run containers. Nobody is answered yet.
pub(crate) fn start(
    common: &Common,
    layout: &Layout,
    retention: Retention,
    ceiling: Ceiling,
    demo: bool,
) -> Result<(Arc<Bridge>, Gate), StartError> {
    let id_path = layout.host_id();
    memory::share_one_arena();
    let host_id = host::id(&id_path).map_err(|error| StartError::File(id_path, error))?;
    let runtimes = runtimes(&common.runtimes, layout, &ceiling.powers, demo).map_err(StartError::Runtime)?;
    // Nothing is mounted from here on, and there is no other thread yet.
    powers::irrevocably_bound_children(&may_be_given(common, &ceiling)).map_err(StartError::Powers)?;
    powers::irrevocably_keep_own().map_err(StartError::Powers)?;
    launcher::begin().map_err(StartError::Launcher)?;
    let supervisor = Supervisor::begin(
        &layout.journal(),
        host_id,
        retention.options(),
        runtimes,
        Arc::new(ceiling),
    )
    .map_err(StartError::Begin)?;
    let facts = host::facts(
        layout,
        host_id,
        supervisor.runtime_names(),
        &cgroup::Layout::detect(),
    );
    let gate = Gate {
        front_uid: common.front_uid,
    };
    Ok((Arc::new(Bridge { supervisor, facts }), gate))
}

/// What whoever we start may ever be given. A runtime whose containers another program makes gives what it likes.
fn may_be_given(common: &Common, ceiling: &Ceiling) -> CapsHashSet {
    if common
        .runtimes
        .names
        .iter()
        .all(|name| *name == RuntimeName::Native)
    {
        ceiling.powers.may_be_given()
    } else {
        caps::all()
    }
}

/// Opens the runtimes that are asked for, in their order.
fn runtimes(
    asked: &Runtimes,
    layout: &Layout,
    powers: &Powers,
    demo: bool,
) -> Result<Registry, RuntimeError> {
    let mut runtimes: Vec<Arc<dyn Runtime>> = Vec::new();
    for (at, name) in asked.names.iter().enumerate() {
        if asked.names.iter().position(|first| first == name) != Some(at) {
            continue;
        }
        runtimes.push(match name {
            RuntimeName::Native => {
                let options = NativeOptions {
                    demo,
                    shim: PathBuf::from(SELF),
                };
                Arc::new(NativeRuntime::open(&layout.native(), options)?.under(powers.clone()))
            }
            RuntimeName::Droidspaces => {
                let root = asked
                    .droidspaces_root
                    .clone()
                    .unwrap_or_else(droidspaces::usual_root);
                let command = asked.droidspaces_command.clone();
                let options = DroidspacesOptions {
                    command: command.unwrap_or_else(|| droidspaces::usual_command(&root)),
                    root,
                    daemon: asked.droidspaces_daemon.clone(),
                    program: PathBuf::from(SELF),
                };
                Arc::new(DroidspacesRuntime::open(&layout.droidspaces(), options)?)
            }
        });
    }
    Ok(Registry::new(runtimes))
}

/// Begins to answer.
pub(crate) fn open(
    bridge: &Arc<Bridge>,
    gate: Gate,
    layout: &Layout,
    common: &Common,
    rush: Rush,
) -> Result<(), StartError> {
    for (name, door) in [(listen::WATCH, Door::Watch), (listen::CONTROL, Door::Control)] {
        let opened = listen::bind(&layout.sockets(), name, common.front_gid)
            .and_then(|listener| listen::spawn(listener, door, gate, rush, Arc::clone(bridge)));
        opened.map_err(|error| StartError::File(layout.sockets().join(name), error))?;
    }
    Ok(())
}

/// Begins to answer in version 1 of the protocol, where that is asked for.
pub(crate) fn open_dsap(bridge: &Bridge, doors: &Doors) -> Result<(), StartError> {
    let Some(name) = &doors.dsap else { return Ok(()) };
    dsap::open(name, bridge).map_err(|error| StartError::File(PathBuf::from(format!("@{name}")), error))?;
    tracing::info!(name, "answering in version 1 as well");
    Ok(())
}

/// Takes the sockets away, so that a client sees at once that nobody is there.
pub(crate) fn close(layout: &Layout) {
    for name in [listen::WATCH, listen::CONTROL] {
        let _ = fs::remove_file(layout.sockets().join(name));
    }
}

fn directory(path: &Path, mode: u32) -> Result<(), StartError> {
    let wrong = |error| StartError::File(path.to_owned(), error);
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(wrong)?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(wrong)
}
