//! What it takes to listen by TLS.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::hawser::HawserError;
use crate::limits::CERTIFICATE_BYTES_MAX;

/// What shakes hands; none where no certificate is named, for then it is HTTP in the clear.
///
/// # Errors
/// [`HawserError::Settings`] when certificate and key cannot be used. It never holds what a file holds: it may be a key.
pub(super) fn acceptor(cert: Option<&Path>, key: Option<&Path>) -> Result<Option<TlsAcceptor>, HawserError> {
    let (Some(cert), Some(key)) = (cert, key) else {
        return Ok(None);
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(cert)?)
        .collect::<Result<_, _>>()
        .map_err(|_| unusable(cert, "it is no PEM"))?;
    if chain.is_empty() {
        return Err(unusable(cert, "it holds no certificate in PEM"));
    }
    let own = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| unusable(key, "it holds no private key in PEM"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, own))
        .map_err(|error| unusable(cert, &error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn read(path: &Path) -> Result<Vec<u8>, HawserError> {
    let bound = u64::try_from(CERTIFICATE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(bound.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| unusable(path, &error.to_string()))?;
    if bytes.len() > CERTIFICATE_BYTES_MAX {
        return Err(unusable(path, "it is larger than any certificate"));
    }
    Ok(bytes)
}

fn unusable(path: &Path, why: &str) -> HawserError {
    HawserError::Settings(format!("cannot listen with {}: {why}", path.display()))
}
