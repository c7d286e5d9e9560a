//! The life of the process, in order: prepare, drop power, listen, serve, end.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, geteuid};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Interval;

use crate::config::{Allotted, Bridge, Place, Serve, Setup, SetupError};
use crate::dialer::{Dialer, StartError, Started};
use crate::ending;
use crate::front::inherited::{self, TakeError};
use crate::front::{self, BindError, CertificateError, House, Listener, Planned};
use crate::link::{self, Link};
use crate::observe::metrics::Metrics;
use crate::parent;
use crate::policy::caller::{Access, Keeper};
use crate::renewal::Renewal;
use crate::routes::Entry;
use crate::sandbox::{self, Openings, SandboxError};
use crate::systemd::Systemd;

/// Why the process cannot start or go on.
#[derive(Debug)]
pub enum ServeError {
    /// What is to be done is not said so that it can be.
    Setup(SetupError),
    /// The sockets that it was started with are none that can be used.
    Inherited(TakeError),
    /// Power could not be given up.
    Sandbox(SandboxError),
    /// The process that connects to the bridge as root could not be started.
    Dialer(StartError),
    /// Certificates of a listener cannot be used.
    Certificates(CertificateError),
    /// A listener could not be opened.
    Bind(Place, BindError),
    /// The runtime or its signals could not be set up.
    Runtime(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => error.fmt(f),
            Self::Inherited(error) => error.fmt(f),
            Self::Sandbox(error) => error.fmt(f),
            Self::Dialer(error) => write!(f, "cannot start the dialer: {error}"),
            Self::Certificates(error) => error.fmt(f),
            Self::Bind(place, error) => write!(f, "cannot listen on {place}: {error}"),
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

/// Serves until SIGTERM or SIGINT. No thread exists before power is given up, and no socket but those to
/// the dialer and a supervisor; nobody is accepted before all walls stand.
///
/// # Errors
/// See [`ServeError`].
pub fn serve(arguments: &Serve) -> Result<(), ServeError> {
    let taken = inherited::take().map_err(ServeError::Inherited)?;
    if let Err(error) = sandbox::close_inherited(&taken.sockets) {
        tracing::warn!(%error, "descriptors that were left open for this process stay open");
    }
    let systemd = Systemd::from_environment();
    let metrics = Metrics::new();
    let setup = Setup::read_with(arguments, &taken.known).map_err(ServeError::Setup)?;
    let group = arguments
        .socket_group
        .as_ref()
        .map(sandbox::find_group)
        .transpose()?;
    for path in setup.own_files() {
        sandbox::prepare_directory(path, arguments.user)?;
    }
    let dialer = start_dialer(&arguments.bridge).map_err(ServeError::Dialer)?;
    let planned = plan(&setup, arguments)?;
    drop_power(arguments, &setup, group)?;
    // Nobody else may connect between the making of a socket and the setting of its mode.
    umask(Mode::from_bits_truncate(0o077));
    let runtime = runtime().map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let listeners = listeners(&planned, &setup, taken.sockets, group).await?;
        sandbox::irrevocably_wall_in(&openings(arguments, &setup))?;
        for certificates in planned.iter().filter_map(Planned::certificates) {
            if let Err(error) = certificates.rehearse() {
                tracing::warn!("on SIGHUP, certificates will stay as they are: {error}");
            }
        }
        run(arguments, setup, listeners, dialer, metrics, &systemd)
            .await
            .map_err(ServeError::Runtime)
    })
}

/// Opens those that are not open yet.
async fn listeners(
    planned: &[Planned],
    setup: &Setup,
    inherited: Vec<OwnedFd>,
    group: Option<Gid>,
) -> Result<Vec<Listener>, ServeError> {
    let mut inherited: Vec<_> = inherited.into_iter().map(Some).collect();
    let mut listeners = Vec::new();
    for (planned, listen) in planned.iter().zip(setup.everywhere()) {
        let socket = listen
            .inherited
            .and_then(|number| inherited.get_mut(number)?.take());
        let listener = match socket {
            Some(socket) => Listener::inherit(planned, socket).map_err(BindError::Io),
            None => Listener::bind(planned, group).await,
        };
        listeners.push(listener.map_err(|error| ServeError::Bind(listen.place.clone(), error))?);
    }
    Ok(listeners)
}

/// Gives up the network where no socket is to be made in it, then every power.
fn drop_power(arguments: &Serve, setup: &Setup, socket_group: Option<Gid>) -> Result<(), SandboxError> {
    let root = geteuid().is_root();
    if arguments.bridge.stock.is_some() {
        link::look_at_machine();
    }
    let mut groups: Vec<Gid> = socket_group.into_iter().collect();
    // Who connects to a socket that is open already comes from where that was opened.
    let in_network =
        |listen: &Allotted| listen.inherited.is_none() && !matches!(listen.place, Place::Unix(_));
    if !setup.everywhere().any(in_network) {
        sandbox::irrevocably_leave_network()?;
    } else if sandbox::sockets_need_a_group()? {
        tracing::info!(group = %sandbox::INET, "this kernel gives sockets of the network to a group alone: joining it");
        groups.push(sandbox::INET);
    }
    sandbox::irrevocably_drop_power(arguments.user, &groups)?;
    sandbox::raise_descriptors();
    sandbox::limit(root)
}

