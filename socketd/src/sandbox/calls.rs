//! Which system calls there are (seccomp). Any other ends the process.
//!
//! The list is what the program was seen to ask for under all of its tests, and what other C libraries
//! ask for to the same end. Above all it lacks: executing, other processes, tracing, mounting, modules,
//! `bpf`, `io_uring`, memory that can be executed, files to be made or written by name, and every socket
//! that is no unix socket. Connections over TCP are accepted, never made.

use std::collections::BTreeMap;
use std::io;

use nix::libc::{self, c_long};
use nix::sys::prctl;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::SandboxError;

/// Calls that are let through whatever they are given.
const CALLS: &[c_long] = &[
    // Connections, pipes, terminals and logs that are open.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    // Of this process's own descriptors, to count them.
    libc::SYS_getdents64,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_pipe2,
    // Waiting.
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // Files: which of them is for others to say.
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_unlinkat,
    // Memory, but see `with_conditions`.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_getrandom,
    // The end of the dialer.
    libc::SYS_wait4,
    libc::SYS_waitid,
    // What threads and the end take.
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The same acts by the older names that this processor still has.
#[cfg(target_arch = "x86_64")]
const OLDER_CALLS: &[c_long] = &[
    libc::SYS_accept,
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_readlink,
    libc::SYS_unlink,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_CALLS: &[c_long] = &[libc::SYS_accept];

/// What may be asked of a descriptor: a copy, and its flags.
const OF_DESCRIPTORS: &[libc::c_int] = &[
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
];

/// What may be asked of a device. (The numbers are those of every processor there is a filter for; their
/// type differs between C libraries.) Not among them: typing into a terminal, or taking it over.
const OF_DEVICES: &[u64] = &[
    0x5401, // TCGETS: whether it is a terminal
    0x5413, // TIOCGWINSZ: its size
    0x5414, // TIOCSWINSZ
    0x541b, // FIONREAD
    0x5421, // FIONBIO: not to wait for it
    0x5451, // FIOCLEX: not to leave it to others
];

/// Which threads may be made: those that share everything with this one, in no namespace of their own.
const THREAD_FLAGS: libc::c_int = libc::CLONE_THREAD | libc::CLONE_VM;
/// Beside them, what would be more than a thread.
const NAMESPACE_FLAGS: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_PTRACE;

/// Options of sockets that are set.
const OPTIONS: &[(libc::c_int, libc::c_int)] = &[
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::SOL_SOCKET, libc::SO_LINGER),
    (libc::SOL_SOCKET, libc::SO_RCVTIMEO),
    (libc::SOL_SOCKET, libc::SO_SNDTIMEO),
    (libc::SOL_SOCKET, libc::SO_RCVBUF),
    (libc::SOL_SOCKET, libc::SO_SNDBUF),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
];

/// Names memory, which some C libraries do for whoever looks at it from outside.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Lets only these calls through, for good. Answers whether the system has filters: kernels before 3.17,
/// kernels built without, and processors that the filter's compiler does not know have none.
///
/// # Errors
/// [`SandboxError::Program`], [`SandboxError::Filter`].
pub(super) fn irrevocably_filter() -> Result<bool, SandboxError> {
    let Ok(machine) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(false);
    };
    // What it asks for is behind a pointer, where no filter can look: it has to do without.
    let unknown = refusing(libc::SYS_clone3, libc::ENOSYS, machine).map_err(SandboxError::Program)?;
    let allowed = allowing(machine).map_err(SandboxError::Program)?;
    for program in [unknown, allowed] {
        if !install(&program).map_err(SandboxError::Filter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether filters can be put up, answered as [`irrevocably_filter`] does: puts one up around this thread that
/// lets everything through. For a thread that ends with it.
///
/// # Errors
/// The kernel has filters, and does not take one.
pub(crate) fn try_filter() -> io::Result<bool> {
    /// Answers that the call may be made.
    const RETURN_ALLOW: sock_filter = sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: 0x7fff_0000,
    };
    if TargetArch::try_from(std::env::consts::ARCH).is_err() {
        return Ok(false);
    }
    prctl::set_no_new_privs()?;
    install(&vec![RETURN_ALLOW])
}

/// Puts a filter up for this thread and those it makes, where the kernel has filters.
pub(crate) fn install(program: &BpfProgram) -> io::Result<bool> {
    use seccompiler::Error;
    match seccompiler::apply_filter(program) {
        Ok(()) => Ok(true),
        Err(Error::Seccomp(error)) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => {
            Ok(false)
        }
        Err(Error::Seccomp(error) | Error::Prctl(error)) => Err(error),
        Err(other) => Err(io::Error::other(other.to_string())),
    }
}

/// Answers one call with an error and lets all others through.
fn refusing(call: c_long, errno: libc::c_int, machine: TargetArch) -> Result<BpfProgram, BackendError> {
    let refused = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(
        BTreeMap::from([(call, Vec::new())]),
        SeccompAction::Allow,
        refused,
        machine,
    )?
    .try_into()
}

/// Ends the process at any call but ours. (Kernels before 4.14 end the thread; while no log is read
/// there is one.)
fn allowing(machine: TargetArch) -> Result<BpfProgram, BackendError> {
    let plain = CALLS.iter().chain(OLDER_CALLS).map(|&call| (call, Vec::new()));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = plain.collect();
    rules.extend(with_conditions()?);
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, machine)?.try_into()
}

/// Calls that are let through for some arguments alone.
fn with_conditions() -> Result<Vec<(i64, Vec<SeccompRule>)>, BackendError> {
    let unix = || each(&[libc::AF_UNIX], |family| vec![is(0, word(*family))]);
    let not_executed = || one(vec![has_none(2, libc::PROT_EXEC)]);
    let thread = vec![
        masked(0, THREAD_FLAGS, THREAD_FLAGS),
        has_none(0, NAMESPACE_FLAGS),
    ];
    let ourselves = u64::from(std::process::id());
    let abort = vec![is(0, ourselves), is(2, word(libc::SIGABRT))];
    let names = [PR_SET_VMA, word(libc::PR_SET_NAME)];
    Ok(vec![
        (libc::SYS_socket, unix()?),
        (libc::SYS_socketpair, unix()?),
        (libc::SYS_mmap, not_executed()?),
        (libc::SYS_mprotect, not_executed()?),
        (libc::SYS_clone, one(thread)?),
        (libc::SYS_tgkill, one(abort)?),
        (libc::SYS_prctl, each(&names, |name| vec![is(0, *name)])?),
        // To read a limit, not to set one.
        (libc::SYS_prlimit64, one(vec![is_null(2)])?),
        (
            libc::SYS_fcntl,
            each(OF_DESCRIPTORS, |asked| vec![is(1, word(*asked))])?,
        ),
        (libc::SYS_ioctl, each(OF_DEVICES, |asked| vec![is(1, *asked)])?),
        (
            libc::SYS_setsockopt,
            each(OPTIONS, |(level, name)| {
                vec![is(1, word(*level)), is(2, word(*name))]
            })?,
        ),
    ])
}

type Condition = Result<SeccompCondition, BackendError>;

/// One rule: all conditions hold.
fn one(conditions: Vec<Condition>) -> Result<Vec<SeccompRule>, BackendError> {
    let conditions: Result<Vec<_>, _> = conditions.into_iter().collect();
    Ok(vec![SeccompRule::new(conditions?)?])
}

/// A rule for each of these.
fn each<T>(
    choices: &[T],
    conditions: impl Fn(&T) -> Vec<Condition>,
) -> Result<Vec<SeccompRule>, BackendError> {
    let rules: Result<Vec<_>, _> = choices.iter().map(|choice| one(conditions(choice))).collect();
    Ok(rules?.into_iter().flatten().collect())
}

fn word(number: libc::c_int) -> u64 {
    u64::from(number.cast_unsigned())
}

fn is(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_null(argument: u8) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
}

fn masked(argument: u8, mask: libc::c_int, value: libc::c_int) -> Condition {
    let compared = SeccompCmpOp::MaskedEq(word(mask));
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compared, word(value))
}

fn has_none(argument: u8, mask: libc::c_int) -> Condition {
    masked(argument, mask, 0)
}
