//! The life of the process, in order: prepare, drop power, listen, serve, end.

use std::fmt;
use std::io;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Bridge, Listen, Serve};
use crate::dialer::{Dialer, StartError, Started};
use crate::ending;
use crate::front::{self, BindError, Listener};
use crate::limits::DESCRIPTORS_MAX;
use crate::link::Link;
use crate::parent;
use crate::policy::browser::Allowed;
use crate::routes::Entry;
use crate::sandbox::{self, SandboxError};

/// Why the process cannot start or go on.
#[derive(Debug)]
pub enum ServeError {
    /// Power could not be given up.
    Sandbox(SandboxError),
    /// The process that connects to the bridge as root could not be started.
    Dialer(StartError),
    /// A listener could not be opened.
    Bind(Listen, BindError),
    /// The runtime or its signals could not be set up.
    Runtime(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sandbox(error) => error.fmt(f),
            Self::Dialer(error) => write!(f, "cannot start the dialer: {error}"),
            Self::Bind(listen, error) => write!(f, "cannot listen on {listen}: {error}"),
            Self::Runtime(error) => write!(f, "cannot set up the runtime: {error}"),
        }
    }
}

impl std::error::Error for ServeError {}

impl From<SandboxError> for ServeError {
    fn from(error: SandboxError) -> Self {
        Self::Sandbox(error)
    }
}

/// Serves until SIGTERM or SIGINT. No thread exists before power is given up, and no socket but the one
/// to the dialer.
///
/// # Errors
/// See [`ServeError`].
pub fn serve(arguments: &Serve) -> Result<(), ServeError> {
    let group = arguments
        .socket_group
        .as_ref()
        .map(sandbox::find_group)
        .transpose()?;
    for listen in &arguments.listen {
        if let Listen::Unix(path) = listen {
            sandbox::prepare_directory(path, arguments.user)?;
        }
    }
    let dialer = start_dialer(&arguments.bridge).map_err(ServeError::Dialer)?;
    sandbox::irrevocably_drop_power(arguments.user, group)?;
    raise_descriptors();
    // Nobody else may connect between the making of a socket and the setting of its mode.
    umask(Mode::from_bits_truncate(0o077));
    let runtime = runtime().map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let mut listeners = Vec::new();
        for listen in &arguments.listen {
            let listener = Listener::bind(listen, group)
                .await
                .map_err(|error| ServeError::Bind(listen.clone(), error))?;
            listeners.push(listener);
        }
        run(arguments, listeners, dialer)
            .await
            .map_err(ServeError::Runtime)
    })
}

/// Asks for as many descriptors as are needed, within what the system allows this process. Where that
/// is fewer, the listeners wait for connections to end.
pub fn raise_descriptors() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let wanted = DESCRIPTORS_MAX.min(hard).max(soft);
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open descriptors stays as it is");
    }
}

/// One thread does everything: it waits far more than it computes, and a second thread would cost
/// memory and make the two contend for the same few connections.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Root alone can leave behind a process that still is root.
fn start_dialer(bridge: &Bridge) -> Result<Option<Started>, StartError> {
    match &bridge.stock {
        Some(address) if geteuid().is_root() => Started::start(address).map(Some),
        _ => Ok(None),
    }
}

/// Exactly one of the two is given: the command line is refused otherwise.
fn link(bridge: &Bridge, dialer: Option<Started>) -> io::Result<Link> {
    match bridge {
        Bridge {
            bridge_dir: Some(dir),
            ..
        } => Ok(Link::new(dir)),
        Bridge {
            stock: Some(address), ..
        } => Ok(Link::stock(address.clone(), dialer.map(Dialer::new).transpose()?)),
        Bridge { .. } => Err(io::ErrorKind::InvalidInput.into()),
    }
}

async fn run(arguments: &Serve, listeners: Vec<Listener>, dialer: Option<Started>) -> io::Result<()> {
    let (teller, ending) = ending::channel();
    let link = Arc::new(link(&arguments.bridge, dialer)?);
    let entry = Arc::new(Entry::new(link, ending.clone()));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for listener in &listeners {
        tracing::info!(url = %listener, "listening");
    }
    let parent = if arguments.with_parent {
        Some(parent::watch()?)
    } else {
        None
    };
    if arguments.with_parent {
        parent::announce(&listeners)?;
    }
    let allowed = Arc::new(Allowed {
        hosts: arguments.host_name.clone(),
        origins: arguments.allow_origin.clone(),
    });
    let served = front::serve(listeners, entry, allowed, ending);
    tokio::pin!(served);
    tokio::select! {
        () = &mut served => return Ok(()),
        () = parent::gone(parent) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending");
    teller.tell();
    served.await;
    Ok(())
}
