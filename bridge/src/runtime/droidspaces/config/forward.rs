//! Ports of the host that lead into a container.

use super::limits::{FORWARDS_BYTES_MAX, FORWARDS_MAX};
use super::line::cut;

/// What is forwarded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::runtime::droidspaces) enum Protocol {
    /// Connections.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

/// Ports of the host, and as many of the container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::runtime::droidspaces) struct Forward {
    /// The first port of the host, 1 or more.
    pub(in crate::runtime::droidspaces) host_first: u16,
    /// The last one, which belongs to them.
    pub(in crate::runtime::droidspaces) host_last: u16,
    /// The first port of the container; the others follow.
    pub(in crate::runtime::droidspaces) container_first: u16,
    /// What is forwarded.
    pub(in crate::runtime::droidspaces) protocol: Protocol,
}

impl Forward {
    /// The last port of the container, which belongs to them.
    pub(in crate::runtime::droidspaces) fn container_last(&self) -> u16 {
        self.container_first
            .saturating_add(self.host_last.saturating_sub(self.host_first))
    }

    fn collides_with(&self, other: &Self) -> bool {
        let overlap = |a: (u16, u16), b: (u16, u16)| a.0 <= b.1 && b.0 <= a.1;
        self.protocol == other.protocol
            && (overlap(
                (self.host_first, self.host_last),
                (other.host_first, other.host_last),
            ) || overlap(
                (self.container_first, self.container_last()),
                (other.container_first, other.container_last()),
            ))
    }
}

/// Adds those of one line to what others said. What is none, or collides with an earlier one, is skipped.
pub(super) fn add(forwards: &mut Vec<Forward>, value: &str) {
    for entry in cut(value, FORWARDS_BYTES_MAX).split(',') {
        if forwards.len() >= FORWARDS_MAX {
            return;
        }
        if let Some(forward) = parse(entry.trim())
            && !forwards.iter().any(|other| other.collides_with(&forward))
        {
            forwards.push(forward);
        }
    }
}

fn parse(entry: &str) -> Option<Forward> {
    let (ports, protocol) = match entry.split_once('/') {
        None => (entry, Protocol::Tcp),
        Some((ports, "tcp")) => (ports, Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some(_) => return None,
    };
    let (host, container) = match ports.split_once(':') {
        Some((host, container)) => (range(host)?, range(container)?),
        None => (range(ports)?, range(ports)?),
    };
    (host.1 - host.0 == container.1 - container.0).then_some(Forward {
        host_first: host.0,
        host_last: host.1,
        container_first: container.0,
        protocol,
    })
}

/// First and last.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

fn port(text: &str) -> Option<u16> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: &[(u16, u16, u16, Protocol)]) {
        let mut found = Vec::new();
        for line in lines {
            add(&mut found, line);
        }
        let expected: Vec<Forward> = expected
            .iter()
            .map(|&(host_first, host_last, container_first, protocol)| Forward {
                host_first,
                host_last,
                container_first,
                protocol,
            })
            .collect();
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn forms() {
        use Protocol::{Tcp, Udp};
        check(&["8080:80"], &[(8080, 8080, 80, Tcp)]);
        check(&["8080:80/tcp"], &[(8080, 8080, 80, Tcp)]);
        check(&["53:5353/udp"], &[(53, 53, 5353, Udp)]);
        check(&["5000-5010:6000-6010/udp"], &[(5000, 5010, 6000, Udp)]);
        check(&["22"], &[(22, 22, 22, Tcp)]);
        check(&["7000-7002/udp"], &[(7000, 7002, 7000, Udp)]);
        check(&["1-65535"], &[(1, 65535, 1, Tcp)]);
        check(&[" 1:2 , 3:4 "], &[(1, 1, 2, Tcp), (3, 3, 4, Tcp)]);
        check(&["1:2", "3:4"], &[(1, 1, 2, Tcp), (3, 3, 4, Tcp)]);
    }

    #[test]
    fn what_is_none_is_skipped() {
        for entry in [
            "",
            ",,",
            "x",
            "0",
            "0:1",
            "1:0",
            "65536",
            "1:65536",
            "-1",
            "1-",
            "+1",
            "2-1",
            "1-2:3",
            "1:2-3",
            "1-2:3-5",
            "1:2:3",
            "1/sctp",
            "1/TCP",
            "1/",
            "/tcp",
            "1-2-3",
            "127.0.0.1:1:2",
            "1/tcp/udp",
        ] {
            check(&[entry], &[]);
            check(&[&format!("{entry},9:9")], &[(9, 9, 9, Protocol::Tcp)]);
        }
    }

    #[test]
    fn what_collides_is_skipped() {
        use Protocol::{Tcp, Udp};
        // On the host's side, on the container's side, and not at all.
        check(&["1-5:11-15,5:90"], &[(1, 5, 11, Tcp)]);
        check(&["1-5:11-15,90:13"], &[(1, 5, 11, Tcp)]);
        check(&["1-5:11-15,6:16"], &[(1, 5, 11, Tcp), (6, 6, 16, Tcp)]);
        check(&["1:1,1:1/udp"], &[(1, 1, 1, Tcp), (1, 1, 1, Udp)]);
        check(&["1:2", "1:3"], &[(1, 1, 2, Tcp)]);
        check(&["5:5,1-9:1-9"], &[(5, 5, 5, Tcp)]);
    }

    #[test]
    fn bounds() {
        let many: Vec<String> = (1..=40).map(|port| port.to_string()).collect();
        let mut found = Vec::new();
        add(&mut found, &many.join(","));
        assert_eq!(found.len(), FORWARDS_MAX);
        // What lies behind the cut is not seen, and what lies across it is read as far as it goes.
        let mut found = Vec::new();
        add(
            &mut found,
            &format!("{}80,90", " ".repeat(FORWARDS_BYTES_MAX - 1)),
        );
        assert_eq!((found.len(), found[0].host_first), (1, 8));
    }
}
