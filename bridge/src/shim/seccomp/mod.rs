//! Which system calls a container may make: what dockerd's default profile allows, by name.
//!
//! Two programs, because they answer differently. The first is a list of what is allowed; all else
//! is `EPERM`. The second answers `ENOSYS` for `clone3`, whose flags no filter can read, and for
//! calls younger than the list: a C library that hears "no such call" falls back to an older one
//! that is checked, and one that hears "not permitted" gives up. Of two answers the kernel takes the
//! one of the filter installed last.

use std::collections::BTreeMap;

use caps::{Capability, CapsHashSet};
use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::failure::{Failure, Stage};

mod calls;

#[cfg(target_arch = "x86_64")]
const ARCH: (TargetArch, u32) = (TargetArch::x86_64, 0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCH: (TargetArch, u32) = (TargetArch::aarch64, 0xc000_00b7);

/// Flags of `clone` and `unshare` that make namespaces: mount, cgroup, UTS, IPC, user, process, network.
const NAMESPACE_FLAGS: u64 = 0x7e02_0000;

/// The first call younger than the list in [`calls`].
const YOUNGER_THAN_LIST: u32 = 463;

/// Bit of x32's calls, which are denied like any unknown number, not called young.
const X32: u32 = 0x4000_0000;

/// Personalities that change only what `uname` says or how memory is laid out for old programs.
const PERSONALITIES: &[u64] = &[0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The programs, in the order to be installed.
///
/// # Errors
/// When the list cannot be compiled, which a test rules out for every set of capabilities it tries.
pub fn programs(capabilities: &CapsHashSet) -> Result<[BpfProgram; 2], Failure> {
    let allowed = allowed(capabilities).map_err(|error: BackendError| {
        Failure::system(
            Stage::Filter,
            "compile",
            &std::io::Error::other(error.to_string()),
        )
    })?;
    Ok([allowed, unknown_calls(capabilities)])
}

fn allowed(capabilities: &CapsHashSet) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let tracing = if tracing_is_filtered() {
        calls::TRACING
    } else {
        &[]
    };
    for list in [calls::ALWAYS, calls::ALWAYS_UNNAMED, calls::ALWAYS_HERE, tracing] {
        rules.extend(list.iter().map(|&call| (call, Vec::new())));
    }
    for &(needs, list) in calls::WITH_CAPABILITY {
        if capabilities.contains(&needs) {
            rules.extend(list.iter().map(|&call| (call, Vec::new())));
        }
    }
    for &value in PERSONALITIES {
        let same = condition(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
        rules
            .entry(libc::SYS_personality)
            .or_default()
            .push(SeccompRule::new(vec![same])?);
    }
    // Sockets to the hypervisor are not of any namespace.
    let vsock = u64::from(libc::AF_VSOCK.unsigned_abs());
    let other = condition(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, vsock)?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(vec![other])?]);
    if !capabilities.contains(&Capability::CAP_SYS_ADMIN) {
        let no_namespace = condition(
            0,
            SeccompCmpArgLen::Qword,
            SeccompCmpOp::MaskedEq(NAMESPACE_FLAGS),
            0,
        )?;
        rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![no_namespace])?]);
    }
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        ARCH.0,
    )?
    .try_into()
}

/// Whether a traced process's calls pass its filter after its tracer has changed them: since 4.8.
fn tracing_is_filtered() -> bool {
    let Ok(name) = nix::sys::utsname::uname() else {
        return false;
    };
    let release = name.release().to_string_lossy();
    let mut numbers = release
        .split(|digit: char| !digit.is_ascii_digit())
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (4, 8),
        _ => false,
    }
}

fn condition(
    argument: u8,
    length: SeccompCmpArgLen,
    operation: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, length, operation, value)
}

/// Six instructions by hand: the compiler knows single numbers only, no ranges.
fn unknown_calls(capabilities: &CapsHashSet) -> BpfProgram {
    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const NUMBER: u32 = 0; // offset of the number in struct seccomp_data
    const ARCHITECTURE: u32 = 4; // offset of the architecture in it
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    // With the power to make any namespace, clone3 may be as well.
    let clone3 = if capabilities.contains(&Capability::CAP_SYS_ADMIN) {
        u32::MAX
    } else {
        u32::try_from(libc::SYS_clone3).unwrap_or(u32::MAX)
    };
    vec![
        instruction(LOAD, 0, 0, ARCHITECTURE),
        instruction(EQUAL, 0, 4, ARCH.1),
        instruction(LOAD, 0, 0, NUMBER),
        instruction(EQUAL, 3, 0, clone3),
        instruction(AT_LEAST, 1, 0, X32),
        instruction(AT_LEAST, 1, 0, YOUNGER_THAN_LIST),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        instruction(
            RETURN,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs(),
        ),
    ]
}

#[cfg(test)]
mod tests;
