//! What a container may use.

use nix::sys::resource::Resource;
use wire::spec::{Resources, Ulimit};

use crate::shim::failure::Failure;

/// Length of a scheduling period where nothing else is asked, in microseconds.
const CPU_PERIOD_US_DEFAULT: u64 = 100_000;

/// Least memory a container can be limited to, in bytes: less than what starting one takes.
const MEMORY_BYTES_MIN: u64 = 6 * 1024 * 1024;

/// Memory and swap together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapLimit {
    /// Nothing is written.
    Unset,
    /// No limit.
    None,
    /// Bytes of memory and swap together.
    Bytes(u64),
}

/// Limits by control group; none and empty mean that nothing is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLimits {
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Memory and swap together.
    pub swap: SwapLimit,
    /// Soft memory limit, in bytes.
    pub memory_reservation_bytes: Option<u64>,
    /// Relative weight, 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// Microseconds of processor time in each period of so many microseconds.
    pub cpu_quota_us: Option<(u64, u64)>,
    /// Processors.
    pub cpuset_cpus: String,
    /// Memory nodes.
    pub cpuset_mems: String,
    /// Processes and threads.
    pub pids_max: Option<u64>,
}

impl GroupLimits {
    /// Reads the limits asked for.
    ///
    /// # Errors
    /// Limits that contradict each other.
    pub fn new(asked: &Resources) -> Result<Self, Failure> {
        let some = |value: u64| (value != 0).then_some(value);
        Ok(Self {
            memory_bytes: memory(asked.memory_bytes)?,
            swap: swap(asked.memory_bytes, asked.memory_swap_bytes)?,
            memory_reservation_bytes: some(asked.memory_reservation_bytes),
            cpu_shares: some(asked.cpu_shares).map(|shares| shares.clamp(2, 262_144)),
            cpu_quota_us: cpu_quota(asked)?,
            cpuset_cpus: cpuset(&asked.cpuset_cpus)?,
            cpuset_mems: cpuset(&asked.cpuset_mems)?,
            pids_max: u64::try_from(asked.pids_max).ok().filter(|&max| max > 0),
        })
    }
}

fn memory(bytes: u64) -> Result<Option<u64>, Failure> {
    match bytes {
        0 => Ok(None),
        1..MEMORY_BYTES_MIN => Err(Failure::invalid("Minimum memory limit allowed is 6MB")),
        bytes => Ok(Some(bytes)),
    }
}

fn swap(memory: u64, together: i64) -> Result<SwapLimit, Failure> {
    match (memory, together) {
        (0, ..=0) => Ok(SwapLimit::Unset),
        (_, ..0) => Ok(SwapLimit::None),
        (memory, 0) => Ok(SwapLimit::Bytes(memory.saturating_mul(2))),
        (memory, together) => match u64::try_from(together) {
            Ok(_) if memory == 0 => Err(Failure::invalid(
                "You should always set the Memory limit when using Memoryswap limit",
            )),
            Ok(together) if together >= memory => Ok(SwapLimit::Bytes(together)),
            _ => Err(Failure::invalid(
                "Minimum memoryswap limit should be larger than memory limit",
            )),
        },
    }
}

fn cpu_quota(asked: &Resources) -> Result<Option<(u64, u64)>, Failure> {
    let period = match asked.cpu_period_us {
        0 => CPU_PERIOD_US_DEFAULT,
        1_000..=1_000_000 => asked.cpu_period_us,
        _ => {
            return Err(Failure::invalid(
                "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
            ));
        }
    };
    let quota = u64::try_from(asked.cpu_quota_us).ok().filter(|&quota| quota > 0);
    match (asked.nano_cpus, quota) {
        (0, None) => Ok(None),
        (0, Some(quota)) if quota < 1000 => Err(Failure::invalid(
            "CPU cfs quota can not be less than 1ms (i.e. 1000)",
        )),
        (0, Some(quota)) => Ok(Some((quota, period))),
        (_, Some(_)) => Err(Failure::invalid(
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        )),
        (nano_cpus, None) => {
            let quota = u128::from(nano_cpus) * u128::from(period) / 1_000_000_000;
            Ok(Some((u64::try_from(quota).unwrap_or(u64::MAX).max(1000), period)))
        }
    }
}

fn cpuset(text: &str) -> Result<String, Failure> {
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'-'))
    {
        Ok(text.to_owned())
    } else {
        Err(Failure::invalid(format_args!(
            "invalid value {text:?} for a set of processors or memory nodes"
        )))
    }
}

/// The adjustment, checked.
///
/// # Errors
/// Outside -1000 to 1000.
pub fn oom_score(adjustment: i32) -> Result<i32, Failure> {
    if (-1000..=1000).contains(&adjustment) {
        Ok(adjustment)
    } else {
        Err(Failure::invalid(format_args!(
            "Invalid value {adjustment}, range for oom score adj is [-1000, 1000]"
        )))
    }
}

/// Limits of the process: which, soft, hard.
///
/// # Errors
/// A name that is none, or a soft limit above the hard one.
pub fn rlimits(asked: &[Ulimit]) -> Result<Vec<(Resource, u64, u64)>, Failure> {
    asked
        .iter()
        .map(|Ulimit { name, soft, hard }| {
            let resource = resource(name)
                .ok_or_else(|| Failure::invalid(format_args!("invalid ulimit type: {name}")))?;
            // -1, and nothing else below zero, means no limit, which the kernel writes as the greatest number.
            let value = |limit: i64| {
                if limit == -1 {
                    Some(u64::MAX)
                } else {
                    u64::try_from(limit).ok()
                }
            };
            match (value(*soft), value(*hard)) {
                (Some(soft), Some(hard)) if soft <= hard => Ok((resource, soft, hard)),
                _ => Err(Failure::invalid(format_args!(
                    "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
                ))),
            }
        })
        .collect()
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "as" => Resource::RLIMIT_AS,
        "core" => Resource::RLIMIT_CORE,
        "cpu" => Resource::RLIMIT_CPU,
        "data" => Resource::RLIMIT_DATA,
        "fsize" => Resource::RLIMIT_FSIZE,
        "locks" => Resource::RLIMIT_LOCKS,
        "memlock" => Resource::RLIMIT_MEMLOCK,
        "msgqueue" => Resource::RLIMIT_MSGQUEUE,
        "nice" => Resource::RLIMIT_NICE,
        "nofile" => Resource::RLIMIT_NOFILE,
        "nproc" => Resource::RLIMIT_NPROC,
        "rss" => Resource::RLIMIT_RSS,
        "rtprio" => Resource::RLIMIT_RTPRIO,
        "rttime" => Resource::RLIMIT_RTTIME,
        "sigpending" => Resource::RLIMIT_SIGPENDING,
        "stack" => Resource::RLIMIT_STACK,
        _ => return None,
    })
}
