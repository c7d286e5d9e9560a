//! What a container may be given at most. Pure: it opens no file.
//!
//! Every field of a specification is named here, those that give no power too, so that a field which is
//! added is decided on before this compiles.

use caps::{Capability, CapsHashSet};
use nix::sys::resource::getrlimit;
use wire::ExecSpec;
use wire::record;
use wire::spec::{Network, NetworkMode, Pair, Resources, Security, Spec};

use super::Denied;
use super::sources::Sources;
use crate::shim::plan::options::SecurityOptions;
use crate::shim::plan::{capabilities, limits};

/// The word that stands for every capability.
pub(super) const EVERY_CAPABILITY: &str = "ALL";

record! {
    /// What a container may be given at most. A field that is absent restricts nothing.
    pub struct Powers {
        /// Whether a container, or a further process in one, may have everything.
        1 => privileged: Option<bool>,
        /// Whether a container may have a namespace of the host.
        2 => host_namespaces: Option<bool>,
        /// Whether system calls may go unfiltered and kernel files unmasked.
        3 => unconfined: Option<bool>,
        /// Whether process limits may be above the bridge's own, and the memory killer's preference below
        /// the usual.
        4 => raised_limits: Option<bool>,
        /// Capabilities beside the usual ones, without `CAP_`, in capitals; or `ALL`.
        5 => capabilities: Option<Vec<String>>,
        /// Devices of the host: canonical paths, each with what is below it.
        6 => devices: Option<Vec<String>>,
        /// Sources of bind mounts: canonical paths, each with what is below it.
        7 => binds: Option<Vec<String>>,
        /// The same, for mounts that are read-only.
        8 => binds_read_only: Option<Vec<String>>,
        /// Kernel settings, by their names with points.
        9 => sysctls: Option<Vec<String>>,
    }
}

/// Whether a further process has everything. The rest of what it is asked to be gives no power that its
/// container does not have: command, variables, directory, user, terminal and streams.
#[must_use]
pub fn is_privileged(exec: &ExecSpec) -> bool {
    let ExecSpec {
        arguments: _,
        env: _,
        working_dir: _,
        user: _,
        tty: _,
        attach_stdin: _,
        attach_stdout: _,
        attach_stderr: _,
        privileged,
        detach_keys: _,
        rows: _,
        columns: _,
    } = exec;
    *privileged
}

fn refuses(key: Option<bool>) -> bool {
    key == Some(false)
}

impl Powers {
    /// Judges everything that a specification asks for, but for the paths of its mounts and devices.
    ///
    /// # Errors
    /// What it asks for that no container may have.
    pub fn judge(&self, spec: &Spec) -> Result<(), Denied> {
        let Spec {
            // By name; what it stands for is judged where that is known.
            image: _,
            // Within the container.
            process: _,
            hostname: _,
            domainname: _,
            // For people.
            labels: _,
            // By their paths.
            mounts: _,
            network,
            resources,
            security,
            // Each start is judged.
            restart: _,
            auto_remove: _,
            // Memory that the container's limit counts.
            shm_bytes: _,
            log_options: _,
            annotations: _,
            // A command of the container's, with its powers.
            health_check: _,
        } = spec;
        self.judge_network(network)?;
        self.judge_resources(resources)?;
        self.judge_security(security)
    }

    fn judge_network(&self, network: &Network) -> Result<(), Denied> {
        let Network {
            mode,
            // Ports of its own network.
            exposed: _,
            published: _,
            publish_all: _,
            forwarded: _,
            // Lines of files that it could write itself.
            dns: _,
            dns_options: _,
            dns_search: _,
            extra_hosts: _,
            name: _,
            address: _,
        } = network;
        let hosts = match mode {
            NetworkMode::Host | NetworkMode::Unknown(_) => true,
            NetworkMode::Default | NetworkMode::None | NetworkMode::Bridge | NetworkMode::Named => false,
        };
        if hosts && refuses(self.host_namespaces) {
            return Err(Denied::new("the host's network", "host_namespaces"));
        }
        Ok(())
    }

    fn judge_resources(&self, resources: &Resources) -> Result<(), Denied> {
        let Resources {
            // Less than everything, which is what a container without them has.
            memory_bytes: _,
            memory_swap_bytes: _,
            memory_reservation_bytes: _,
            nano_cpus: _,
            cpu_shares: _,
            cpu_period_us: _,
            cpu_quota_us: _,
            cpuset_cpus: _,
            cpuset_mems: _,
            pids_max: _,
            ulimits,
            oom_score_adjustment,
        } = resources;
        if !refuses(self.raised_limits) {
            return Ok(());
        }
        if *oom_score_adjustment < 0 {
            return Err(Denied::new(
                format_args!("an oom score adjustment of {oom_score_adjustment}"),
                "raised_limits",
            ));
        }
        let raised = || Denied::new("limits of processes above its own", "raised_limits");
        for (resource, _, hard) in limits::rlimits(ulimits).map_err(|_| raised())? {
            let (_, own) = getrlimit(resource).map_err(|_| raised())?;
            if hard > own {
                return Err(raised());
            }
        }
        Ok(())
    }

