//! An authority and a server's certificate for 127.0.0.1, made for one test.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Of the next authority.
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// An authority and what it signed.
#[derive(Clone)]
pub struct Certificates {
    authority: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    /// Certificate and key, in PEM.
    texts: (String, String),
}

/// Where an authority, a certificate and its key are, each a file in PEM.
#[derive(Debug)]
pub struct CertificateFiles {
    /// The authority.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Without the key.
impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// When the library refuses.
    pub fn make() -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        // Of the same name as what it signs, it would be taken for that; of another's, for the other.
        let name = format!("authority {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        authority.distinguished_name.push(DnType::CommonName, name);
        let text = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let signed = params.signed_by(&key, &issuer).unwrap();
        Self {
            authority: text,
            certificate: signed.der().clone(),
            key: key.serialize_der(),
            texts: (signed.pem(), key.serialize_pem()),
        }
    }

    /// The authority, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The server's certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Writes all three into a folder, which is made.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn write(&self, dir: &Path) -> CertificateFiles {
        fs::create_dir_all(dir).unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        CertificateFiles {
            authority: file("ca.pem", &self.authority),
            certificate: file("cert.pem", &self.texts.0),
            key: file("key.pem", &self.texts.1),
        }
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key);
        Arc::new(config.unwrap())
    }
}
