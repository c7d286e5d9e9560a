//! What the dialer gives up before it is asked anything: all but the number of its user.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::chdir;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::limits::{DIALER_DESCRIPTORS_MAX, DIALER_MEMORY_BYTES_MAX};
use crate::sandbox::{self, SandboxError, calls};

/// Why the dialer cannot be confined.
#[derive(Debug)]
pub enum ConfineError {
    /// Descriptors that it inherited cannot be listed or closed.
    Descriptors(io::Error),
    /// A system call failed.
    Call(&'static str, Errno),
    /// Capabilities could not be given up.
    Sandbox(SandboxError),
    /// The filter of system calls could not be made.
    Program(BackendError),
    /// The kernel knows filters, and did not take it.
    Filter(io::Error),
}

impl fmt::Display for ConfineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptors(error) => write!(f, "inherited descriptors: {error}"),
            Self::Call(name, errno) => write!(f, "{name} failed: {errno}"),
            Self::Sandbox(error) => error.fmt(f),
            Self::Program(error) => write!(f, "the filter of system calls: {error}"),
            Self::Filter(error) => write!(f, "the filter of system calls was not taken: {error}"),
        }
    }
}

impl std::error::Error for ConfineError {}

/// Calls that are let through whatever they are given: connecting, closing, ending. No memory is asked
/// for any more.
const CALLS: &[libc::c_long] = &[
    libc::SYS_connect,
    libc::SYS_close,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Calls that are let through on standard input alone, which is socketd: nothing can be read from a
/// connection to the bridge, or written to it.
const CALLS_ON_FRONT: &[libc::c_long] = &[libc::SYS_recvfrom, libc::SYS_sendmsg];

/// Gives up everything but the user, for good. Answers whether system calls are filtered: kernels before
/// 3.17, kernels built without, and processors that the filter's compiler does not know have none.
///
/// # Errors
/// The step that failed; the process must then end.
pub(super) fn irrevocably_confine() -> Result<bool, ConfineError> {
    sandbox::close_inherited(&[]).map_err(ConfineError::Descriptors)?;
    let call = |name| move |errno| ConfineError::Call(name, errno);
    prctl::set_name(c"socketd-dialer").map_err(call("PR_SET_NAME"))?;
    chdir("/").map_err(call("chdir"))?;
    // Sent to all processes of a service at once; socketd still has answers to finish then.
    let meant_for_socketd: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
        .into_iter()
        .collect();
    meant_for_socketd.thread_block().map_err(call("sigprocmask"))?;
    sandbox::irrevocably_keep_user_alone().map_err(ConfineError::Sandbox)?;
    let program = TargetArch::try_from(std::env::consts::ARCH).map(program);
    limit().map_err(call("setrlimit"))?;
    match program {
        Err(_) => Ok(false),
        Ok(program) => calls::install(&program.map_err(ConfineError::Program)?).map_err(ConfineError::Filter),
    }
}

#[allow(
    clippy::useless_conversion,
    reason = "limits are 32 bits wide on 32-bit machines"
)]
fn limit() -> Result<(), Errno> {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NOFILE, DIALER_DESCRIPTORS_MAX),
        // Holds for root in a user namespace alone; elsewhere it is the filter that forbids children.
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_AS, DIALER_MEMORY_BYTES_MAX),
    ];
    for (resource, most) in limits {
        let most = most.try_into().unwrap_or(libc::RLIM_INFINITY);
        setrlimit(resource, most, most)?;
    }
    Ok(())
}

fn program(machine: TargetArch) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|&call| (call, Vec::new())).collect();
    let first_is = |value: libc::c_int| {
        let value = u64::from(value.unsigned_abs());
        let same = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
        Ok::<_, BackendError>(vec![SeccompRule::new(vec![same])?])
    };
    for &call in CALLS_ON_FRONT {
        rules.insert(call, first_is(libc::STDIN_FILENO)?);
    }
    rules.insert(libc::SYS_socket, first_is(libc::AF_UNIX)?);
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        machine,
    )?
    .try_into()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicI32, Ordering};

    use rustix::fs::{Mode, OFlags};
    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
        socket_with, socketpair,
    };

    use super::*;

    /// An answer that no call gives.
    const UNASKED: i32 = -1;

    fn told<T>(answer: Result<T, rustix::io::Errno>) -> i32 {
        answer.err().map_or(0, rustix::io::Errno::raw_os_error)
    }

    fn make(family: AddressFamily) -> i32 {
        told(socket_with(
            family,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        ))
    }

    /// Calls a thread under the filter makes, without memory, and what each is told.
    #[test]
    fn the_filter_lets_through_what_the_dialer_does() {
        static TOLD: [AtomicI32; 6] = [const { AtomicI32::new(UNASKED) }; 6];
        let program = program(TargetArch::try_from(std::env::consts::ARCH).unwrap()).unwrap();
        let (one, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let bridge = socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let nobody = SocketAddrUnix::new_abstract_name(b"socketd-dialer-filter-nobody").unwrap();
        let thread = std::thread::spawn(move || {
            if !matches!(calls::install(&program), Ok(true)) {
                return;
            }
            let mut byte = [0];
            let answers = [
                make(AddressFamily::UNIX),
                make(AddressFamily::INET),
                told(connect(&bridge, &nobody)),
                told(recv(one.as_fd(), &mut byte, RecvFlags::DONTWAIT)),
                told(send(one.as_fd(), &byte, SendFlags::DONTWAIT)),
                told(rustix::fs::open(c"/", OFlags::RDONLY, Mode::empty())),
            ];
            for (place, answer) in TOLD.iter().zip(answers) {
                place.store(answer, Ordering::SeqCst);
            }
        });
        thread.join().unwrap();
        drop(other);
        let told = TOLD.each_ref().map(|answer| answer.load(Ordering::SeqCst));
        let refused = libc::ECONNREFUSED;
        assert_eq!(
            told,
            [0, libc::EPERM, refused, libc::EPERM, libc::EPERM, libc::EPERM]
        );
    }
}
