//! Certificates and keys as text: nothing here touches a file.

use std::fmt;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use sha2::{Digest, Sha256};

use crate::policy::browser::HostName;

/// What the daemon is called in every set.
const EVERYWHERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why certificates cannot be made.
#[derive(Debug)]
pub enum MakeError {
    /// The library refuses.
    Library(rcgen::Error),
    /// The clock is beyond what a certificate can say.
    Clock,
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(error) => write!(f, "cannot make a certificate: {error}"),
            Self::Clock => f.write_str("the clock is beyond what a certificate can say"),
        }
    }
}

impl std::error::Error for MakeError {}

impl From<rcgen::Error> for MakeError {
    fn from(error: rcgen::Error) -> Self {
        Self::Library(error)
    }
}

/// When certificates hold.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// From then.
    pub from: SystemTime,
    /// Until then.
    pub until: SystemTime,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct CertifiedKey {
    /// The certificate.
    pub certificate: String,
    /// The key, in PKCS #8.
    pub key: String,
}

/// Without the key.
impl fmt::Debug for CertifiedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertifiedKey")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// An authority, and what it signed.
#[derive(Debug, Clone)]
pub struct Set {
    /// The authority, which trusts nobody but itself.
    pub ca: CertifiedKey,
    /// For the daemon.
    pub server: CertifiedKey,
    /// For its clients.
    pub client: CertifiedKey,
}

/// Makes an authority, a certificate for the daemon, called so and as in every set, and one for its
/// clients. All keys are new.
///
/// # Errors
/// See [`MakeError`].
pub fn make(hosts: &[HostName], validity: Validity) -> Result<Set, MakeError> {
    let key = KeyPair::generate()?;
    // Authorities of two machines must not have one name: clients would blame a signature instead of saying
    // that they do not know the authority.
    let mark: String = Sha256::digest(key.public_key_raw())
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut authority = blank(&format!("socketd authority {mark}"), validity)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedKey {
        certificate: authority.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    };
    let issuer = Issuer::new(authority, key);

    let mut server = blank("socketd", validity)?;
    server.subject_alt_names = CertificateParams::new(names(hosts))?.subject_alt_names;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut client = blank("client of socketd", validity)?;
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(Set {
        ca,
        server: sign(server, &issuer)?,
        client: sign(client, &issuer)?,
    })
}

fn sign(mut params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<CertifiedKey, MakeError> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok(CertifiedKey {
        certificate: params.signed_by(&key, issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

/// What all three have in common.
fn blank(name: &str, validity: Validity) -> Result<CertificateParams, MakeError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = date_time_ymd(1970, 1, 1);
    let since_epoch = |time: SystemTime| {
        let passed: Duration = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|_| MakeError::Clock)?;
        let passed = passed.try_into().map_err(|_| MakeError::Clock)?;
        epoch.checked_add(passed).ok_or(MakeError::Clock)
    };
    params.not_before = since_epoch(validity.from)?;
    params.not_after = since_epoch(validity.until)?;
    Ok(params)
}

/// Every name once.
fn names(hosts: &[HostName]) -> Vec<String> {
    let mut names: Vec<String> = EVERYWHERE.iter().map(|&name| name.to_owned()).collect();
    for host in hosts.iter().map(HostName::to_string) {
        if !names.contains(&host) {
            names.push(host);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once() {
        let hosts: Vec<HostName> = ["phone.lan", "192.0.2.7", "localhost", "Phone.LAN", "::1"]
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        assert_eq!(
            names(&hosts),
            ["localhost", "127.0.0.1", "::1", "phone.lan", "192.0.2.7"]
        );
    }

    #[test]
    fn a_clock_before_or_beyond_all_calendars_is_told() {
        let now = SystemTime::now();
        let before = Validity {
            from: SystemTime::UNIX_EPOCH - Duration::from_secs(1),
            until: now,
        };
        assert!(matches!(make(&[], before), Err(MakeError::Clock)));
        let beyond = Validity {
            from: now,
            until: now + Duration::from_secs(u64::from(u32::MAX) * 86_400),
        };
        assert!(matches!(make(&[], beyond), Err(MakeError::Clock)));
    }

    #[test]
    fn a_key_is_not_shown() {
        let now = SystemTime::now();
        let set = make(
            &[],
            Validity {
                from: now,
                until: now,
            },
        )
        .unwrap();
        assert!(!format!("{set:?}").contains("PRIVATE"));
    }
}
