//! Containers of version 1 as neutral ones. Pure.

use wire::container::Exit;
use wire::spec::{Mount, MountKind, Network, NetworkMode, Port, Process, Resources, Security};
use wire::v1::limits::STOP_TIMEOUT_S;
use wire::v1::names::{GATEWAY_NETWORK, INIT, NAT_NETWORK, RUNTIME};
use wire::v1::{self, Inspect, NetMode, Privileges, Protocol};
use wire::{Container, ContainerId, ImageId, Spec, State, Status, Time};

use super::identity;
use crate::limits::STOCK_PORTS_MAX;

/// What a container is beside what the bridge says of it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beside {
    /// Its image.
    pub(super) image_id: ImageId,
    /// What that is called.
    pub(super) tag: String,
    /// When it was first said to have started, in seconds since 1970; 0 where it never was.
    pub(super) started_at_s: i64,
}

/// What a list says of a container, in the form of an inspection that says no more.
pub(super) fn sparse(listed: v1::Container) -> Inspect {
    Inspect {
        name: listed.name,
        uuid: listed.uuid,
        image: listed.image,
        hostname: listed.hostname,
        address: listed.address,
        init: listed.init,
        pid: listed.pid,
        net_mode: listed.net_mode,
        ports: listed.ports,
        started_at_s: listed.started_at_s,
        ..Inspect::default()
    }
}

/// The container's identifier.
pub(super) fn id(inspect: &Inspect) -> ContainerId {
    identity::container(&inspect.uuid, &inspect.name)
}

/// The container. When it was made nobody knows; that it has started is the nearest thing.
pub(super) fn container(inspect: &Inspect, beside: Beside) -> Container {
    let started_at = seconds(beside.started_at_s);
    Container {
        id: id(inspect),
        name: inspect.name.clone(),
        runtime: RUNTIME.to_owned(),
        created_at: started_at,
        image_id: beside.image_id,
        spec: spec(inspect, beside.tag),
        state: state(inspect.pid, started_at),
        storage: storage(inspect).to_owned(),
        ..Container::default()
    }
}

fn storage(inspect: &Inspect) -> &'static str {
    if inspect.rootfs.is_empty() {
        "image"
    } else {
        "directory"
    }
}

fn seconds(seconds: i64) -> Time {
    Time(
        u64::try_from(seconds)
            .unwrap_or_default()
            .saturating_mul(1_000_000_000),
    )
}

/// How a container ended nobody has seen; nor whether one that does not run ever ran.
fn state(pid: i32, started_at: Time) -> State {
    match u32::try_from(pid) {
        Ok(pid) if pid > 0 => State {
            status: Status::Running,
            pid,
            started_at,
            ..State::default()
        },
        _ => State {
            status: Status::Exited,
            exit: Some(unseen()),
            started_at,
            ..State::default()
        },
    }
}

/// An end that nobody saw.
pub(super) fn unseen() -> Exit {
    Exit {
        unknown: true,
        ..Exit::default()
    }
}

fn spec(inspect: &Inspect, image: String) -> Spec {
    let init = if inspect.init.is_empty() {
        INIT
    } else {
        &inspect.init
    };
    let hostname = if inspect.hostname.is_empty() {
        &inspect.name
    } else {
        &inspect.hostname
    };
    let variables = inspect.env.iter();
    Spec {
        image,
        process: Process {
            command: vec![init.to_owned()],
            env: variables
                .map(|variable| format!("{}={}", variable.key, variable.value))
                .collect(),
            tty: true,
            stop_timeout_s: Some(STOP_TIMEOUT_S),
            ..Process::default()
        },
        hostname: hostname.clone(),
        mounts: mounts(inspect),
        network: network(inspect),
        resources: Resources {
            memory_bytes: u64::try_from(inspect.memory_bytes).unwrap_or_default(),
            cpu_quota_us: inspect.cpu_quota_us,
            cpu_period_us: u64::try_from(inspect.cpu_period_us).unwrap_or_default(),
            pids_max: inspect.pids_max,
            ..Resources::default()
        },
        security: Security {
            privileged: inspect.privileges.has(Privileges::FULL),
            ..Security::default()
        },
        ..Spec::default()
    }
}

fn mounts(inspect: &Inspect) -> Vec<Mount> {
    let binds = inspect.binds.iter();
    binds
        .map(|bind| Mount {
            kind: MountKind::Bind,
            source: bind.source.clone(),
            target: bind.destination.clone(),
            read_only: bind.read_only,
            options: if bind.read_only {
                "ro".to_owned()
            } else {
                String::new()
            },
            create_source: true,
            ..Mount::default()
        })
        .collect()
}

