//! Published ports, folded back into ranges: sixteen records have to do.

use wire::spec::Port;
use wire::v1::{self, Protocol};

/// The records of published ports. Ports that follow each other on both sides are one; those that
/// version 1 cannot name (another protocol, any free port of the host) are left out.
pub(super) fn fold(published: &[Port]) -> Vec<v1::Port> {
    let mut folded: Vec<v1::Port> = Vec::new();
    let mut addresses: Vec<&str> = Vec::new();
    for port in published {
        let Some(single) = single(port) else { continue };
        let address = port.host_address.as_str();
        match folded.last_mut() {
            Some(last) if addresses.last() == Some(&address) && follows(last, single) => {
                last.host_end = single.host;
                last.container_end = single.container;
            }
            _ => {
                folded.push(single);
                addresses.push(address);
            }
        }
    }
    folded
}

fn single(port: &Port) -> Option<v1::Port> {
    let protocol = match port.protocol.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    (port.host_port != 0).then_some(v1::Port {
        host: port.host_port,
        container: port.container_port,
        protocol,
        ..v1::Port::default()
    })
}

/// Whether a port comes right after a range, on both sides.
fn follows(range: &v1::Port, port: v1::Port) -> bool {
    let next = |start: u16, end: u16| start.max(end).checked_add(1);
    range.protocol == port.protocol
        && next(range.host, range.host_end) == Some(port.host)
        && next(range.container, range.container_end) == Some(port.container)
}

#[cfg(test)]
mod tests {
    use wire::spec::Port;

    use super::fold;

    fn port(text: &str) -> Port {
        let (ports, protocol) = text.split_once('/').unwrap();
        let mut parts = ports.rsplit(':');
        let mut number = || parts.next().unwrap().parse().unwrap();
        let (container_port, host_port) = (number(), number());
        Port {
            container_port,
            host_port,
            protocol: protocol.to_owned(),
            host_address: parts.next().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn ports_are_folded() {
        fn check(published: &[&str], expected: &[(u16, u16, u16, u16, u8)]) {
            let published: Vec<Port> = published.iter().map(|text| port(text)).collect();
            let folded: Vec<_> = fold(&published)
                .into_iter()
                .map(|port| {
                    let number = port.protocol.number();
                    (
                        port.host,
                        port.host_end,
                        port.container,
                        port.container_end,
                        number,
                    )
                })
                .collect();
            assert_eq!(folded, expected, "{published:?}");
        }
        check(&[], &[]);
        check(&["80:8080/tcp"], &[(80, 0, 8080, 0, 0)]);
        check(
            &["53:53/udp", "53:53/tcp"],
            &[(53, 0, 53, 0, 1), (53, 0, 53, 0, 0)],
        );
        check(&["1:11/tcp", "2:12/tcp", "3:13/tcp"], &[(1, 3, 11, 13, 0)]);
        check(&["1:11/tcp", "2:13/tcp"], &[(1, 0, 11, 0, 0), (2, 0, 13, 0, 0)]);
        check(&["1:11/tcp", "2:12/udp"], &[(1, 0, 11, 0, 0), (2, 0, 12, 0, 1)]);
        check(&["2:12/tcp", "1:11/tcp"], &[(2, 0, 12, 0, 0), (1, 0, 11, 0, 0)]);
        check(
            &["65535:1/tcp", "1:2/tcp"],
            &[(65535, 0, 1, 0, 0), (1, 0, 2, 0, 0)],
        );
        check(&["0:80/tcp", "80:80/sctp"], &[]);
        check(
            &["10.0.0.1:1:1/tcp", "10.0.0.2:2:2/tcp"],
            &[(1, 0, 1, 0, 0), (2, 0, 2, 0, 0)],
        );
    }
}
