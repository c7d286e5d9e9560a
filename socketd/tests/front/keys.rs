//! Certificates for tests, and clients that hold them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use socketd::certs::{self, CertifiedKey, Set, Validity};
use socketd::config::TlsFiles;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A set that holds now.
pub(crate) fn set() -> Set {
    let now = SystemTime::now();
    set_for(now - DAY, now + DAY)
}

/// A set that held until yesterday.
pub(crate) fn expired_set() -> Set {
    let now = SystemTime::now();
    set_for(now - 2 * DAY, now - DAY)
}

fn set_for(from: SystemTime, until: SystemTime) -> Set {
    certs::make(&["phone.lan".parse().unwrap()], Validity { from, until }).unwrap()
}

/// A directory with the server's files, gone when dropped.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn of(set: &Set) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("socketd-keys-{}-{number}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let files = Self(dir);
        files.put(set);
        files
    }

    /// Puts these in the others' place, each whole.
    pub(crate) fn put(&self, set: &Set) {
        self.write("ca.pem", &set.ca.certificate, 0o644);
        self.write("server-cert.pem", &set.server.certificate, 0o644);
        self.write("server-key.pem", &set.server.key, 0o600);
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) {
        let new = self.0.join("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(new, self.0.join(name)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Those of a listener that asks clients for certificates.
    pub(crate) fn verify(&self) -> TlsFiles {
        TlsFiles {
            ca: Some(self.path("ca.pem")),
            ..self.server()
        }
    }

    /// Those of one that does not.
    pub(crate) fn server(&self) -> TlsFiles {
        TlsFiles {
            ca: None,
            cert: self.path("server-cert.pem"),
            key: self.path("server-key.pem"),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client: whom it trusts, what it shows, what it speaks, and by which name it calls.
pub(crate) struct Caller<'a> {
    pub(crate) trusts: &'a CertifiedKey,
    pub(crate) shows: Option<&'a CertifiedKey>,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) calls: &'static str,
    pub(crate) protocols: &'static [&'static [u8]],
}

impl<'a> Caller<'a> {
    /// One that holds what clients are given.
    pub(crate) fn of(set: &'a Set) -> Self {
        Self {
            trusts: &set.ca,
            shows: Some(&set.client),
            versions: ALL_VERSIONS,
            calls: "localhost",
            protocols: &[],
        }
    }

    pub(crate) async fn call(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.trusts.certificate)).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.shows {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate(&shown.certificate)], key)
                    .unwrap()
            }
        };
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from(self.calls).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}
