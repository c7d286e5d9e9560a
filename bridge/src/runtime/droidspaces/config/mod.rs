//! A container's configuration: `container.config`, bytes in, value out.
//!
//! Reading never fails: every malformation means what it means to the runtime that the file belongs to.
//! Where the runtime's table says *ignored*, an earlier value stays; where it says *none*, none is left.

use std::net::Ipv4Addr;

mod bind;
pub(in crate::runtime::droidspaces) mod env;
mod forward;
pub(in crate::runtime::droidspaces) mod limits;
mod line;
mod name;
#[cfg(test)]
mod tests;

pub(in crate::runtime::droidspaces) use bind::Bind;
pub(in crate::runtime::droidspaces) use forward::{Forward, Protocol};
pub(in crate::runtime::droidspaces) use name::{is_valid_name, safe_name};

use limits::{
    DNS_BYTES_MAX, FILE_BYTES_MAX, GATEWAY_NET_BYTES_MAX, HOSTNAME_BYTES_MAX, INTERFACE_BYTES_MAX,
    UPSTREAMS_MAX, UUID_BYTES_MAX,
};
use line::{cut, is_yes};

/// Network of a gateway where none is named.
const GATEWAY_NET_DEFAULT: &str = "lan";
/// Interface of a gateway towards its network where none is named.
const GATEWAY_LAN_IFNAME_DEFAULT: &str = "eth1";

/// How a container is connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::runtime::droidspaces) enum NetMode {
    /// It has the host's interfaces. Also what an unknown word means.
    #[default]
    Host,
    /// It has an address of its own behind the host's.
    Nat,
    /// It has loopback alone.
    None,
    /// Another container is its way out.
    Gateway,
}

/// What of its walls a container goes without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::runtime::droidspaces) struct Privileged {
    /// Paths of the kernel are not masked.
    pub(in crate::runtime::droidspaces) nomask: bool,
    /// Capabilities are not dropped.
    pub(in crate::runtime::droidspaces) nocaps: bool,
    /// System calls are not filtered.
    pub(in crate::runtime::droidspaces) noseccomp: bool,
    /// Mounts are shared with the host.
    pub(in crate::runtime::droidspaces) shared: bool,
    /// Devices are not filtered.
    pub(in crate::runtime::droidspaces) unfiltered_dev: bool,
    /// All of these, and what else there may be.
    pub(in crate::runtime::droidspaces) full: bool,
}

/// What a container is configured to be. Texts are empty where the file says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::runtime::droidspaces) struct Config {
    /// Valid, or empty.
    pub(in crate::runtime::droidspaces) name: String,
    /// At most 255 bytes; empty means the container's name.
    pub(in crate::runtime::droidspaces) hostname: String,
    /// A directory, or an image where it is a file or block device.
    pub(in crate::runtime::droidspaces) rootfs_path: String,
    /// At most 32 bytes, not checked.
    pub(in crate::runtime::droidspaces) uuid: String,
    /// Absolute and without white space; empty means `/sbin/init`.
    pub(in crate::runtime::droidspaces) custom_init: String,
    /// Without `..`; it counts only where it is absolute and below the workspace.
    pub(in crate::runtime::droidspaces) env_file: String,
    /// How it is connected.
    pub(in crate::runtime::droidspaces) net_mode: NetMode,
    /// 172.28.X.Y, X and Y from 1 to 254.
    pub(in crate::runtime::droidspaces) static_nat_ip: Option<Ipv4Addr>,
    /// At most 32, none of which collide.
    pub(in crate::runtime::droidspaces) forwards: Vec<Forward>,
    /// Names and patterns, at most 32, the preferred first.
    pub(in crate::runtime::droidspaces) upstream_interfaces: Vec<String>,
    /// The container that is its gateway: a valid name, or empty.
    pub(in crate::runtime::droidspaces) gateway_container: String,
    /// As written; see [`gateway_net`](Self::gateway_net).
    pub(in crate::runtime::droidspaces) gateway_net: String,
    /// As written; see [`gateway_bridge`](Self::gateway_bridge).
    pub(in crate::runtime::droidspaces) gateway_bridge: String,
    /// As written; see [`gateway_lan_ifname`](Self::gateway_lan_ifname).
    pub(in crate::runtime::droidspaces) gateway_lan_ifname: String,
    /// As written, at most 1023 bytes; see [`dns_list`](Self::dns_list).
    pub(in crate::runtime::droidspaces) dns_servers: String,
    /// Whether it has no IPv6.
    pub(in crate::runtime::droidspaces) disable_ipv6: bool,
    /// In the order of the file.
    pub(in crate::runtime::droidspaces) binds: Vec<Bind>,
    /// What of its walls it goes without.
    pub(in crate::runtime::droidspaces) privileged: Privileged,
    /// Bytes, more than 0.
    pub(in crate::runtime::droidspaces) memory_limit: Option<i64>,
    /// Microseconds of processor time in a period, more than 0.
    pub(in crate::runtime::droidspaces) cpu_quota: Option<i64>,
    /// Microseconds, more than 0.
    pub(in crate::runtime::droidspaces) cpu_period: Option<i64>,
    /// Processes and threads, more than 0.
    pub(in crate::runtime::droidspaces) pids_limit: Option<i64>,
    /// Whether it has the host's devices.
    pub(in crate::runtime::droidspaces) enable_hw_access: bool,
    /// Whether it has the host's graphics devices.
    pub(in crate::runtime::droidspaces) enable_gpu_mode: bool,
    /// Whether it sees the phone's shared storage.
    pub(in crate::runtime::droidspaces) enable_android_storage: bool,
    /// Whether it has the phone's X server.
    pub(in crate::runtime::droidspaces) enable_termux_x11: bool,
    /// Whether it has the phone's 3D server.
    pub(in crate::runtime::droidspaces) enable_virgl: bool,
    /// Whether it has the phone's sound server.
    pub(in crate::runtime::droidspaces) enable_pulseaudio: bool,
    /// Further arguments of the X server.
    pub(in crate::runtime::droidspaces) tx11_extra_flags: String,
    /// Further arguments of the 3D server.
    pub(in crate::runtime::droidspaces) virgl_extra_flags: String,
    /// Whether the host's SELinux is made permissive for it.
    pub(in crate::runtime::droidspaces) selinux_permissive: bool,
    /// Whether it may make user namespaces.
    pub(in crate::runtime::droidspaces) allow_userns: bool,
    /// Whether what it writes is forgotten.
    pub(in crate::runtime::droidspaces) volatile_mode: bool,
    /// Whether it has control groups of version 1.
    pub(in crate::runtime::droidspaces) force_cgroupv1: bool,
    /// Whether it may make no namespaces.
    pub(in crate::runtime::droidspaces) block_nested_ns: bool,
    /// Whether it runs in front, where there is a terminal.
    pub(in crate::runtime::droidspaces) foreground: bool,
    /// Whether the phone's app starts it when the phone starts.
    pub(in crate::runtime::droidspaces) run_at_boot: bool,
    /// Its place among those, the smallest first.
    pub(in crate::runtime::droidspaces) run_at_boot_priority: Option<i64>,
    /// Whether the app made its image sparse.
    pub(in crate::runtime::droidspaces) use_sparse_image: bool,
    /// How large it made that, in GB.
    pub(in crate::runtime::droidspaces) sparse_image_size_gb: Option<i64>,
    /// Every other line, in order.
    pub(in crate::runtime::droidspaces) unknown: Vec<(String, String)>,
}

