//! The life of the process, in order: prepare, drop power, listen, serve, end.

use std::fmt;
use std::io;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Bridge, Listen, Serve};
use crate::dialer::{Dialer, StartError, Started};
use crate::ending;
use crate::front::{self, BindError, CertificateError, Certificates, Listener, Planned};
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
    /// Certificates of a listener cannot be used.
    Certificates(CertificateError),
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
            Self::Certificates(error) => error.fmt(f),
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
    let planned = plan(arguments)?;
    sandbox::irrevocably_drop_power(arguments.user, group)?;
    for certificates in planned.iter().filter_map(Planned::certificates) {
        if let Err(error) = certificates.rehearse() {
            tracing::warn!("on SIGHUP, certificates will stay as they are: {error}");
        }
    }
    raise_descriptors();
    // Nobody else may connect between the making of a socket and the setting of its mode.
    umask(Mode::from_bits_truncate(0o077));
    let runtime = runtime().map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let mut listeners = Vec::new();
        for (planned, listen) in planned.iter().zip(&arguments.listen) {
            let listener = Listener::bind(planned, group)
                .await
                .map_err(|error| ServeError::Bind(listen.clone(), error))?;
            listeners.push(listener);
        }
        run(arguments, listeners, dialer)
            .await
            .map_err(ServeError::Runtime)
    })
}

/// What listeners need of files that may be root's alone.
fn plan(arguments: &Serve) -> Result<Vec<Planned>, ServeError> {
    let group = arguments.user.group_to_be();
    arguments
        .listen
        .iter()
        .map(|listen| Planned::of(listen, group).map_err(ServeError::Certificates))
        .collect()
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
    let mut renewal = Renewal::of(&listeners)?;
    for listener in &listeners {
        tell(listener);
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
    let gone = parent::gone(parent);
    tokio::pin!(gone);
    loop {
        tokio::select! {
            () = &mut served => return Ok(()),
            () = &mut gone => break,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = renewal.asked() => renewal.renew(),
        }
    }
    tracing::info!("ending");
    teller.tell();
    served.await;
    Ok(())
}

/// Says where we listen, and what that means where others can reach it.
fn tell(listener: &Listener) {
    let place = listener.place();
    let (tls, exposed) = match &place {
        Ok(Listen::Tls(address, files)) => match files.ca {
            Some(_) => (Some("verify"), false),
            None => (Some("server"), !address.ip().is_loopback()),
        },
        Ok(Listen::Tcp(address)) => (None, !address.ip().is_loopback()),
        _ => (None, false),
    };
    tracing::info!(url = %listener, tls, "listening");
    if exposed {
        tracing::warn!(
            url = %listener,
            "clients need neither password nor certificate here: whoever can connect to this address rules the \
             containers, and through them this machine"
        );
    }
}

/// Certificates that are read again on SIGHUP. Where there are none the signal keeps its meaning: the
/// terminal has gone.
struct Renewal {
    certificates: Vec<Arc<Certificates>>,
    signal: Option<Signal>,
}

impl Renewal {
    fn of(listeners: &[Listener]) -> io::Result<Self> {
        let certificates: Vec<_> = listeners
            .iter()
            .filter_map(|listener| match listener {
                Listener::Tls(_, certificates) => Some(Arc::clone(certificates)),
                Listener::Unix(..) | Listener::Tcp(_) => None,
            })
            .collect();
        let signal = if certificates.is_empty() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self { certificates, signal })
    }

    async fn asked(&mut self) {
        match &mut self.signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    fn renew(&self) {
        for certificates in &self.certificates {
            let path = certificates.files().cert.display();
            match certificates.read_again() {
                Ok(()) => tracing::info!(%path, "certificates were read again"),
                Err(error) => tracing::error!(%path, "certificates stay as they were: {error}"),
            }
        }
    }
}