    fn judge_security(&self, security: &Security) -> Result<(), Denied> {
        let Security {
            privileged,
            capabilities_added: _,
            // Taken, not given.
            capabilities_dropped: _,
            options,
            read_only_rootfs: _,
            // Numbers of groups within a root file system that its root owns anyway.
            groups_added: _,
            sysctls,
            // By their paths.
            devices: _,
        } = security;
        if *privileged && refuses(self.privileged) {
            return Err(Denied::new("privileged containers", "privileged"));
        }
        self.judge_capabilities(security)?;
        if refuses(self.unconfined) {
            if *privileged {
                return Err(Denied::new("privileged containers", "unconfined"));
            }
            judge_options(options)?;
        }
        if *privileged && !self.sources(true).permits_every_device() {
            return Err(Denied::new("privileged containers", "devices"));
        }
        self.judge_sysctls(sysctls)
    }

    fn judge_capabilities(&self, security: &Security) -> Result<(), Denied> {
        let Some(allowed) = &self.capabilities else {
            return Ok(());
        };
        if allowed.iter().any(|name| name == EVERY_CAPABILITY) {
            return Ok(());
        }
        if security.privileged {
            return Err(Denied::new("privileged containers", "capabilities"));
        }
        let set = capabilities::plan(security)
            .map_err(|_| Denied::new("capabilities that it does not know", "capabilities"))?;
        let mut beyond: Vec<String> = set
            .difference(&CapsHashSet::from(capabilities::DEFAULT))
            .map(|capability| bare_name(*capability))
            .filter(|name| !allowed.contains(name))
            .collect();
        beyond.sort_unstable();
        match beyond.first() {
            Some(name) => Err(Denied::new(format_args!("the capability {name}"), "capabilities")),
            None => Ok(()),
        }
    }

    fn judge_sysctls(&self, sysctls: &[Pair]) -> Result<(), Denied> {
        let Some(allowed) = &self.sysctls else {
            return Ok(());
        };
        let denied = sysctls
            .iter()
            .map(|pair| pair.key.replace('/', "."))
            .find(|key| !allowed.contains(key));
        match denied {
            Some(key) => Err(Denied::new(format_args!("the sysctl {key:?}"), "sysctls")),
            None => Ok(()),
        }
    }

    /// Every capability that a container may be given: the default ones, and what may be added.
    #[must_use]
    pub fn may_be_given(&self) -> CapsHashSet {
        let Some(allowed) = &self.capabilities else {
            return caps::all();
        };
        let is_allowed = |capability: &Capability| {
            let name = bare_name(*capability);
            allowed
                .iter()
                .any(|word| *word == name || word == EVERY_CAPABILITY)
        };
        let mut given: CapsHashSet = caps::all().into_iter().filter(is_allowed).collect();
        given.extend(capabilities::DEFAULT);
        given
    }

    /// Which paths of the host a container may have that is made so.
    #[must_use]
    pub fn sources_of(&self, spec: &Spec) -> Sources {
        match capabilities::plan(&spec.security) {
            Ok(set) => self.sources_with(&set),
            Err(_) => self.sources(true),
        }
    }

    /// Which paths of the host a container may have that has these capabilities.
    #[must_use]
    pub fn sources_with(&self, capabilities: &CapsHashSet) -> Sources {
        self.sources(capabilities.contains(&Capability::CAP_SYS_ADMIN))
    }

    /// Which paths of the host a container may have. `mounts_itself`: whether it can make a mount that is
    /// read-only writable again.
    fn sources(&self, mounts_itself: bool) -> Sources {
        Sources::new(self, mounts_itself)
    }
}

/// A capability as the file names it.
pub(super) fn bare_name(capability: Capability) -> String {
    let name = capability.to_string();
    name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
}

/// An option that is not known might be one that lifts something.
fn judge_options(options: &[String]) -> Result<(), Denied> {
    for option in options {
        match SecurityOptions::new(std::slice::from_ref(option)) {
            Ok(parsed) if parsed.filtered && parsed.masked => {}
            Ok(_) | Err(_) => {
                return Err(Denied::new(
                    format_args!("the security option {option:?}"),
                    "unconfined",
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_given_bounds_whoever_is_started() {
        let given = |allowed: &[&str]| {
            let powers = Powers {
                capabilities: Some(allowed.iter().map(|name| (*name).to_owned()).collect()),
                ..Powers::default()
            };
            powers.may_be_given()
        };
        assert_eq!(Powers::default().may_be_given(), caps::all());
        assert_eq!(given(&[EVERY_CAPABILITY]), caps::all());
        assert_eq!(given(&[]).len(), 14);
        let one = given(&["NET_ADMIN"]);
        assert!(one.contains(&Capability::CAP_NET_ADMIN) && !one.contains(&Capability::CAP_SYS_MODULE));
    }
}
