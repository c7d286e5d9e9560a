//! Kernels that do not know younger calls: a filter answers as they would, for a process and all it starts.
//!
//! Numbers are those of x86_64. Files below `/proc` and `/sys`, file systems and control groups stay those of
//! this kernel.

use std::io;

use bridge::sys::filter::irrevocably_filter;
use nix::libc;
use seccompiler::sock_filter;

use super::World;

/// Loads four bytes of what a filter is told: the call's number lies at 0.
const LOAD: u16 = 0x20;
/// Jumps where the number is greater.
const GREATER: u16 = 0x25;
/// Jumps where it is the same.
const SAME: u16 = 0x15;
/// Jumps where one of these bits is set.
const ANY_OF: u16 = 0x45;
/// Ends with this.
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0000;

/// What a call that the kernel has did not know yet, by the lower half of one of its arguments.
struct Unknown {
    call: libc::c_long,
    /// Where the first argument lies.
    test: u16,
    bits: u32,
}

/// Of Linux 3.10: namespaces of control groups came with 4.6, ambient capabilities with 4.3.
const YOUNGER_THAN_3_10: &[Unknown] = &[
    Unknown {
        call: libc::SYS_clone,
        test: ANY_OF,
        bits: 0x0200_0000,
    },
    Unknown {
        call: libc::SYS_unshare,
        test: ANY_OF,
        bits: 0x0200_0000,
    },
    Unknown {
        call: libc::SYS_prctl,
        test: SAME,
        bits: 47,
    },
];

/// The last call that a kernel knows, and what it does not know of those before.
fn knowledge(world: World) -> Option<(u32, &'static [Unknown])> {
    match world {
        // finit_module
        World::Linux3_10 => Some((313, YOUNGER_THAN_3_10)),
        // statx
        World::Linux4_14 | World::Android => Some((332, &[])),
        // clone3
        World::Linux5_4 => Some((435, &[])),
        World::CgroupV1 => None,
    }
}

/// Puts the filter on this process.
pub(super) fn enter(world: World) -> io::Result<()> {
    let Some((last, unknown)) = knowledge(world) else {
        return Ok(());
    };
    irrevocably_filter(&filter(last, unknown))
}

fn filter(last: u32, unknown: &[Unknown]) -> Vec<sock_filter> {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let refuse = |errno: i32| instruction(RETURN, 0, 0, REFUSE | errno.cast_unsigned());
    let mut program = vec![
        instruction(LOAD, 0, 0, 0),
        instruction(GREATER, 0, 1, last),
        refuse(libc::ENOSYS),
    ];
    for Unknown { call, test, bits } in unknown {
        let number = u32::try_from(*call).unwrap_or(u32::MAX);
        program.extend([
            instruction(LOAD, 0, 0, 0),
            instruction(SAME, 0, 3, number),
            instruction(LOAD, 0, 0, 16),
            instruction(*test, 0, 1, *bits),
            refuse(libc::EINVAL),
        ]);
    }
    program.push(instruction(RETURN, 0, 0, ALLOW));
    program
}
