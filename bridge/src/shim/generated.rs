//! The three files that every container is given: who it is, whom it knows, whom it asks.

use std::fs;
use std::io;
use std::path::Path;

use wire::Container;

use super::plan::{NetworkPlan, Plan};
use super::record::file;

/// Longest file of the host that is copied, in bytes. Stops a strange host file from filling memory.
const HOST_FILE_BYTES_MAX: usize = 1024 * 1024;

/// Writes them anew, as they are made at every start.
///
/// # Errors
/// What the operating system said.
pub(super) fn write(directory: &Path, container: &Container, plan: &Plan) -> io::Result<()> {
    let name = plan.hostname.clone().unwrap_or_else(|| {
        nix::unistd::gethostname()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    });
    fs::write(directory.join(file::HOSTNAME), format!("{name}\n"))?;
    fs::write(directory.join(file::HOSTS), hosts(container, plan, &name))?;
    fs::write(directory.join(file::RESOLV_CONF), resolv_conf(container, plan))
}

fn host_file(path: &str) -> String {
    let mut bytes = fs::read(path).unwrap_or_default();
    bytes.truncate(HOST_FILE_BYTES_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hosts(container: &Container, plan: &Plan, name: &str) -> String {
    let mut text = match plan.network {
        NetworkPlan::Host => host_file("/etc/hosts"),
        NetworkPlan::Own => {
            let full = match plan.domainname.as_str() {
                "" => name.to_owned(),
                domain => format!("{name}.{domain} {name}"),
            };
            format!(
                "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
                 ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n127.0.0.1\t{full}\n"
            )
        }
    };
    // `name:address`; an address may hold colons, a name may not.
    for (name, address) in container
        .spec
        .network
        .extra_hosts
        .iter()
        .filter_map(|extra| extra.split_once(':'))
    {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    text
}

/// The host's resolver, with what was asked for in the place of its lines of the same kind.
fn resolv_conf(container: &Container, plan: &Plan) -> String {
    let network = &container.spec.network;
    let asked = [
        ("nameserver", &network.dns),
        ("search", &network.dns_search),
        ("options", &network.dns_options),
    ];
    let mut text = String::new();
    for line in host_file("/etc/resolv.conf").lines() {
        let mut words = line.split_ascii_whitespace();
        let keyword = words.next().unwrap_or_default();
        // The host's own loopback is out of reach of another network.
        let unreachable = plan.network == NetworkPlan::Own
            && keyword == "nameserver"
            && words
                .next()
                .is_some_and(|address| address.starts_with("127.") || address == "::1");
        if !unreachable
            && !asked
                .iter()
                .any(|(name, values)| *name == keyword && !values.is_empty())
        {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (keyword, values) in asked {
        if keyword == "nameserver" {
            values
                .iter()
                .for_each(|value| text.push_str(&format!("nameserver {value}\n")));
        } else if !values.is_empty() {
            text.push_str(&format!("{keyword} {}\n", values.join(" ")));
        }
    }
    text
}
