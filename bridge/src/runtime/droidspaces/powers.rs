//! What a container has that its specification does not show, in the words of one, so that it can be judged.

use wire::spec::{Device, Mount, MountKind, Spec};

use super::config::Config;

/// Where a phone has what its apps share.
const SHARED_STORAGE: &str = "/storage/emulated/0";

/// Where the host has its devices. Which of them a container gets, its own program decides.
const DEVICES: &str = "/dev";

/// Everything that a container has which is configured so and shown so.
pub(super) fn asked(shown: &Spec, config: &Config) -> Spec {
    let mut asked = shown.clone();
    let (flags, security) = (config.privileged, &mut asked.security);
    // What it mounts, the host has too.
    security.privileged |= flags.full || flags.shared;
    if flags.nocaps {
        security.capabilities_added.push("ALL".to_owned());
    }
    let lifted = [
        (flags.noseccomp, "seccomp=unconfined"),
        (flags.nomask, "systempaths=unconfined"),
        (config.allow_userns, "userns=unconfined"),
        // The host's, not its own.
        (config.selinux_permissive, "selinux=permissive"),
    ];
    let lifted = lifted.iter().filter(|(on, _)| *on);
    security
        .options
        .extend(lifted.map(|(_, option)| (*option).to_owned()));
    if flags.unfiltered_dev || config.enable_hw_access || config.enable_gpu_mode {
        security.devices.push(Device {
            source: DEVICES.to_owned(),
            ..Device::default()
        });
    }
    if config.enable_android_storage {
        asked.mounts.push(Mount {
            kind: MountKind::Bind,
            source: SHARED_STORAGE.to_owned(),
            ..Mount::default()
        });
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::{Ceiling, Powers};

    #[test]
    fn what_is_configured_is_judged() {
        fn check(config: &str, powers: &Powers, expected: &str) {
            let ceiling = Ceiling {
                powers: powers.clone(),
                ..Ceiling::default()
            };
            let asked = asked(&Spec::default(), &Config::parse(config.as_bytes()));
            let judged = ceiling.judge_asked(&asked).map_err(|denied| denied.to_string());
            match expected {
                "" => assert_eq!(judged, Ok(()), "{config}"),
                key => assert!(
                    judged
                        .as_ref()
                        .is_err_and(|said| said.ends_with(&format!("({key})"))),
                    "{config}: {judged:?}"
                ),
            }
        }
        let none = Some(Vec::new);
        let privileged = Powers {
            privileged: Some(false),
            ..Powers::default()
        };
        let capabilities = Powers {
            capabilities: none.map(|empty| empty()),
            ..Powers::default()
        };
        let unconfined = Powers {
            unconfined: Some(false),
            ..Powers::default()
        };
        let devices = Powers {
            devices: none.map(|empty| empty()),
            ..Powers::default()
        };
        let binds = Powers {
            binds: none.map(|empty| empty()),
            ..Powers::default()
        };
        check("privileged=full", &privileged, "privileged");
        check("privileged=shared", &privileged, "privileged");
        check("privileged=nomask", &privileged, "");
        check("privileged=nocaps", &capabilities, "capabilities");
        check("privileged=noseccomp", &unconfined, "unconfined");
        check("privileged=nomask", &unconfined, "unconfined");
        check("allow_userns=1", &unconfined, "unconfined");
        check("selinux_permissive=1", &unconfined, "unconfined");
        check("privileged=unfiltered-dev", &devices, "devices");
        check("enable_hw_access=1", &devices, "devices");
        check("enable_gpu_mode=1", &devices, "devices");
        check("enable_android_storage=1", &binds, "binds");
        for powers in [&privileged, &capabilities, &unconfined, &devices, &binds] {
            check("name=plain\nhostname=plain", powers, "");
        }
    }
}
