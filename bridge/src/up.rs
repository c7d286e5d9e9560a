//! `up`: bridge and socketd together, in the foreground, and perhaps a container to look at.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use wire::request::Create;
use wire::spec::{Process, Spec};
use wire::{Refusal, RefusalCode};

use crate::Bridge;
use crate::config::{Layout, Up};
use crate::serve::{self, StartError};
use crate::systemd::Systemd;

/// Name of the container that `--demo` runs.
const DEMO: &str = "demo";
/// Name of the image it is made from.
const DEMO_IMAGE: &str = "host:latest";

/// Why `up` ended other than by being told to.
#[derive(Debug)]
pub enum UpError {
    /// The bridge.
    Start(StartError),
    /// `socketd` is not where it should be, or cannot be started.
    Front(PathBuf, io::Error),
    /// `socketd` ended on its own; its log says why, unless it was stopped by a signal.
    FrontEnded(Option<ExitStatus>),
    /// The demo container.
    Demo(Refusal),
}

impl fmt::Display for UpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Front(path, error) => write!(f, "cannot start {}: {error}", path.display()),
            Self::FrontEnded(status) => match status.and_then(|status| status.signal()) {
                None => f.write_str("socketd ended"),
                Some(libc::SIGSYS) => f.write_str(
                    "socketd ended: the kernel stopped it at a system call that serving does not take; the \
                     kernel's log has its number (dmesg: type=1326, syscall=)",
                ),
                Some(signal) => write!(f, "socketd ended: killed by signal {signal}"),
            },
            Self::Demo(refusal) => write!(f, "cannot run the demo container: {refusal}"),
        }
    }
}

impl std::error::Error for UpError {}

impl From<StartError> for UpError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

/// Runs both until told to end.
///
/// # Errors
/// Why it could not, or could no longer.
pub fn run(arguments: &Up) -> Result<(), UpError> {
    let systemd = Arc::new(Systemd::from_environment());
    let mut signals = serve::end_signals()?;
    signals.add(Signal::SIGCHLD);
    signals.thread_block().map_err(StartError::Signals)?;
    let layout = serve::prepare(&arguments.common)?;
    let ceiling = serve::ceiling(&arguments.common)?;
    let (bridge, gate) = serve::start(
        &arguments.common,
        &layout,
        arguments.retention,
        ceiling,
        arguments.demo,
    )?;
    serve::open(&bridge, gate, &layout, &arguments.common, arguments.doors.rush)?;
    serve::open_dsap(&bridge, &arguments.doors)?;
    let mut front = Front::spawn(arguments, &layout)?;
    if arguments.demo {
        run_demo(&bridge).map_err(UpError::Demo)?;
    }
    match front.addresses() {
        Some(addresses) => {
            greet(&addresses, &front.listen, arguments.demo);
            let status = format!("Serving on {}", addresses.join(", "));
            serve::tell_ready(&systemd, &bridge, &status)?;
        }
        None => return Err(UpError::FrontEnded(front.child.wait().ok())),
    }
    let ended = wait(&signals, &mut front, &systemd);
    serve::close(&layout);
    bridge.supervisor.tell_of_end();
    ended
}

/// Until told to end, or socketd ends.
fn wait(signals: &SigSet, front: &mut Front, systemd: &Systemd) -> Result<(), UpError> {
    loop {
        match signals.wait().map_err(StartError::Signals)? {
            // A container's shim, or socketd.
            Signal::SIGCHLD => {
                if let Some(status) = front.ended() {
                    return Err(UpError::FrontEnded(status));
                }
            }
            signal => {
                tracing::info!(%signal, "ending; containers keep running");
                systemd.tell_stopping();
                front.end();
                return Ok(());
            }
        }
    }
}

/// The socketd that belongs to this bridge.
struct Front {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Where it was told to listen, in the order in which it says where it does.
    listen: Vec<String>,
}

