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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use clap::Parser as _;
    use hyper::Method;
    use serde_json::json;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::super::api::reach;
    use super::super::orders::exchange;
    use super::super::run::ADMIN_SOCKET;
    use super::super::store::embedded::FILE;
    use super::*;
    use crate::cli::{Cli, Command};

    /// Longer than anything here takes, on a machine that does much else.
    const SOON: Duration = Duration::from_secs(30);

    fn arguments(dir: &Path, more: &[&str]) -> SelfHosted {
        let dir = dir.to_str().unwrap();
        let words = [
            "socketd-fleet",
            "self-hosted",
            "--state-dir",
            dir,
            "--docker",
            "/nowhere.sock",
        ];
        let ports = ["--grpc-port", "0", "--api-port", "0"];
        let all = words.iter().chain(&ports).chain(more);
        match Cli::try_parse_from(all).unwrap().command {
            Command::SelfHosted(arguments) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    /// Runs until the node is connected, and ends it; the node's id, and what happened to it.
    async fn connected(arguments: &SelfHosted) -> (String, Vec<String>) {
        let socket = arguments.settings.state_dir.join(ADMIN_SOCKET);
        let ask = async |target: &str, list: &str| {
            let asked = exchange(&socket, reach::plain(Method::GET, target)).await;
            let told = asked.unwrap_or_default();
            told[list].as_array().cloned().unwrap_or_default()
        };
        let looking = async {
            let node_id = loop {
                let nodes = ask("/api/nodes", "nodes").await;
                let node = nodes.into_iter().find(|node| node["is_connected"] == true);
                if let Some(node) = node {
                    break node["node_id"].as_str().unwrap().to_owned();
                }
                tokio::task::yield_now().await;
            };
            let told = ask("/api/events?after=0", "events").await.into_iter();
            let told = told
                .filter(|line| line["event"]["type"] == "node" && line["event"]["attributes"] == json!({}));
            let actions = told.map(|line| line["event"]["action"].as_str().unwrap().to_owned());
            (node_id, actions.collect())
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let mut running = pin!(run(arguments, async { drop(stopped.await) }));
        let looked = tokio::select! {
            ran = running.as_mut() => panic!("it ended: {ran:?}"),
            looked = looking => looked,
        };
        drop(stop);
        running.await.unwrap();
        looked
    }

    /// Ends once nothing of what ran there holds its file.
    async fn closed(dir: &Path) {
        let database = || redb::Database::open(dir.join(FILE));
        while database().is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn both_are_there_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let plain = arguments(dir.path(), &[]);
        let (node_id, _) = timeout(SOON, connected(&plain)).await.unwrap();
        timeout(SOON, closed(dir.path())).await.unwrap();
        // By TLS as well, though no authority knows the certificate.
        let made = rcgen::generate_simple_self_signed(vec!["hub.example".to_owned()]).unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let tls = [
            "--tls-cert",
            cert.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
        ];
        let by_tls = arguments(dir.path(), &tls);
        let (again, told) = timeout(SOON, connected(&by_tls)).await.unwrap();
        assert_eq!(again, node_id);
        // One that was asked to end had noted that its node is gone, and not when it began again.
        // That it is back is told a moment later than it is shown.
        assert_eq!(told.get(..2).unwrap(), ["connected", "disconnected"]);
    }
}