fn network(inspect: &Inspect) -> Network {
    let nat = inspect.net_mode == NetMode::Nat;
    let (mode, name) = match inspect.net_mode {
        NetMode::Host => (NetworkMode::Host, ""),
        NetMode::Nat => (NetworkMode::Named, NAT_NETWORK),
        NetMode::Gateway => (NetworkMode::Named, GATEWAY_NETWORK),
        NetMode::None | NetMode::Unknown(_) => (NetworkMode::None, ""),
    };
    let servers = inspect
        .dns
        .split(|letter: char| letter == ',' || letter.is_ascii_whitespace());
    Network {
        mode,
        name: name.to_owned(),
        address: inspect.address.clone(),
        forwarded: nat,
        // In any other network they are noted and lead nowhere.
        published: if nat { ports(&inspect.ports) } else { Vec::new() },
        dns: servers
            .filter(|server| !server.is_empty())
            .map(str::to_owned)
            .collect(),
        ..Network::default()
    }
}

/// Each port of every range, as many as are shown.
fn ports(published: &[v1::Port]) -> Vec<Port> {
    let each = published.iter().flat_map(|port| {
        let more = port.host_end.saturating_sub(port.host);
        (0..=more).filter_map(|nth| one_port(port, nth))
    });
    each.take(STOCK_PORTS_MAX).collect()
}

/// The nth port of a range; none where it would leave the numbers of ports.
fn one_port(port: &v1::Port, nth: u16) -> Option<Port> {
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Unknown(_) => return None,
    };
    Some(Port {
        container_port: port.container.checked_add(nth)?,
        protocol: protocol.to_owned(),
        host_port: port.host.checked_add(nth)?,
        ..Port::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_ports(port: v1::Port, expected: &[(u16, u16)]) {
        let shown: Vec<_> = ports(&[port])
            .iter()
            .map(|port| (port.host_port, port.container_port))
            .collect();
        assert_eq!(shown, expected, "{port:?}");
    }

    fn range(host: u16, host_end: u16, container: u16, container_end: u16) -> v1::Port {
        v1::Port {
            host,
            host_end,
            container,
            container_end,
            protocol: Protocol::Tcp,
        }
    }

    #[test]
    fn ranges_of_ports_are_their_ports() {
        check_ports(range(80, 0, 8080, 0), &[(80, 8080)]);
        check_ports(range(80, 80, 8080, 8080), &[(80, 8080)]);
        check_ports(range(80, 82, 90, 92), &[(80, 90), (81, 91), (82, 92)]);
        // Nonsense is shown as far as it makes sense.
        check_ports(range(80, 70, 8080, 8070), &[(80, 8080)]);
        check_ports(range(65534, 65535, 65535, 0), &[(65534, 65535)]);
        let strange = v1::Port {
            protocol: Protocol::Unknown(7),
            ..range(80, 0, 80, 0)
        };
        check_ports(strange, &[]);
        assert_eq!(
            ports(&[range(1, u16::MAX, 1, u16::MAX); 16]).len(),
            STOCK_PORTS_MAX
        );
    }

    #[test]
    fn networks() {
        let check = |net_mode, expected: (NetworkMode, &str, bool)| {
            let network = network(&Inspect {
                net_mode,
                dns: "1.1.1.1, 8.8.8.8\t".to_owned(),
                ..Inspect::default()
            });
            let found = (network.mode, network.name.as_str(), network.forwarded);
            assert_eq!(found, expected, "{net_mode:?}");
            assert_eq!(network.dns, ["1.1.1.1", "8.8.8.8"]);
        };
        check(NetMode::Host, (NetworkMode::Host, "", false));
        check(NetMode::Nat, (NetworkMode::Named, NAT_NETWORK, true));
        check(NetMode::None, (NetworkMode::None, "", false));
        check(NetMode::Gateway, (NetworkMode::Named, GATEWAY_NETWORK, false));
        check(NetMode::Unknown(9), (NetworkMode::None, "", false));
    }

    #[test]
    fn what_does_not_run_has_ended_in_a_way_that_nobody_saw() {
        for pid in [0, -1] {
            let state = state(pid, Time::NEVER);
            assert_eq!((state.status, state.exit), (Status::Exited, Some(unseen())));
        }
        assert_eq!(state(7, Time::NEVER).status, Status::Running);
    }
}
