//! What a container has of root's powers.

use caps::{Capability, CapsHashSet};
use wire::spec::Security;

use crate::shim::failure::Failure;

/// The set every container has unless it says otherwise: what dockerd gives.
pub const DEFAULT: [Capability; 14] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FSETID,
    Capability::CAP_FOWNER,
    Capability::CAP_MKNOD,
    Capability::CAP_NET_RAW,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETPCAP,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_KILL,
    Capability::CAP_AUDIT_WRITE,
];

/// The default set, without what is dropped, with what is added.
///
/// An explicit name wins over `ALL` of the other list; a name in both lists is dropped.
///
/// # Errors
/// A name that is none.
pub fn plan(security: &Security) -> Result<CapsHashSet, Failure> {
    let added = Names::parse(&security.capabilities_added)?;
    let dropped = Names::parse(&security.capabilities_dropped)?;
    if security.privileged {
        return Ok(caps::all());
    }
    let mut set = match (added.all, dropped.all) {
        (true, _) => caps::all(),
        (false, true) => CapsHashSet::new(),
        (false, false) => CapsHashSet::from(DEFAULT),
    };
    set.extend(added.single);
    for name in &dropped.single {
        set.remove(name);
    }
    Ok(set)
}

struct Names {
    all: bool,
    single: CapsHashSet,
}

impl Names {
    fn parse(names: &[String]) -> Result<Self, Failure> {
        let mut parsed = Self {
            all: false,
            single: CapsHashSet::new(),
        };
        for name in names {
            let upper = name.to_ascii_uppercase();
            match upper.strip_prefix("CAP_").unwrap_or(&upper) {
                "ALL" => parsed.all = true,
                bare => {
                    let capability = format!("CAP_{bare}").parse().map_err(|_| {
                        Failure::invalid(format_args!("invalid capability: unknown capability {name:?}"))
                    })?;
                    parsed.single.insert(capability);
                }
            }
        }
        Ok(parsed)
    }
}
