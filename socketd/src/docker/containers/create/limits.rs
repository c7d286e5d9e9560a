//! What a container may use and do, checked with Docker's sentences.

use wire::spec::{Device, Pair, Resources, RestartKind, RestartPolicy, Security, Ulimit};

use super::body::{self, HostConfig};
use crate::docker::error::ApiError;

/// Least memory limit, in bytes: with less, nothing starts.
const MEMORY_BYTES_MIN: i64 = 6 * 1024 * 1024;

const CAPABILITIES: &[&str] = &[
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

const ULIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn refuse<T>(message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::bad_request(message))
}

/// A number that may not be negative.
pub(super) fn unsigned(field: &str, value: i64) -> Result<u64, ApiError> {
    u64::try_from(value).or_else(|_| refuse(format!("invalid {field}: {value} is negative")))
}

/// Memory, processors, processes and limits of the process.
pub(super) fn resources(host: &HostConfig) -> Result<Resources, ApiError> {
    check_memory(host)?;
    check_swap(host)?;
    check_processors(host)?;
    let adjustment = *host.oom_score_adj;
    if !(-1000..=1000).contains(&adjustment) {
        return refuse(format!(
            "Invalid value {adjustment}, range for oom score adj is [-1000, 1000]"
        ));
    }
    let memory_bytes = unsigned("memory limit", *host.memory)?;
    let memory_swap_bytes = match (*host.memory, *host.memory_swap) {
        // Docker makes the default explicit.
        (1.., 0) => host.memory.saturating_mul(2),
        (_, swap) => swap,
    };
    Ok(Resources {
        memory_bytes,
        memory_swap_bytes,
        memory_reservation_bytes: unsigned("memory reservation", *host.memory_reservation)?,
        nano_cpus: unsigned("NanoCpus", *host.nano_cpus)?,
        cpu_shares: unsigned("CpuShares", *host.cpu_shares)?,
        cpu_period_us: unsigned("CpuPeriod", *host.cpu_period)?,
        cpu_quota_us: *host.cpu_quota,
        cpuset_cpus: host.cpuset_cpus.clone(),
        cpuset_mems: host.cpuset_mems.clone(),
        pids_max: *host.pids_limit,
        ulimits: host.ulimits.iter().map(ulimit).collect::<Result<_, _>>()?,
        oom_score_adjustment: i32::try_from(adjustment).unwrap_or_default(),
    })
}

/// What stands by itself, whatever the container had before.
pub(super) fn check_memory(host: &HostConfig) -> Result<(), ApiError> {
    let (memory, swap, reservation) = (*host.memory, *host.memory_swap, *host.memory_reservation);
    if memory > 0 && memory < MEMORY_BYTES_MIN {
        return refuse("Minimum memory limit allowed is 6MB");
    }
    if swap < -1 {
        return refuse(format!("invalid MemorySwap: {swap}"));
    }
    if memory > 0 && swap > 0 && swap < memory {
        return refuse("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if reservation > 0 && reservation < MEMORY_BYTES_MIN {
        return refuse("Minimum memory reservation allowed is 6MB");
    }
    if memory > 0 && reservation > memory {
        return refuse("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    Ok(())
}

fn check_swap(host: &HostConfig) -> Result<(), ApiError> {
    if *host.memory == 0 && *host.memory_swap > 0 {
        return refuse("You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    Ok(())
}

pub(super) fn check_processors(host: &HostConfig) -> Result<(), ApiError> {
    let (period, quota) = (*host.cpu_period, *host.cpu_quota);
    if *host.nano_cpus > 0 && period > 0 {
        return refuse("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if *host.nano_cpus > 0 && quota > 0 {
        return refuse("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    if period != 0 && !(1000..=1_000_000).contains(&period) {
        return refuse(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if quota > 0 && quota < 1000 {
        return refuse("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    Ok(())
}

fn ulimit(asked: &body::Ulimit) -> Result<Ulimit, ApiError> {
    let (name, soft, hard) = (asked.name.as_str(), *asked.soft, *asked.hard);
    if !ULIMITS.contains(&name) {
        return refuse(format!("invalid ulimit type: {name}"));
    }
    if hard != -1 && (soft == -1 || soft > hard) {
        return refuse(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        ));
    }
    Ok(Ulimit {
        name: name.to_owned(),
        soft,
        hard,
    })
}

/// Powers, and what limits them.
pub(super) fn security(host: &HostConfig) -> Result<Security, ApiError> {
    check_capabilities("CapAdd", &host.cap_add)?;
    check_capabilities("CapDrop", &host.cap_drop)?;
    Ok(Security {
        privileged: *host.privileged,
        capabilities_added: host.cap_add.clone(),
        capabilities_dropped: host.cap_drop.clone(),
        options: host.security_opt.clone(),
        read_only_rootfs: *host.readonly_rootfs,
        groups_added: host.group_add.clone(),
        sysctls: host
            .sysctls
            .iter()
            .map(|(key, value)| Pair::new(key, value))
            .collect(),
        devices: host.devices.iter().map(device).collect::<Result<_, _>>()?,
    })
}

fn check_capabilities(field: &str, names: &[String]) -> Result<(), ApiError> {
    for name in names {
        let upper = name.to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if !CAPABILITIES.contains(&short) {
            return refuse(format!("invalid {field}: unknown capability: \"CAP_{short}\""));
        }
    }
    Ok(())
}

fn device(asked: &body::Device) -> Result<Device, ApiError> {
    let source = asked.path_on_host.as_str();
    let permissions = match asked.cgroup_permissions.as_str() {
        "" => "rwm",
        given => given,
    };
    if !source.starts_with('/') || !permissions.chars().all(|letter| "rwm".contains(letter)) {
        return refuse(format!("bad device specification: {source}:{permissions}"));
    }
    let target = match asked.path_in_container.as_str() {
        "" => source,
        given => given,
    };
    Ok(Device {
        source: source.to_owned(),
        target: target.to_owned(),
        permissions: permissions.to_owned(),
    })
}

/// When it is started again.
pub(super) fn restart(host: &HostConfig) -> Result<RestartPolicy, ApiError> {
    let asked = &*host.restart_policy;
    let (name, retries) = (asked.name.as_str(), *asked.maximum_retry_count);
    let kind = match name {
        "" | "no" => RestartKind::No,
        "always" => RestartKind::Always,
        "unless-stopped" => RestartKind::UnlessStopped,
        "on-failure" => RestartKind::OnFailure,
        _ => {
            return refuse(format!(
                "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            ));
        }
    };
    if kind == RestartKind::OnFailure && retries < 0 {
        return refuse("invalid restart policy: maximum retry count cannot be negative");
    }
    if kind != RestartKind::OnFailure && !name.is_empty() && retries != 0 {
        let also = if retries < 0 {
            " and cannot be negative"
        } else {
            ""
        };
        return refuse(format!(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'{also}"
        ));
    }
    if *host.auto_remove && kind != RestartKind::No {
        return refuse("can't create 'AutoRemove' container with restart policy");
    }
    let retries_max = match kind {
        RestartKind::OnFailure => u32::try_from(retries).unwrap_or(u32::MAX),
        _ => 0,
    };
    Ok(RestartPolicy { kind, retries_max })
}
