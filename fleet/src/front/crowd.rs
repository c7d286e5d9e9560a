//! How many are connected, and from where.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Everybody who is connected.
#[derive(Debug)]
pub struct Crowd {
    seats: Mutex<HashMap<IpAddr, usize>>,
    all_max: usize,
    from_one_max: usize,
}

/// One connection's place, free again when dropped.
#[derive(Debug)]
pub struct Seat {
    crowd: Arc<Crowd>,
    source: IpAddr,
}

impl Crowd {
    /// Room for `all_max` connections, of which `from_one_max` may come from one address.
    pub fn new(all_max: usize, from_one_max: usize) -> Self {
        Self {
            seats: Mutex::default(),
            all_max,
            from_one_max,
        }
    }

    /// A place for a connection from this address; none where there are too many.
    pub fn admit(crowd: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let source = source(address);
        let mut seats = crowd.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = seats.values().sum();
        let own = seats.get(&source).copied().unwrap_or(0);
        if all >= crowd.all_max || own >= crowd.from_one_max {
            return None;
        }
        seats.insert(source, own + 1);
        Some(Seat {
            crowd: Arc::clone(crowd),
            source,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.crowd.seats.lock().unwrap_or_else(PoisonError::into_inner);
        match seats.get_mut(&self.source) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                seats.remove(&self.source);
            }
        }
    }
}

/// Whom an address stands for: of version 6 the half that tells networks apart, for a client has all of the other.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{CONNECTIONS_FROM_ONE_MAX, CONNECTIONS_MAX};

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks() {
        let check =
            |text: &str, expected: &str| assert_eq!(source(address(text)), address(expected), "{text}");
        check("192.0.2.1", "192.0.2.1");
        check("::ffff:192.0.2.1", "192.0.2.1");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
        check("::1", "::1");
    }

    #[test]
    fn one_leaves_room_for_others() {
        let crowd = Arc::new(Crowd::new(CONNECTIONS_MAX, CONNECTIONS_FROM_ONE_MAX));
        let mut seats = Vec::new();
        while let Some(seat) = Crowd::admit(&crowd, address("192.0.2.1")) {
            seats.push(seat);
        }
        assert_eq!(seats.len(), CONNECTIONS_FROM_ONE_MAX);
        let mut others: u8 = 0;
        while seats.len() < CONNECTIONS_MAX {
            others += 1;
            let from = format!("198.51.100.{others}");
            seats.extend(std::iter::from_fn(|| Crowd::admit(&crowd, address(&from))));
        }
        assert!(Crowd::admit(&crowd, address("203.0.113.1")).is_none());
        seats.clear();
        assert!(crowd.seats.lock().unwrap().is_empty());
        assert!(Crowd::admit(&crowd, address("192.0.2.1")).is_some());
    }
}
