//! Who listens on which port, by the kernel's tables.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listening {
    /// Where.
    pub(super) address: SocketAddr,
    /// Whose it is.
    pub(super) uid: u32,
    inode: u64,
}

/// A process that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// Its number.
    pub(super) pid: u32,
    /// What it is called.
    pub(super) name: String,
}

/// What the kernel calls a socket that listens.
const LISTEN: &str = "0A";

/// All that listen; none where the kernel shows no table, as Android does to most.
pub(super) fn listening() -> Option<Vec<Listening>> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).ok());
    if tables.iter().all(Option::is_none) {
        return None;
    }
    let texts = tables.iter().flatten();
    Some(texts.flat_map(|text| text.lines().filter_map(parse)).collect())
}

/// One line: number, own address, the other's, state, three of no interest here, user, one more, inode.
fn parse(line: &str) -> Option<Listening> {
    let mut fields = line.split_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let address = SocketAddr::new(ip(address)?, u16::from_str_radix(port, 16).ok()?);
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(Listening { address, uid, inode })
}

/// Words of four bytes, each as a number of this processor.
fn ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at..at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

impl Listening {
    /// Whether nobody else can listen there.
    pub(super) fn is_in_the_way_of(&self, wanted: SocketAddr) -> bool {
        let (own, other) = (self.address.ip(), wanted.ip());
        let both = |ip: IpAddr| ip == IpAddr::from(Ipv6Addr::UNSPECIFIED);
        let same_kind = own.is_ipv4() == other.is_ipv4();
        self.address.port() == wanted.port()
            && (own == other
                || both(own)
                || both(other)
                || same_kind && (own.is_unspecified() || other.is_unspecified()))
    }

    /// Who holds it, as far as this process may see.
    pub(super) fn holders(&self) -> Vec<Holder> {
        let link = format!("socket:[{}]", self.inode);
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers
            .filter(|pid| has_open(*pid, &link))
            .map(|pid| Holder {
                pid,
                name: fs::read_to_string(format!("/proc/{pid}/comm"))
                    .unwrap_or_default()
                    .trim_end()
                    .to_owned(),
            })
            .collect()
    }
}

fn has_open(pid: u32, link: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|found| found.as_os_str() == link)
}

#[cfg(test)]
impl Listening {
    /// One of this user's, whoever holds it.
    pub(super) fn example(uid: u32) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            uid,
            inode: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn lines_of_the_table() {
        fn check(line: &str, expected: Option<(&str, u32, u64)>) {
            let found = parse(line).map(|found| (found.address.to_string(), found.uid, found.inode));
            let expected = expected.map(|(address, uid, inode)| (address.to_owned(), uid, inode));
            assert_eq!(found, expected, "{line}");
        }
        let rest = "00000000:00000000 00:00000000 00000000";
        let loopback = if cfg!(target_endian = "little") {
            "0100007F"
        } else {
            "7F000001"
        };
        check(
            &format!("   0: {loopback}:0947 00000000:0000 0A {rest}  60750        0 4711 1 0"),
            Some(("127.0.0.1:2375", 60_750, 4711)),
        );
        check(
            &format!("   0: {loopback}:0947 00000000:0000 01 {rest} 0 0 4711"),
            None,
        );
        let any = "0".repeat(32);
        check(
            &format!("   1: {any}:0050 {any}:0000 0A {rest} 0 0 12"),
            Some(("[::]:80", 0, 12)),
        );
        check("  sl  local_address rem_address   st tx_queue rx_queue", None);
        check("   0: 7F:0947 0:0 0A a b c 0 0 1", None);
        check("", None);
    }

    #[test]
    fn who_is_in_whose_way() {
        fn check(own: &str, wanted: &str, expected: bool) {
            let listening = Listening {
                address: own.parse().unwrap(),
                ..Listening::example(0)
            };
            let found = listening.is_in_the_way_of(wanted.parse().unwrap());
            assert_eq!(found, expected, "{own} {wanted}");
        }
        check("127.0.0.1:1", "127.0.0.1:1", true);
        check("127.0.0.1:1", "127.0.0.1:2", false);
        check("127.0.0.1:1", "127.0.0.2:1", false);
        check("0.0.0.0:1", "127.0.0.1:1", true);
        check("127.0.0.1:1", "0.0.0.0:1", true);
        check("[::]:1", "127.0.0.1:1", true);
        check("[::1]:1", "127.0.0.1:1", false);
        check("[::1]:1", "0.0.0.0:1", false);
        check("0.0.0.0:1", "[::1]:1", false);
    }

    #[test]
    fn a_port_of_ours_is_found_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let all = listening().unwrap();
        let found = all.iter().find(|found| found.address == address).unwrap();
        let holders = found.holders();
        assert!(
            holders.iter().any(|holder| holder.pid == std::process::id()),
            "{holders:?}"
        );
        drop(listener);
        let left = listening().unwrap();
        assert!(!left.iter().any(|found| found.address == address));
    }
}
