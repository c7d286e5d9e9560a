//! What to do with certificates that were just made.

use std::fmt::Write;
use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::config::CertsInit;
use crate::policy::browser::HostName;

/// What would end a value of a URL's option, or the quotes around it.
const IN_A_VALUE: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'&').add(b'\'');

/// The port that Docker gives to TLS.
const PORT: u16 = 2376;

/// The text that `certs init` prints.
pub(super) fn text(dir: &Path, arguments: &CertsInit) -> String {
    let named = dir.display().to_string();
    let value = utf8_percent_encode(&named, IN_A_VALUE).to_string();
    let host = arguments
        .host
        .first()
        .map_or("127.0.0.1".to_owned(), |host| match host {
            HostName::Address(address) if address.is_ipv6() => format!("[{address}]"),
            host => host.to_string(),
        });
    let mut serve = format!(
        "--listen 'tcp://0.0.0.0:{PORT}?tls=verify&ca={value}/ca.pem&cert={value}/server-cert.pem&key={value}/server-key.pem'"
    );
    for name in &arguments.host {
        // Addresses need not be named where all are listened on.
        if let HostName::Name(name) = name {
            let _ = write!(serve, " --host-name {name}");
        }
    }
    let days = arguments.days;
    format!(
        "Certificates for {days} days are in {named}:\n\n  \
         ca.pem           the authority: for socketd and for clients\n  \
         ca-key.pem       its key: makes further clients, is needed nowhere; best kept elsewhere\n  \
         server-cert.pem, server-key.pem   for socketd\n  \
         cert.pem, key.pem                 for clients: who has key.pem rules the containers\n\n\
         Serve (to socketd serve; SIGHUP reads the files again):\n\n  \
         {serve}\n\n\
         The docker command, on a machine with ca.pem, cert.pem and key.pem in {named}:\n\n  \
         docker context create socketd --docker \"host=tcp://{host}:{PORT},ca={named}/ca.pem,cert={named}/cert.pem,key={named}/key.pem\"\n  \
         docker --context socketd ps\n\n\
         Portainer: Environments, Add environment, Docker Standalone, API:\n\n  \
         Docker API URL       {host}:{PORT}\n  \
         TLS                  on, with server and client verification\n  \
         TLS CA certificate   ca.pem\n  \
         TLS certificate      cert.pem\n  \
         TLS key              key.pem\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Listen, Place, TlsFiles};
    use crate::sandbox::Identity;

    fn advice(dir: &str, hosts: &[&str]) -> String {
        let arguments = CertsInit {
            dir: dir.into(),
            host: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            days: 1,
            user: Identity::default(),
        };
        text(Path::new(dir), &arguments)
    }

    #[test]
    fn what_is_printed_can_be_given_back() {
        for dir in ["/etc/socketd/certs", "/odd dir/a&b%c'd"] {
            let text = advice(dir, &[]);
            let url = text.split("--listen '").nth(1).unwrap();
            let url = url.split('\'').next().unwrap();
            let file = |name: &str| Path::new(dir).join(name);
            let files = TlsFiles {
                ca: Some(file("ca.pem")),
                cert: file("server-cert.pem"),
                key: file("server-key.pem"),
            };
            let expected = Place::Tls(([0, 0, 0, 0], PORT).into(), files);
            let place = match url.parse().unwrap() {
                Listen::Place(listen) => Some(listen.place),
                Listen::Inherited(_) => None,
            };
            assert_eq!(place, Some(expected), "{url}");
        }
    }

    #[test]
    fn names_are_named_where_they_are_needed() {
        let text = advice("/c", &["phone.lan", "192.0.2.7"]);
        assert!(text.contains("server-key.pem' --host-name phone.lan\n"), "{text}");
        assert!(text.contains("host=tcp://phone.lan:2376,"), "{text}");
        let text = advice("/c", &["2001:db8::1"]);
        assert!(text.contains("host=tcp://[2001:db8::1]:2376,"), "{text}");
        assert!(!text.contains("--host-name"), "{text}");
    }
}
