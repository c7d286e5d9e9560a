//! A coordinator and a node in one process, for trying out.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::api::digest;
use super::run::Coordinator;
use super::settings::SelfHosted;
use super::store::Enrolment;
use super::{CoordinatorError, state};
use crate::node::identity::letters;
use crate::node::tunnel::hex;
use crate::node::{self, Node};

/// How long the node has to come in.
const ENROLS: Duration = Duration::from_secs(60 * 60);

/// Runs both until asked to end.
pub(super) async fn run(
    arguments: &SelfHosted,
    stop: impl Future<Output = ()>,
) -> Result<(), CoordinatorError> {
    let settings = &arguments.settings;
    let coordinator = Coordinator::open(settings).await?;
    let address = here(coordinator.nodes_address().map_err(CoordinatorError::System)?);
    let users = here(coordinator.users_address().map_err(CoordinatorError::System)?);
    let pin = settings.tls_cert.as_deref().map(pin).transpose()?;
    let token = token(&coordinator).await?;
    let state_dir = settings.state_dir.join("node");
    let scheme = if pin.is_some() { "https" } else { "http" };
    let local = node::Local {
        coordinator: format!("{scheme}://{address}"),
        pin,
        token,
        state_dir: state_dir.clone(),
        docker: arguments.docker.clone(),
    };
    let node = Node::local(local).map_err(|error| CoordinatorError::Settings(error.to_string()))?;
    tell(&format!("{scheme}://{users}"), &state_dir).map_err(CoordinatorError::System)?;
    tokio::select! {
        served = coordinator.serve(stop) => served,
        // It ends when it is told to, which it is not here.
        _ = node.run(std::future::pending()) => Ok(()),
    }
}

/// This machine's own, where it listens on all.
fn here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The SHA-256 of the certificate that the coordinator listens with.
fn pin(cert: &Path) -> Result<String, CoordinatorError> {
    let read = CertificateDer::from_pem_file(cert);
    let cert = read.map_err(|error| CoordinatorError::Settings(format!("{}: {error}", cert.display())))?;
    Ok(hex(&Sha256::digest(&cert)))
}

/// A token for the node; it is needed the first time alone.
async fn token(coordinator: &Coordinator) -> Result<String, CoordinatorError> {
    let token = letters(32).map_err(CoordinatorError::System)?;
    let now = state::now();
    let lasts = i64::try_from(ENROLS.as_nanos()).unwrap_or(i64::MAX);
    let enrolment = Enrolment {
        token_hash: digest(&token),
        name: None,
        created_at: now,
        expires_at: now.saturating_add(lasts),
    };
    let added = coordinator.registry().add_enrolment(enrolment).await;
    added.map_err(|error| CoordinatorError::Settings(error.to_string()))?;
    Ok(token)
}

/// What to try. The password is shown by what its owner runs, for what is printed here ends in a journal.
fn tell(users: &str, state_dir: &Path) -> io::Result<()> {
    writeln!(
        io::stdout(),
        "curl -u \"$(socketd-fleet node identity --credentials --state-dir {})\" {users}/api/containers",
        state_dir.display()
    )
}