impl Front {
    /// Starts the `socketd` that lies beside this program. It ends with us: its standard input
    /// is a pipe that closes when we are gone, however we go.
    fn spawn(arguments: &Up, layout: &Layout) -> Result<Self, UpError> {
        let common = &arguments.common;
        let program = std::env::current_exe().map(|path| path.with_file_name("socketd"));
        let program = program.map_err(|error| UpError::Front(PathBuf::from("socketd"), error))?;
        let listen = if arguments.listen.is_empty() && arguments.config.is_none() {
            layout.listen()
        } else {
            arguments.listen.clone()
        };
        let mut command = Command::new(&program);
        command.arg("serve").arg("--bridge-dir").arg(layout.sockets());
        command
            .arg("--user")
            .arg(format!("{}:{}", common.front_uid, common.front_gid));
        command.args(["--log-format", common.log_format.word(), "--with-parent"]);
        for (option, values) in [
            ("--listen", &listen),
            ("--host-name", &arguments.host_names),
            ("--allow-origin", &arguments.origins),
            ("--metrics-listen", &arguments.metrics_listen),
            ("--limit", &arguments.limits),
        ] {
            for value in values {
                command.arg(option).arg(value);
            }
        }
        if let Some(config) = &arguments.config {
            command.arg("--config").arg(config);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).env_clear();
        if let Some(filter) = std::env::var_os("SOCKETD_LOG") {
            command.env("SOCKETD_LOG", filter);
        }
        let mut child = command
            .spawn()
            .map_err(|error| UpError::Front(program.clone(), error))?;
        match child.stdout.take() {
            Some(output) => Ok(Self {
                child,
                output: BufReader::new(output),
                listen,
            }),
            None => Err(UpError::Front(program, io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// The addresses it listens on, a line each and an empty line after the last; none where it
    /// ended before.
    fn addresses(&mut self) -> Option<Vec<String>> {
        let mut addresses = Vec::new();
        loop {
            let mut line = String::new();
            match self.output.read_line(&mut line) {
                Ok(count) if count > 0 => match line.trim() {
                    "" => return Some(addresses),
                    address => addresses.push(address.to_owned()),
                },
                _ => return None,
            }
        }
    }

    /// How it ended, where that is known; none while it runs.
    fn ended(&mut self) -> Option<Option<ExitStatus>> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(status) => Some(status),
            Err(_) => Some(None),
        }
    }

    /// Tells it to end, and waits for it.
    fn end(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            tracing::warn!(%error, "cannot wait for socketd");
        }
    }
}

/// Makes and starts the demo container, unless it is there and runs.
fn run_demo(bridge: &Arc<Bridge>) -> Result<(), Refusal> {
    let supervisor = &bridge.supervisor;
    if supervisor.inventory().resolve(DEMO).is_err() {
        let images = supervisor
            .inventory()
            .images_if_newer(0)
            .map(|listing| listing.items)
            .unwrap_or_default();
        let image = images
            .iter()
            .find(|image| image.tags.iter().any(|tag| tag == DEMO_IMAGE));
        let image = image.ok_or_else(|| Refusal::about(RefusalCode::NoSuchImage, DEMO_IMAGE))?;
        let script = "echo Hello from a container that is not Docker\\'s.; exec sleep 2147483647";
        let process = Process {
            command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
            // The shell's child ends at once instead of after the stop timeout.
            stop_signal: "SIGKILL".to_owned(),
            env: image.config.env.clone(),
            ..Process::default()
        };
        let spec = Spec {
            image: DEMO_IMAGE.to_owned(),
            process,
            ..Spec::default()
        };
        supervisor.create(Create {
            name: DEMO.to_owned(),
            image_id: image.id,
            spec,
        })?;
    }
    match supervisor.start(DEMO) {
        Err(refusal) if refusal.code != RefusalCode::AlreadyRunning => Err(refusal),
        _ => Ok(()),
    }
}

/// What to try next, to standard output.
fn greet(addresses: &[String], listen: &[String], demo: bool) {
    let mut text = String::from("socketd is up. Try:\n\n");
    for (number, address) in addresses.iter().enumerate() {
        // Those of a configuration file come after the command line's.
        let asked = listen.get(number);
        text.push_str(&match address.strip_prefix("tcp://") {
            Some(_) if asked.is_none() => {
                format!("  docker -H {address} ps    (with --tlsverify where it speaks TLS)\n")
            }
            Some(_) if asked.is_some_and(|asked| asked.contains("tls=")) => {
                format!("  docker --tlsverify -H {address} ps    (ca.pem, cert.pem, key.pem in ~/.docker)\n")
            }
            Some(host) => format!(
                "  curl -s http://{host}/containers/json\n  docker -H {address} ps\n  \
                 Portainer: Environments, Add, Docker Standalone, API, URL {host}, TLS off\n"
            ),
            None => format!("  docker -H {address} ps\n"),
        });
    }
    if demo {
        text.push_str("\nThe container `demo` can read this machine's files: it is for trying out only.\n");
    }
    text.push_str("\nCtrl-C ends socketd and the bridge; containers keep running.\n");
    // Nobody there to read it is no reason to end.
    let _ = io::stdout().write_all(text.as_bytes());
    let _ = io::stdout().flush();
}
