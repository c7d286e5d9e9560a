//! What it takes to listen by TLS.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::limits::CERTIFICATE_BYTES_MAX;

/// Files to listen with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Certificate and its chain (PEM).
    pub cert: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
    /// The authorities that clients' certificates are held against (PEM); without them none is asked for.
    pub client_ca: Option<PathBuf>,
}

/// What is asked of those who have no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// They may come in, and show something else.
    Enter,
    /// They stay out.
    StayOut,
}

/// Why a file cannot be used. It never holds what a file holds: it may be a key.
#[derive(Debug)]
pub struct Unusable {
    path: PathBuf,
    why: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen with {}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for Unusable {}

/// What shakes hands for `protocol`, as TLS calls it: `http/1.1`, which is what those expect too that speak something
/// else over it, or `h2`.
///
/// # Errors
/// [`Unusable`] where certificate, key and authorities cannot be used.
pub fn acceptor(
    files: &Files,
    strangers: Strangers,
    protocol: &'static [u8],
) -> Result<TlsAcceptor, Unusable> {
    let chain = certificates(&files.cert)?;
    let own = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
        .map_err(|_| unusable(&files.key, "it holds no private key in PEM"))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| unusable(&files.cert, &error.to_string()))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(verifier(path, provider, strangers)?),
    };
    let mut config = builder
        .with_single_cert(chain, own)
        .map_err(|error| unusable(&files.cert, &error.to_string()))?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn verifier(
    path: &Path,
    provider: Arc<tokio_rustls::rustls::crypto::CryptoProvider>,
    strangers: Strangers,
) -> Result<Arc<dyn ClientCertVerifier>, Unusable> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(path, &error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match strangers {
        Strangers::Enter => builder.allow_unauthenticated(),
        Strangers::StayOut => builder,
    };
    builder
        .build()
        .map_err(|error| unusable(path, &error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|_| unusable(path, "it is no PEM"))?;
    if chain.is_empty() {
        return Err(unusable(path, "it holds no certificate in PEM"));
    }
    Ok(chain)
}

fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
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

fn unusable(path: &Path, why: &str) -> Unusable {
    Unusable {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}
