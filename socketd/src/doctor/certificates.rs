//! Certificates of listeners with TLS: whether they can be used, for how long, and whether they can be renewed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::finding::Finding;
use super::scene::Scene;
use crate::config::{Place, TlsFiles};
use crate::front::{self, CertificateError, Certificates};
use crate::sandbox::Identity;

/// Days before its end from which a certificate is said to need renewal.
const RENEW_DAYS: u64 = 30;

const DAY_SECONDS: u64 = 24 * 60 * 60;

pub(super) fn all(scene: &Scene) -> Vec<Finding> {
    let files = scene.places().filter_map(|place| match place {
        Place::Tls(_, files) => Some(files),
        Place::Tcp(_) | Place::Unix(_) => None,
    });
    files
        .flat_map(|files| of_listener(files, scene.serve.user, scene.is_root))
        .collect()
}

fn of_listener(files: &TlsFiles, user: Identity, is_root: bool) -> Vec<Finding> {
    // As `serve` reads them when it starts.
    if let Err(error) = Certificates::read(files, user.group_to_be()) {
        return vec![unusable(&error, user, is_root)];
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    let mut findings: Vec<_> = [files.ca.as_ref(), Some(&files.cert)]
        .into_iter()
        .flatten()
        .map(|path| lasting(path, now))
        .collect();
    findings.push(renewable(&files.key, user));
    findings
}

fn unusable(error: &CertificateError, user: Identity, is_root: bool) -> Finding {
    let says = error.to_string();
    match error {
        CertificateError::Read(_, cause) if cause.kind() == io::ErrorKind::PermissionDenied && !is_root => {
            Finding::unknown(format!("{says}; root can tell"))
        }
        CertificateError::Exposed { path, .. } => {
            let path = path.display();
            Finding::wrong(
                format!("{path} is a private key that others can read or change"),
                format!("chgrp {} {path} && chmod 0640 {path}", user.gid()),
            )
        }
        _ => Finding::wrong(
            says,
            "socketd certs init DIR makes a whole set, and says where each goes",
        ),
    }
}

/// How long the certificates of a file hold: the first to end counts.
fn lasting(path: &Path, now: Duration) -> Finding {
    let ends = front::chain(path).ok().and_then(|chain| {
        let ends = chain.iter().map(|certificate| validity(certificate.as_ref()));
        ends.collect::<Option<Vec<_>>>()
    });
    let Some(spans) = ends else {
        return Finding::unknown(format!("{}: how long it holds cannot be read", path.display()));
    };
    let from = spans.iter().map(|span| span.0).max().unwrap_or_default();
    let until = spans.iter().map(|span| span.1).min().unwrap_or_default();
    judge(&path.display().to_string(), (from, until), now)
}

/// Since and until when a certificate holds, since 1970.
fn validity(der: &[u8]) -> Option<(Duration, Duration)> {
    let validity = Certificate::from_der(der).ok()?.tbs_certificate.validity;
    Some((
        validity.not_before.to_unix_duration(),
        validity.not_after.to_unix_duration(),
    ))
}

fn judge(place: &str, (from, until): (Duration, Duration), now: Duration) -> Finding {
    let day = |time: Duration| {
        let text = crate::docker::time::rfc3339_nano(wire::Time::since_epoch(time));
        text.get(..10).unwrap_or_default().to_owned()
    };
    if now >= until {
        return Finding::wrong(
            format!("{place} has expired on {}", day(until)),
            "new certificates (socketd certs init), then SIGHUP",
        );
    }
    if now < from {
        return Finding::wrong(
            format!("{place} holds from {} only, says the clock", day(from)),
            "set the clock, or wait",
        );
    }
    let days = (until - now).as_secs() / DAY_SECONDS;
    let says = format!("{place} holds until {}, {days} days from now", day(until));
    if days < RENEW_DAYS {
        Finding::ok(says).with_fix("renew it now: new certificates (socketd certs init), then SIGHUP")
    } else {
        Finding::ok(says)
    }
}

/// Whether socketd can read the key again once it is nobody special.
fn renewable(key: &Path, user: Identity) -> Finding {
    let place = key.display();
    let Ok(found) = fs::metadata(key) else {
        return Finding::unknown(format!("{place} cannot be looked at"));
    };
    let by_owner = found.uid() == user.uid().as_raw() && found.mode() & 0o400 != 0;
    let by_group = found.gid() == user.gid().as_raw() && found.mode() & 0o040 != 0;
    if by_owner || by_group {
        Finding::ok(format!("{place}: user {user} can read it, nobody else but root"))
    } else {
        Finding::fallback(format!(
            "{place}: root alone can read it, so SIGHUP does not renew it"
        ))
        .with_fix(format!("chgrp {} {place} && chmod 0640 {place}", user.gid()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn days(count: u64) -> Duration {
        Duration::from_secs(count * DAY_SECONDS)
    }

    #[test]
    fn how_long_they_hold() {
        #[track_caller]
        fn check(now: Duration, verdict: Verdict, is_told: bool, says: &str) {
            let found = judge("c.pem", (days(20_000), days(20_100)), now);
            assert_eq!(
                (found.verdict, found.fix.is_some()),
                (verdict, is_told),
                "{found:?}"
            );
            assert_eq!(found.says, says);
        }
        check(
            days(19_999),
            Verdict::Wrong,
            true,
            "c.pem holds from 2024-10-04 only, says the clock",
        );
        check(
            days(20_000),
            Verdict::Ok,
            false,
            "c.pem holds until 2025-01-12, 100 days from now",
        );
        check(
            days(20_071),
            Verdict::Ok,
            true,
            "c.pem holds until 2025-01-12, 29 days from now",
        );
        check(
            days(20_100),
            Verdict::Wrong,
            true,
            "c.pem has expired on 2025-01-12",
        );
    }

    #[test]
    fn what_is_made_is_read() {
        let validity_asked = crate::certs::Validity {
            from: SystemTime::UNIX_EPOCH + days(20_000),
            until: SystemTime::UNIX_EPOCH + days(20_100),
        };
        let set = crate::certs::make(&[], validity_asked).unwrap();
        let path = std::env::temp_dir().join(format!("socketd-doctor-{}.pem", std::process::id()));
        fs::write(&path, &set.server.certificate).unwrap();
        let found = [lasting(&path, days(20_001)), lasting(&path, days(20_101))];
        fs::write(&path, "no certificate").unwrap();
        let odd = lasting(&path, days(20_001));
        fs::remove_file(&path).unwrap();
        let verdicts = found.map(|found| found.verdict);
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Wrong]);
        assert_eq!(odd.verdict, Verdict::Unknown);
    }
}
