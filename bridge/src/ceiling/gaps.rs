//! Restrictions that another key leaves open. They are no errors: who writes them may know better. They are
//! said at the start, for a wall with a door beside it looks like a wall.

use super::powers::EVERY_CAPABILITY;
use super::sources::leads_elsewhere;
use super::{Access, Ceiling};

/// Capabilities with which a container has the machine, or all of its files.
const WHOLE_MACHINE: &[&str] = &[
    EVERY_CAPABILITY,
    "DAC_READ_SEARCH",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
];

impl Ceiling {
    /// What is restricted in vain, in sentences for the log.
    pub(super) fn gaps(&self) -> Vec<String> {
        let powers = &self.powers;
        let mut gaps = Vec::new();
        let makes = self.access == Access::Full;
        let paths = powers.binds.is_some() || powers.binds_read_only.is_some();
        let everything = powers.privileged != Some(false)
            && powers.unconfined != Some(false)
            && powers.capabilities.is_none()
            && powers.devices.is_none();
        let restricted = paths || powers.host_namespaces == Some(false) || powers.sysctls.is_some();
        if makes && restricted && everything {
            gaps.push("a privileged container passes every other key; say privileged = false".to_owned());
        }
        if makes && paths && powers.devices.is_none() {
            gaps.push(
                "binds are restricted, but a disk can be asked for as a device; say devices = []".to_owned(),
            );
        }
        if makes && paths && powers.capabilities.is_none() {
            gaps.push(
                "binds are restricted, but with SYS_ADMIN a container mounts by itself; say capabilities = []"
                    .to_owned(),
            );
        }
        for name in powers.capabilities.iter().flatten() {
            if WHOLE_MACHINE.contains(&name.as_str()) {
                gaps.push(format!("the capability {name} is as good as the whole machine"));
            }
        }
        for path in [&powers.binds, &powers.binds_read_only, &powers.devices]
            .into_iter()
            .flatten()
            .flatten()
        {
            if let Some(canonical) = leads_elsewhere(path) {
                gaps.push(format!(
                    "{path} leads to {}, so nothing is ever below it; write that",
                    canonical.display()
                ));
            }
        }
        gaps
    }
}
