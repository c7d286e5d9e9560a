//! The certificate of a client, as callers are named by it.

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::policy::caller::ClientCertificate;

/// Reads one that TLS has found good. A subject that cannot be read is empty, which names nobody: the
/// fingerprint still does.
pub(super) fn read(shown: &CertificateDer<'_>) -> ClientCertificate {
    let subject = Certificate::from_der(shown)
        .map(|certificate| certificate.tbs_certificate.subject.to_string())
        .unwrap_or_default();
    ClientCertificate {
        // It is written to the log.
        subject: subject.replace(char::is_control, "?"),
        fingerprint: Sha256::digest(shown).into(),
    }
}
