//! Where to listen, as asked for: a place of our own, or sockets that this process was started with.
//!
//! systemd and its like open sockets before they start a program, and keep them open while it is started again: who
//! connects meanwhile waits and is served. Such a socket has a name and an address, and is asked for by either.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::listen::{Allotted, ListenError, Options, Place, Url, decoded};

/// What a URL asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Listen {
    /// This place. Where an inherited socket has the very same address, that one is meant.
    Place(Allotted),
    /// Inherited sockets, and what whoever comes there may do.
    Inherited(ByName),
}

/// Inherited sockets of a name.
#[derive(Debug, Clone, PartialEq)]
pub struct ByName {
    /// All of this name; all that nobody else asks for where there is none.
    name: Option<String>,
    /// What callers know it by.
    id: Option<String>,
    options: Options,
}

/// A socket that this process was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inherited {
    /// What whoever opened it calls it; several may be called the same.
    pub name: String,
    /// Where it listens.
    pub address: InheritedAddress,
}

/// Where such a socket listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InheritedAddress {
    /// A unix socket at this path; an abstract name begins with `@`.
    Unix(PathBuf),
    /// A TCP address.
    Tcp(SocketAddr),
}

/// Why inherited sockets and what is asked for do not fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InheritedError {
    /// None is left for what is asked for; the names of those that there are.
    Missing(String, Vec<String>),
    /// Nobody asks for this one: who connects to it would wait for ever.
    Unasked(Inherited),
    /// It cannot be listened on so.
    Refused(String, ListenError),
}

impl fmt::Display for InheritedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(url, names) if names.is_empty() => write!(
                f,
                "{url}: this process was started without sockets (LISTEN_FDS); start the unit socketd.socket, or \
                 listen on unix:// or tcp://"
            ),
            Self::Missing(url, names) => write!(
                f,
                "{url}: no such socket is left of those that this process was started with: {}",
                names.join(", ")
            ),
            Self::Unasked(socket) => write!(
                f,
                "this process was started with the socket {} ({}), and no listener asks for it: add fd://{} or its \
                 address",
                socket.name, socket.address, socket.name
            ),
            Self::Refused(url, error) => write!(f, "{url}: {error}"),
        }
    }
}

impl std::error::Error for InheritedError {}

impl fmt::Display for InheritedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, Options::default())
    }
}

/// Without options.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(listen) => listen.fmt(f),
            Self::Inherited(asked) => write!(f, "fd://{}", asked.name.as_deref().unwrap_or_default()),
        }
    }
}

impl Listen {
    /// Reads a URL; `options` are those that were given beside it.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn parse(text: &str, options: Options) -> Result<Self, ListenError> {
        let url = Url::parse(text, options)?;
        let Some(name) = url.place.strip_prefix("fd://") else {
            return url.listen().map(Self::Place);
        };
        let name = decoded("fd://", name)?;
        // A part of them can be judged before it is known what the socket is.
        let terms = url.options.clone().terms()?;
        Ok(Self::Inherited(ByName {
            name: (!name.is_empty()).then_some(name),
            id: terms.id,
            options: url.options,
        }))
    }

    /// What callers know it by.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Place(listen) => listen.terms.id.as_deref(),
            Self::Inherited(asked) => asked.id.as_deref(),
        }
    }

    /// How exactly it asks for this one.
    fn fits(&self, socket: &Inherited) -> Option<Fit> {
        match self {
            Self::Place(listen) => {
                let same = match (&listen.place, &socket.address) {
                    (Place::Unix(path), InheritedAddress::Unix(at)) => path == at,
                    (Place::Tcp(address) | Place::Tls(address, _), InheritedAddress::Tcp(at)) => {
                        address == at
                    }
                    _ => false,
                };
                same.then_some(Fit::Address)
            }
            Self::Inherited(asked) => match &asked.name {
                None => Some(Fit::Rest),
                Some(name) => (*name == socket.name).then_some(Fit::Name),
            },
        }
    }

    /// The listeners that come of it, given the numbers of the sockets that are meant.
    fn listen(self, sockets: &[Inherited], meant: &[usize]) -> Result<Vec<Allotted>, InheritedError> {
        let asked = match self {
            Self::Place(listen) if meant.is_empty() => return Ok(vec![listen]),
            Self::Inherited(_) if meant.is_empty() => {
                let names = sockets.iter().map(|socket| socket.name.clone()).collect();
                return Err(InheritedError::Missing(self.to_string(), names));
            }
            asked => asked,
        };
        meant
            .iter()
            .filter_map(|&number| Some((number, sockets.get(number)?)))
            .map(|(number, socket)| {
                let listen = asked.listen_on(&socket.address).map_err(|error| {
                    InheritedError::Refused(format!("{asked} ({})", socket.address), error)
                })?;
                Ok(Allotted {
                    inherited: Some(number),
                    ..listen
                })
            })
            .collect()
    }

    fn listen_on(&self, address: &InheritedAddress) -> Result<Allotted, ListenError> {
        match (self, address) {
            (Self::Place(listen), _) => Ok(listen.clone()),
            (Self::Inherited(asked), InheritedAddress::Unix(path)) => {
                asked.options.clone().at_path(path.clone())
            }
            (Self::Inherited(asked), InheritedAddress::Tcp(address)) => asked.options.clone().at(*address),
        }
    }
}