impl Config {
    /// Reads one. Bytes that are not UTF-8 are replaced; what is longer than [`FILE_BYTES_MAX`] is cut.
    pub(in crate::runtime::droidspaces) fn parse(bytes: &[u8]) -> Self {
        let mut config = Self::default();
        for (key, value) in line::pairs(bytes.get(..FILE_BYTES_MAX).unwrap_or(bytes)) {
            config.set(&String::from_utf8_lossy(key), &String::from_utf8_lossy(value));
        }
        config
    }

    /// The network of its gateway.
    pub(in crate::runtime::droidspaces) fn gateway_net(&self) -> &str {
        or(&self.gateway_net, GATEWAY_NET_DEFAULT)
    }

    /// The bridge of that network. A name that the kernel could not hold is cut.
    pub(in crate::runtime::droidspaces) fn gateway_bridge(&self) -> String {
        let of_net = format!("ds-{}", self.gateway_net());
        or(&self.gateway_bridge, cut(&of_net, INTERFACE_BYTES_MAX)).to_owned()
    }

    /// Its gateway's interface to that network.
    pub(in crate::runtime::droidspaces) fn gateway_lan_ifname(&self) -> &str {
        or(&self.gateway_lan_ifname, GATEWAY_LAN_IFNAME_DEFAULT)
    }

    /// Its name servers, one by one.
    pub(in crate::runtime::droidspaces) fn dns_list(&self) -> impl Iterator<Item = &str> {
        self.dns_servers
            .split(|char: char| char == ',' || char.is_ascii_whitespace())
            .filter(|server| !server.is_empty())
    }

    fn set(&mut self, key: &str, value: &str) {
        if let Some(flag) = self.flag(key) {
            *flag = is_yes(value);
        } else if let Some((number, least)) = self.number(key) {
            *number = value.parse().ok().filter(|&number| number >= least);
        } else if !self.set_identity(key, value) && !self.set_network(key, value) {
            self.unknown.push((key.to_owned(), value.to_owned()));
        }
    }

    fn flag(&mut self, key: &str) -> Option<&mut bool> {
        Some(match key {
            "disable_ipv6" => &mut self.disable_ipv6,
            "enable_hw_access" => &mut self.enable_hw_access,
            "enable_gpu_mode" => &mut self.enable_gpu_mode,
            "enable_android_storage" => &mut self.enable_android_storage,
            "enable_termux_x11" => &mut self.enable_termux_x11,
            "enable_virgl" => &mut self.enable_virgl,
            "enable_pulseaudio" => &mut self.enable_pulseaudio,
            "selinux_permissive" => &mut self.selinux_permissive,
            "allow_userns" => &mut self.allow_userns,
            "volatile_mode" => &mut self.volatile_mode,
            "force_cgroupv1" => &mut self.force_cgroupv1,
            "block_nested_ns" => &mut self.block_nested_ns,
            "foreground" => &mut self.foreground,
            "run_at_boot" => &mut self.run_at_boot,
            "use_sparse_image" => &mut self.use_sparse_image,
            _ => return None,
        })
    }

