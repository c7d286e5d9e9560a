//! TLS to the server: whom the system trusts, or whom a file names, or one single certificate.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::{DialError, Target};

/// Whom to take for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Whoever the system's authorities vouch for; Mozilla's where the system has none.
    System,
    /// Whoever the authorities in this file vouch for.
    File(PathBuf),
    /// Whoever has the certificate with this SHA-256.
    Pin([u8; 32]),
    /// Anybody.
    Anybody,
}

/// Why it cannot be told whom to trust.
#[derive(Debug)]
pub(crate) enum TrustError {
    /// The file cannot be read: which, and why.
    File(PathBuf, String),
    /// The pin is no SHA-256.
    Pin,
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, text) => write!(f, "no certificates in {}: {text}", path.display()),
            Self::Pin => f.write_str("a pin is the SHA-256 of a certificate: 64 hexadecimal digits"),
        }
    }
}

impl std::error::Error for TrustError {}

impl Trust {
    /// As the settings have it: a pin beats everything, then comes anybody.
    ///
    /// # Errors
    /// [`TrustError::Pin`].
    pub(crate) fn of(pin: Option<&str>, is_anybody: bool, file: Option<PathBuf>) -> Result<Self, TrustError> {
        match (pin, file) {
            (Some(pin), _) => parse_pin(pin).map(Self::Pin).ok_or(TrustError::Pin),
            (None, _) if is_anybody => Ok(Self::Anybody),
            (None, Some(file)) => Ok(Self::File(file)),
            (None, None) => Ok(Self::System),
        }
    }

    /// Read anew for each connection: authorities come and go.
    fn config(&self) -> Result<ClientConfig, TrustError> {
        let crypto = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&crypto))
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError::File(PathBuf::new(), error.to_string()))?;
        let verifier = |pin| Arc::new(Known { pin, crypto });
        Ok(match self {
            Self::System => config.with_root_certificates(system()).with_no_client_auth(),
            Self::File(path) => config.with_root_certificates(file(path)?).with_no_client_auth(),
            Self::Pin(pin) => config
                .dangerous()
                .with_custom_certificate_verifier(verifier(Some(*pin)))
                .with_no_client_auth(),
            Self::Anybody => config
                .dangerous()
                .with_custom_certificate_verifier(verifier(None))
                .with_no_client_auth(),
        })
    }
}

fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn file(path: &PathBuf) -> Result<RootCertStore, TrustError> {
    let failed = |text: String| TrustError::File(path.clone(), text);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("there is none".to_owned()));
    }
    Ok(roots)
}

/// Hexadecimal digits, with colons between them or not, as `openssl x509 -fingerprint -sha256` prints them.
fn parse_pin(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.trim().chars().filter(|letter| *letter != ':').collect();
    let mut pin = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in pin.iter_mut().enumerate() {
        let pair = digits.get(at * 2..at * 2 + 2)?;
        if pair.starts_with('+') {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(pin)
}

/// Takes whoever has one certificate, or anybody; and in any case only who has that certificate's key.
#[derive(Debug)]
struct Known {
    pin: Option<[u8; 32]>,
    crypto: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_known = self
            .pin
            .is_none_or(|pin| Sha256::digest(end_entity).as_slice() == pin);
        if is_known {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.crypto.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.crypto.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS over `stream`.
///
/// # Errors
/// [`DialError::Trust`], [`DialError::Name`] and [`DialError::Tls`].
pub(super) async fn wrap(
    stream: TcpStream,
    target: Target<'_>,
    trust: &Trust,
) -> Result<TlsStream<TcpStream>, DialError> {
    let mut config = trust.config().map_err(DialError::Trust)?;
    config.alpn_protocols = vec![target.protocol.to_vec()];
    let name = ServerName::try_from(target.host.to_owned());
    let name = name.map_err(|error| DialError::Name(error.to_string()))?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map_err(DialError::Tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins() {
        let check = |text: &str, expected: Option<u8>| {
            assert_eq!(parse_pin(text), expected.map(|byte| [byte; 32]), "{text}");
        };
        check(&"ab".repeat(32), Some(0xAB));
        check(&"AB".repeat(32), Some(0xAB));
        check(&["0f"; 32].join(":"), Some(0x0F));
        check(&"ab".repeat(31), None);
        check(&"ab".repeat(33), None);
        check(&"+b".repeat(32), None);
        check(&"xy".repeat(32), None);
        check(&"ä".repeat(32), None);
        check("", None);
    }
}