/// How exactly a socket is asked for, the least exactly first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Rest,
    Name,
    Address,
}

/// Whom each of the sockets goes to: who asks for its address, else for its name, else for the rest; the first of
/// them. The listeners of each that asks, in their order.
///
/// # Errors
/// See [`InheritedError`].
pub fn allot(asked: Vec<Listen>, sockets: &[Inherited]) -> Result<Vec<Vec<Allotted>>, InheritedError> {
    let mut meant: Vec<Vec<usize>> = asked.iter().map(|_| Vec::new()).collect();
    for (number, socket) in sockets.iter().enumerate() {
        // Of those that fit best the first: the last one when they are looked at from behind.
        let best = asked.iter().enumerate().rev();
        let best = best.filter_map(|(at, asked)| Some((asked.fits(socket)?, at)));
        let best = best.max_by_key(|(fit, _)| *fit);
        match best.and_then(|(_, at)| meant.get_mut(at)) {
            Some(numbers) => numbers.push(number),
            None => return Err(InheritedError::Unasked(socket.clone())),
        }
    }
    let each = asked.into_iter().zip(&meant);
    each.map(|(asked, meant)| asked.listen(sockets, meant)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets() -> Vec<Inherited> {
        let socket = |name: &str, address| Inherited {
            name: name.to_owned(),
            address,
        };
        vec![
            socket("docker", InheritedAddress::Unix("/run/a.sock".into())),
            socket("lan", InheritedAddress::Tcp(([192, 0, 2, 7], 2376).into())),
            socket("docker", InheritedAddress::Tcp(([127, 0, 0, 1], 2375).into())),
        ]
    }

    /// Of each listener its place, and the number of the socket.
    fn allotted(asked: &[&str]) -> Result<Vec<(String, Option<usize>)>, InheritedError> {
        let asked = asked.iter().map(|text| text.parse().unwrap()).collect();
        let listeners = allot(asked, &sockets())?.into_iter().flatten();
        Ok(listeners
            .map(|listen| (listen.to_string(), listen.inherited))
            .collect())
    }

    #[track_caller]
    fn check(asked: &[&str], expected: &[(&str, Option<usize>)]) {
        let expected = expected
            .iter()
            .map(|(place, number)| ((*place).to_owned(), *number))
            .collect();
        assert_eq!(allotted(asked), Ok(expected), "{asked:?}");
    }

    const UNIX: (&str, Option<usize>) = ("unix:///run/a.sock", Some(0));
    const LAN: (&str, Option<usize>) = ("tcp://192.0.2.7:2376", Some(1));
    const LOCAL: (&str, Option<usize>) = ("tcp://127.0.0.1:2375", Some(2));

    #[test]
    fn sockets_go_to_who_asks_for_them() {
        check(&["fd://docker", "fd://lan?insecure"], &[UNIX, LOCAL, LAN]);
        check(
            &["fd://?access=read", "fd://lan?tls=server&cert=/c&key=/k&insecure"],
            &[UNIX, LOCAL, LAN],
        );
        check(
            &["tcp://192.0.2.7:2376?insecure", "unix:///b.sock", "fd://"],
            &[LAN, ("unix:///b.sock", None), UNIX, LOCAL],
        );
        check(
            &["fd://docker?deny=POST", "unix:///run/a.sock", "fd://lan?insecure"],
            &[LOCAL, UNIX, LAN],
        );
    }

    #[track_caller]
    fn check_refused(asked: &[&str], sentence: &str) {
        let error = allotted(asked).unwrap_err().to_string();
        assert!(error.contains(sentence), "{asked:?}: {error}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check_refused(
            &["fd://docker"],
            "the socket lan (tcp://192.0.2.7:2376), and no listener asks for it",
        );
        check_refused(
            &["fd://docker", "fd://lan?insecure", "fd://"],
            "fd://: no such socket is left of those that this process was started with: docker, lan, docker",
        );
        check_refused(
            &["fd://", "fd://web"],
            "fd:// (tcp://192.0.2.7:2376): 192.0.2.7:2376 can be reached from other machines",
        );
        check_refused(
            &["fd://docker?tls=server&cert=/c&key=/k", "fd://lan?insecure"],
            "fd://docker (unix:///run/a.sock): tls and insecure mean nothing with a unix socket",
        );
        check_refused(&["unix:///b.sock"], "the socket docker (unix:///run/a.sock)");
        let error = allot(vec!["fd://".parse().unwrap()], &[]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("fd://: this process was started without sockets")
        );
    }

    #[test]
    fn options_are_judged_as_far_as_they_can_be() {
        let refused = |text: &str| text.parse::<Listen>().is_err();
        assert!(refused("fd://docker?access=some") && refused("fd://?please") && refused("fd://%ff"));
        assert!(!refused("fd://socketd.socket?access=read&label=a"));
    }
}