/// What must stay reachable once the walls stand.
fn openings(arguments: &Serve, setup: &Setup) -> Openings {
    let mut openings = Openings {
        read_again: arguments.config.iter().cloned().collect(),
        // Without a dialer it is this process that connects to the bridge.
        abstract_sockets: arguments.bridge.stock.is_some(),
        ..Openings::default()
    };
    openings.removed.extend(setup.own_files().cloned());
    for place in setup.places() {
        if let Place::Tls(_, files) = place {
            let files = [files.ca.as_ref(), Some(&files.cert), Some(&files.key)];
            openings.read_again.extend(files.into_iter().flatten().cloned());
        }
    }
    openings
}

/// What listeners need of files that may be root's alone.
fn plan(setup: &Setup, arguments: &Serve) -> Result<Vec<Planned>, ServeError> {
    let group = arguments.user.group_to_be();
    setup
        .places()
        .map(|place| Planned::of(place, group).map_err(ServeError::Certificates))
        .collect()
}

/// One thread does everything: it waits far more than it computes, and a second thread would cost
/// memory and make the two contend for the same few connections.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Root alone can leave behind a process that still is root.
pub(crate) fn start_dialer(bridge: &Bridge) -> Result<Option<Started>, StartError> {
    match &bridge.stock {
        Some(address) if geteuid().is_root() => Started::start(address).map(Some),
        _ => Ok(None),
    }
}

/// Exactly one of the two is given: the command line is refused otherwise.
pub(crate) fn link(bridge: &Bridge, dialer: Option<Started>) -> io::Result<Link> {
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

async fn run(
    arguments: &Serve,
    setup: Setup,
    mut listeners: Vec<Listener>,
    dialer: Option<Started>,
    metrics: Metrics,
    systemd: &Systemd,
) -> io::Result<()> {
    let (teller, ending) = ending::channel();
    let link = Arc::new(link(&arguments.bridge, dialer)?);
    let keeper = Arc::new(Keeper::new(setup.rules()));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for (listener, listen) in listeners.iter().zip(&setup.listeners) {
        tell(listener, listen);
    }
    for listener in listeners.iter().skip(setup.listeners.len()) {
        tracing::info!(url = %listener, "listening for observers");
    }
    let mut renewal = Renewal::of(&listeners, arguments, &setup, Arc::clone(&keeper))?;
    let observed = listeners.split_off(setup.listeners.len());
    let parent = if arguments.with_parent {
        Some(parent::watch()?)
    } else {
        None
    };
    if arguments.with_parent {
        parent::announce(&listeners)?;
    }
    let status = serving(&listeners);
    let house = House {
        entry: Arc::new(Entry::measured(link, ending.clone(), setup.limits, metrics)),
        keeper,
        first: 0,
        allowed: Arc::new(setup.allowed),
        ending,
    };
    // Each with connections of its own: who looks after us must get through when clients take all of theirs.
    let for_observers = House {
        entry: Arc::new(house.entry.for_observers()),
        first: listeners.len(),
        ..house.clone()
    };
    let served = async {
        tokio::join!(
            front::serve(listeners, house),
            front::serve(observed, for_observers)
        )
    };
    tokio::pin!(served);
    let gone = parent::gone(parent);
    tokio::pin!(gone);
    let mut watchdog = systemd.watchdog();
    systemd.tell_ready(&status);
    loop {
        tokio::select! {
            _ = &mut served => return Ok(()),
            () = &mut gone => break,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = renewal.asked() => {
                systemd.tell_reloading();
                renewal.renew();
                systemd.tell_ready(&status);
            }
            () = due(&mut watchdog) => systemd.tell_alive(),
        }
    }
    tracing::info!("ending");
    systemd.tell_stopping();
    teller.tell();
    tokio::select! {
        _ = served => {}
        _ = terminate.recv() => tracing::warn!("asked twice; ending at once"),
        _ = interrupt.recv() => tracing::warn!("asked twice; ending at once"),
    }
    Ok(())
}

/// A sentence for people who ask what this process does.
fn serving(listeners: &[Listener]) -> String {
    let places: Vec<_> = listeners.iter().map(ToString::to_string).collect();
    format!("Serving on {}", places.join(", "))
}

/// At each tick; never where nobody watches.
async fn due(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(watchdog) => {
            watchdog.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Says where we listen, and what that means where others can reach it.
fn tell(listener: &Listener, listen: &Allotted) {
    let (tls, exposed) = match &listen.place {
        Place::Tls(address, files) => match files.ca {
            Some(_) => (Some("verify"), false),
            None => (Some("server"), !address.ip().is_loopback()),
        },
        Place::Tcp(address) => (None, !address.ip().is_loopback()),
        Place::Unix(_) => (None, false),
    };
    let limited = listen.terms.access != Access::full();
    let inherited = listen.inherited.is_some();
    tracing::info!(url = %listener, tls, limited, inherited, "listening");
    if exposed && !listen.terms.known_only && !limited {
        tracing::warn!(
            url = %listener,
            "clients need neither password nor certificate here: whoever can connect to this address rules the \
             containers, and through them this machine"
        );
    }
}
