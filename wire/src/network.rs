//! What a network is.

use crate::id::NetworkId;
use crate::time::Time;
use crate::{numbers, record};

numbers! {
    /// What kind of network.
    pub enum NetworkKind {
        /// A bridge of the host's kernel, or what stands in its place.
        Bridge = 1,
        /// The host's own.
        Host = 2,
        /// None: loopback only.
        None = 3,
    }
}

record! {
    /// A network that containers can be in.
    pub struct NetworkInfo {
        /// Its id: the same after every restart, another on every host.
        1 => id: NetworkId,
        /// Its name.
        2 => name: String,
        /// What kind.
        3 => kind: NetworkKind,
        /// When it was first there, as far as anybody knows.
        4 => created_at: Time,
        /// Its addresses, as `172.28.0.0/16`; empty where it has none or nobody knows.
        5 => subnet: String,
        /// The host's address in it; empty where it has none or nobody knows.
        6 => gateway: String,
        /// The host's interface in it; empty where it has none or nobody knows.
        7 => interface: String,
        /// The runtime it belongs to; empty where it is always there.
        8 => runtime: String,
        /// Labels, sorted by key.
        9 => labels: Vec<crate::spec::Pair>,
    }
}