    /// And the least that it may be.
    fn number(&mut self, key: &str) -> Option<(&mut Option<i64>, i64)> {
        Some(match key {
            "memory_limit" => (&mut self.memory_limit, 1),
            "cpu_quota" => (&mut self.cpu_quota, 1),
            "cpu_period" => (&mut self.cpu_period, 1),
            "pids_limit" => (&mut self.pids_limit, 1),
            "sparse_image_size_gb" => (&mut self.sparse_image_size_gb, 1),
            "run_at_boot_priority" => (&mut self.run_at_boot_priority, i64::MIN),
            _ => return None,
        })
    }

    /// Whether it is such a key.
    fn set_identity(&mut self, key: &str, value: &str) -> bool {
        let takes = match key {
            "name" => is_valid_name(value),
            "custom_init" => value.starts_with('/') && !value.contains(char::is_whitespace),
            "env_file" => !value.contains(".."),
            _ => true,
        };
        let text = match key {
            "name" => &mut self.name,
            "hostname" => &mut self.hostname,
            "rootfs_path" => &mut self.rootfs_path,
            "uuid" => &mut self.uuid,
            "custom_init" => &mut self.custom_init,
            "env_file" => &mut self.env_file,
            "tx11_extra_flags" => &mut self.tx11_extra_flags,
            "virgl_extra_flags" => &mut self.virgl_extra_flags,
            "bind_mounts" => {
                bind::add(&mut self.binds, value);
                return true;
            }
            "privileged" => {
                self.privileged = privileged(value);
                return true;
            }
            // Where it notes its process is the runtime's own affair.
            "pidfile" => return true,
            _ => return false,
        };
        if takes {
            let most = match key {
                "hostname" => HOSTNAME_BYTES_MAX,
                "uuid" => UUID_BYTES_MAX,
                _ => value.len(),
            };
            cut(value, most).clone_into(text);
        }
        true
    }

    /// Whether it is such a key.
    fn set_network(&mut self, key: &str, value: &str) -> bool {
        match key {
            "net_mode" => self.net_mode = net_mode(value),
            "static_nat_ip" => self.static_nat_ip = nat_address(value).or(self.static_nat_ip),
            "port_forwards" => forward::add(&mut self.forwards, value),
            "upstream_interfaces" => {
                let room = UPSTREAMS_MAX.saturating_sub(self.upstream_interfaces.len());
                let names = value.split(',').map(str::trim);
                let fit = names.filter(|name| (1..=INTERFACE_BYTES_MAX).contains(&name.len()));
                self.upstream_interfaces.extend(fit.take(room).map(str::to_owned));
            }
            "gateway_container" if is_valid_name(value) => value.clone_into(&mut self.gateway_container),
            "gateway_container" => {}
            "gateway_net" => cut(value, GATEWAY_NET_BYTES_MAX).clone_into(&mut self.gateway_net),
            "gateway_bridge" => cut(value, INTERFACE_BYTES_MAX).clone_into(&mut self.gateway_bridge),
            "gateway_lan_ifname" => cut(value, INTERFACE_BYTES_MAX).clone_into(&mut self.gateway_lan_ifname),
            "dns_servers" => cut(value, DNS_BYTES_MAX).clone_into(&mut self.dns_servers),
            _ => return false,
        }
        true
    }
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn net_mode(word: &str) -> NetMode {
    match word {
        "nat" => NetMode::Nat,
        "none" => NetMode::None,
        "gateway" | "delegated-gateway" => NetMode::Gateway,
        _ => NetMode::Host,
    }
}

/// One of those that the runtime gives.
fn nat_address(text: &str) -> Option<Ipv4Addr> {
    let address: Ipv4Addr = text.parse().ok()?;
    let [172, 28, third, fourth] = address.octets() else {
        return None;
    };
    let fits = |octet: u8| (1..=254).contains(&octet);
    (fits(third) && fits(fourth)).then_some(address)
}

/// Words that are none of these are skipped.
fn privileged(list: &str) -> Privileged {
    let mut found = Privileged::default();
    for word in list.split(',').map(str::trim) {
        match word {
            "nomask" => found.nomask = true,
            "nocaps" => found.nocaps = true,
            "noseccomp" => found.noseccomp = true,
            "shared" => found.shared = true,
            "unfiltered-dev" => found.unfiltered_dev = true,
            "full" => {
                found = Privileged {
                    nomask: true,
                    nocaps: true,
                    noseccomp: true,
                    shared: true,
                    unfiltered_dev: true,
                    full: true,
                }
            }
            _ => {}
        }
    }
    found
}
