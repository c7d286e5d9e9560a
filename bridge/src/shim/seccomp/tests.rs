#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use super::*;
use crate::shim::plan::capabilities::DEFAULT;

/// Runs a program as the kernel would, for one call.
fn answer(program: &BpfProgram, arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend_from_slice(&number.to_le_bytes());
    data.extend_from_slice(&arch.to_le_bytes());
    data.extend_from_slice(&[0; 8]);
    arguments
        .iter()
        .for_each(|argument| data.extend_from_slice(&argument.to_le_bytes()));
    let (mut at, mut word) = (0, 0u32);
    loop {
        let instruction = &program[at];
        at += 1;
        let k = instruction.k;
        let jump = |taken| usize::from(if taken { instruction.jt } else { instruction.jf });
        match instruction.code {
            0x20 => {
                let offset = usize::try_from(k).unwrap();
                word = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
            }
            0x05 => at += usize::try_from(k).unwrap(),
            0x15 => at += jump(word == k),
            0x25 => at += jump(word > k),
            0x35 => at += jump(word >= k),
            0x54 => word &= k,
            0x06 => return k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | 1;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | 38;

/// The kernel's choice: the lower action, and of equal ones the filter installed last.
fn verdict(capabilities: &CapsHashSet, number: i64, first: u64) -> u32 {
    let [allowed, unknown] = programs(capabilities).unwrap();
    let number = u32::try_from(number).unwrap();
    let arguments = [first, 0, 0, 0, 0, 0];
    match answer(&unknown, ARCH.1, number, arguments) {
        ALLOW => answer(&allowed, ARCH.1, number, arguments),
        denied => denied,
    }
}

#[test]
fn calls_of_the_default_set() {
    let set = CapsHashSet::from(DEFAULT);
    let check = |number, first, expected| {
        assert_eq!(
            verdict(&set, number, first),
            expected,
            "call {number}({first:#x})"
        )
    };
    for allowed in [
        libc::SYS_read,
        libc::SYS_execve,
        libc::SYS_openat2,
        libc::SYS_chroot,
        libc::SYS_mseal,
        libc::SYS_mknodat,
    ] {
        check(allowed, 0, ALLOW);
    }
    for denied in [
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_init_module,
        libc::SYS_kexec_load,
        libc::SYS_swapon,
        libc::SYS_pivot_root,
        libc::SYS_io_uring_setup,
        libc::SYS_userfaultfd,
        libc::SYS_perf_event_open,
        libc::SYS_open_by_handle_at,
        libc::SYS_fsopen,
        libc::SYS_move_mount,
        libc::SYS_settimeofday,
        libc::SYS_reboot,
        libc::SYS_kcmp,
        libc::SYS_mbind,
    ] {
        check(denied, 0, EPERM);
    }
    check(libc::SYS_clone3, 0, ENOSYS);
    check(463, 0, ENOSYS);
    check(9999, 0, ENOSYS);
    check(i64::from(X32) | libc::SYS_read, 0, EPERM);
    check(libc::SYS_clone, 0x0120_0011, ALLOW);
    for flag in [
        0x0002_0000,
        0x0200_0000,
        0x0400_0000,
        0x0800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        check(libc::SYS_clone, flag | 17, EPERM);
    }
    check(libc::SYS_socket, 2, ALLOW);
    check(libc::SYS_socket, 40, EPERM);
    for allowed in PERSONALITIES {
        check(libc::SYS_personality, *allowed, ALLOW);
    }
    check(libc::SYS_personality, 0x40000, EPERM);
}

#[test]
fn capabilities_add_calls() {
    let with = |capability| CapsHashSet::from([capability]);
    let check = |capability, number, first, expected| {
        assert_eq!(
            verdict(&with(capability), number, first),
            expected,
            "{capability} {number}"
        );
    };
    check(Capability::CAP_SYS_ADMIN, libc::SYS_mount, 0, ALLOW);
    check(Capability::CAP_SYS_ADMIN, libc::SYS_clone, 0x1000_0011, ALLOW);
    check(Capability::CAP_SYS_ADMIN, libc::SYS_clone3, 0, ALLOW);
    check(Capability::CAP_SYS_TIME, libc::SYS_clock_settime, 0, ALLOW);
    check(Capability::CAP_SYS_TIME, libc::SYS_chroot, 0, EPERM);
    check(Capability::CAP_SYS_PTRACE, libc::SYS_kcmp, 0, ALLOW);
    check(Capability::CAP_SYS_MODULE, libc::SYS_finit_module, 0, ALLOW);
}

#[test]
fn another_processors_calls_are_fatal() {
    let [allowed, unknown] = programs(&CapsHashSet::from(DEFAULT)).unwrap();
    assert_eq!(
        answer(&allowed, 0x4000_0003, 1, [0; 6]),
        libc::SECCOMP_RET_KILL_PROCESS
    );
    assert_eq!(answer(&unknown, 0x4000_0003, 1, [0; 6]), ALLOW);
}

#[test]
fn every_set_compiles_and_fits() {
    for set in [CapsHashSet::new(), caps::all(), CapsHashSet::from(DEFAULT)] {
        for program in programs(&set).unwrap() {
            assert!(program.len() < 4096);
        }
    }
}
