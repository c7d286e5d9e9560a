//! Which system calls the threads have that read what peers send (seccomp). Any other ends the bridge.
//!
//! They answer from memory, keep files below the state directory, write to control groups, signal, pass
//! descriptors on. The list lacks above all: executing, processes of any kind, tracing, namespaces and
//! mounts, other users and powers, modules, `bpf`, `io_uring`, files by handle, memory that can be executed,
//! device nodes, and every socket that is no unix socket.
//!
//! A filter is inherited by what a thread starts, so these start nothing: the `launcher` does.

use std::collections::BTreeMap;
use std::io;
use std::sync::Once;

use nix::libc::{self, c_long};
use nix::sys::prctl;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::sys::filter;

/// Calls that are let through whatever they are given.
const CALLS: &[c_long] = &[
    // What is open: peers, shims, files, pipes.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_getdents64,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_accept4,
    libc::SYS_accept,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    // What lies below the state directory, in control groups and in `/proc`.
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_faccessat,
    libc::SYS_readlinkat,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // Processes that are there: signals for them, and their end.
    libc::SYS_kill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // Memory, but see `with_conditions`.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_getrandom,
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
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_epoll_wait,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_CALLS: &[c_long] = &[];

/// What may be asked of a descriptor: a copy, its flags, a lock, the size of a pipe.
const OF_DESCRIPTORS: &[libc::c_int] = &[
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_SETLK,
    libc::F_OFD_SETLK,
    libc::F_GETPIPE_SZ,
    libc::F_SETPIPE_SZ,
];

/// What may be asked of a device. (The numbers are those of every processor there is a filter for; their
/// type differs between C libraries.) Not among them: typing into a terminal, or taking it over.
const OF_DEVICES: &[u64] = &[
    0x5401,      // TCGETS: its settings
    0x5402,      // TCSETS
    0x5403,      // TCSETSW
    0x5413,      // TIOCGWINSZ: its size
    0x5414,      // TIOCSWINSZ
    0x541b,      // FIONREAD
    0x5421,      // FIONBIO: not to wait for it
    0x5451,      // FIOCLEX: not to leave it to others
    0x4004_5431, // TIOCSPTLCK: letting its other side be opened
    0x8004_5430, // TIOCGPTN: the number of that
    0x4004_9409, // FICLONE: a copy of a file that takes no room
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

/// Names memory, which some C libraries do for whoever looks at it from outside.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Lets only these calls through, for good, in this thread and those that it makes. A system without
/// filters has the other fences, and is named in the log, once.
///
/// # Errors
/// What the compiler of filters or the kernel said: nothing may be read from a peer then.
pub fn irrevocably_fence_in() -> io::Result<()> {
    static TOLD: Once = Once::new();
    let Ok(machine) = TargetArch::try_from(std::env::consts::ARCH) else {
        TOLD.call_once(lacking);
        return Ok(());
    };
    let made = |error: BackendError| io::Error::other(error.to_string());
    // What it asks for is behind a pointer, where no filter can look: threads are made without it.
    let without = refusing(libc::SYS_clone3, libc::ENOSYS, machine).map_err(made)?;
    let allowed = allowing(machine).map_err(made)?;
    // From within nobody can ask any more.
    if !filter::is_known() {
        TOLD.call_once(lacking);
        return Ok(());
    }
    prctl::set_no_new_privs()?;
    for program in [without, allowed] {
        filter::irrevocably_filter(&program)?;
    }
    Ok(())
}

fn lacking() {
    tracing::warn!("the system has no system call filters: who reads what peers send does without");
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

fn allowing(machine: TargetArch) -> Result<BpfProgram, BackendError> {
    let plain = CALLS.iter().chain(OLDER_CALLS).map(|&call| (call, Vec::new()));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = plain.collect();
    rules.extend(with_conditions()?);
    // Older kernels would end the one thread, with whatever lock it holds; a signal nobody handles ends
    // the process on each.
    let end = if filter::can_end_processes() {
        SeccompAction::KillProcess
    } else {
        SeccompAction::Trap
    };
    SeccompFilter::new(rules, end, SeccompAction::Allow, machine)?.try_into()
}

/// Calls that are let through for some arguments alone.
fn with_conditions() -> Result<Vec<(i64, Vec<SeccompRule>)>, BackendError> {
    let unix = || one(vec![is(0, word(libc::AF_UNIX))]);
    let not_executed = || one(vec![masked(2, libc::PROT_EXEC, 0)]);
    let thread = vec![
        masked(0, THREAD_FLAGS, THREAD_FLAGS),
        masked(0, NAMESPACE_FLAGS, 0),
    ];
    let abort = vec![is(0, u64::from(std::process::id())), is(2, word(libc::SIGABRT))];
    let names = [
        PR_SET_VMA,
        word(libc::PR_SET_NAME),
        word(libc::PR_CAPBSET_READ),
        word(libc::PR_GET_SECCOMP),
    ];
    let fifo = |argument| {
        let mode = |number: libc::mode_t| u64::from(number);
        let compared = SeccompCmpOp::MaskedEq(mode(libc::S_IFMT));
        let condition =
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compared, mode(libc::S_IFIFO));
        one(vec![condition])
    };
    Ok(vec![
        (libc::SYS_socket, unix()?),
        (libc::SYS_socketpair, unix()?),
        (libc::SYS_mmap, not_executed()?),
        (libc::SYS_mprotect, not_executed()?),
        (libc::SYS_clone, one(thread)?),
        (libc::SYS_tgkill, one(abort)?),
        (libc::SYS_prctl, each(&names, |name| is(0, *name))?),
        // To read a limit, not to set one.
        (libc::SYS_prlimit64, one(vec![is_null(2)])?),
        (libc::SYS_mknodat, fifo(2)?),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_mknod, fifo(1)?),
        (
            libc::SYS_fcntl,
            each(OF_DESCRIPTORS, |asked| is(1, word(*asked)))?,
        ),
        (libc::SYS_ioctl, each(OF_DEVICES, |asked| is(1, *asked))?),
    ])
}

type Condition = Result<SeccompCondition, BackendError>;

/// One rule: all conditions hold.
fn one(conditions: Vec<Condition>) -> Result<Vec<SeccompRule>, BackendError> {
    let conditions: Result<Vec<_>, _> = conditions.into_iter().collect();
    Ok(vec![SeccompRule::new(conditions?)?])
}

/// A rule for each of these.
fn each<T>(choices: &[T], condition: impl Fn(&T) -> Condition) -> Result<Vec<SeccompRule>, BackendError> {
    let rules: Result<Vec<_>, _> = choices
        .iter()
        .map(|choice| one(vec![condition(choice)]))
        .collect();
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
