//! Certificates of a listener: read while there is power, and again when they were renewed.
//!
//! They are read once before power is dropped, so a key that only root can read serves. To read it again
//! afterwards, this process must be able to: the key's group is then ours.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::OFlag;
use nix::unistd::Gid;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

use crate::config::TlsFiles;
use crate::limits::CERTIFICATE_BYTES_MAX;

/// What is spoken inside TLS, and nothing else.
const HTTP: &[u8] = b"http/1.1";

/// Why certificates cannot be used. Never holds what a file holds: it may be a key.
#[derive(Debug)]
pub enum CertificateError {
    /// The system does not let us read it.
    Read(PathBuf, io::Error),
    /// No regular file, or a larger one than any certificate.
    Odd(PathBuf),
    /// A key that others can read or change, its mode, and the group that may read it.
    Exposed {
        /// The key.
        path: PathBuf,
        /// Its access rights.
        mode: u32,
        /// The group that may read it.
        group: Gid,
    },
    /// No PEM, or nothing in it of what is looked for.
    Lacks(PathBuf, &'static str),
    /// The authority's certificate cannot be used.
    Authority(PathBuf),
    /// Certificate and key do not fit, or are of a kind that is not known.
    Unusable(PathBuf, rustls::Error),
    /// The library refuses, for a reason that lies in no file.
    Tls(rustls::Error),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Odd(path) => write!(
                f,
                "{} is not a file of at most {CERTIFICATE_BYTES_MAX} bytes",
                path.display()
            ),
            Self::Exposed { path, mode, group } => write!(
                f,
                "{} is a private key that others can read or change (mode {mode:04o}): chgrp {group} and chmod \
                 0640, or chmod 0600, with which it cannot be read again on SIGHUP",
                path.display()
            ),
            Self::Lacks(path, what) => write!(f, "{} holds no {what} in PEM", path.display()),
            Self::Authority(path) => write!(f, "{} holds no certificate of an authority", path.display()),
            Self::Unusable(path, error) => write!(f, "{} cannot be used: {error}", path.display()),
            Self::Tls(error) => write!(f, "TLS cannot be set up: {error}"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// The certificates of one listener, exchanged as a whole.
#[derive(Debug)]
pub struct Certificates {
    files: TlsFiles,
    group: Gid,
    current: Mutex<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads them. Of groups, only `group` may be able to read the key.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn read(files: &TlsFiles, group: Gid) -> Result<Self, CertificateError> {
        Ok(Self {
            files: files.clone(),
            group,
            current: Mutex::new(load(files, group)?),
        })
    }

    /// Whether they could be read again as this process is now.
    ///
    /// # Errors
    /// Why not.
    pub fn rehearse(&self) -> Result<(), CertificateError> {
        load(&self.files, self.group).map(drop)
    }

    /// Reads them again, for connections to come. Those that are there go on with what they began with.
    ///
    /// # Errors
    /// Why the former ones stay.
    pub fn read_again(&self) -> Result<(), CertificateError> {
        let renewed = load(&self.files, self.group)?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }

    /// Where they were read from.
    #[must_use]
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// What shakes hands with the next client.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current))
    }
}

fn load(files: &TlsFiles, group: Gid) -> Result<Arc<ServerConfig>, CertificateError> {
    let own = chain(&files.cert)?;
    let key = key(&files.key, group)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(CertificateError::Tls)?;
    let builder = match &files.ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let unusable = || CertificateError::Authority(path.clone());
            let mut roots = RootCertStore::empty();
            for certificate in chain(path)? {
                roots.add(certificate).map_err(|_| unusable())?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|_| unusable())?)
        }
    };
    let mut config = builder
        .with_single_cert(own, key)
        .map_err(|error| CertificateError::Unusable(files.cert.clone(), error))?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(Arc::new(config))
}

/// All certificates of a file; at least one.
pub(crate) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let lacks = || CertificateError::Lacks(path.to_owned(), "certificate");
    let text = contents(path, open(path)?)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|_| lacks())?;
    if found.is_empty() { Err(lacks()) } else { Ok(found) }
}

fn key(path: &Path, group: Gid) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let file = open(path)?;
    let found = file
        .metadata()
        .map_err(|error| CertificateError::Read(path.to_owned(), error))?;
    let mode = found.mode() & 0o777;
    let ours = if found.gid() == group.as_raw() {
        0o740
    } else {
        0o700
    };
    if mode & !ours != 0 {
        let path = path.to_owned();
        return Err(CertificateError::Exposed { path, mode, group });
    }
    let text = contents(path, file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| CertificateError::Lacks(path.to_owned(), "private key"))
}

/// Without waiting: whoever wrote the path may have meant a pipe.
fn open(path: &Path) -> Result<File, CertificateError> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|error| CertificateError::Read(path.to_owned(), error))
}

fn contents(path: &Path, file: File) -> Result<Vec<u8>, CertificateError> {
    let failed = |error| CertificateError::Read(path.to_owned(), error);
    let found = file.metadata().map_err(failed)?;
    let mut text = Vec::new();
    if found.is_file() {
        file.take(CERTIFICATE_BYTES_MAX + 1)
            .read_to_end(&mut text)
            .map_err(failed)?;
    }
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if !found.is_file() || length > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::Odd(path.to_owned()));
    }
    Ok(text)
}
