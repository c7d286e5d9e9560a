//! What the bridge gives up of itself, tried from within: each act in a process of its own.
//!
//! Without a harness, because most acts end the process, and because what is given up first is so before
//! there is a second thread. Called with an act it carries that out; otherwise it calls itself with each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "a test fails by panicking"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use bridge::fence::{calls, powers, start};
use caps::{CapSet, Capability, CapsHashSet};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{Pid, Uid, chroot, mkfifo, setuid};

/// What becomes of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is done.
    Done,
    /// The process is ended by this.
    Ended(Signal),
    /// Neither.
    Failed(i32),
}

/// An act, with a directory of its own.
type Act = fn(&Path) -> io::Result<()>;

/// What a thread does behind its filter.
const FENCED: &[(&str, Act, Fate)] = &[
    ("keep-a-file", keep_a_file, Fate::Done),
    ("make-a-fifo", make_a_fifo, Fate::Done),
    ("ask-a-shim", ask_a_shim, Fate::Done),
    ("signal", signal, Fate::Done),
    ("make-a-thread", make_a_thread, Fate::Done),
    ("abort", abort, Fate::Ended(Signal::SIGABRT)),
    ("execute", execute, Fate::Ended(Signal::SIGSYS)),
    ("spawn", spawn, Fate::Ended(Signal::SIGSYS)),
    (
        "execute-in-a-thread",
        execute_in_a_thread,
        Fate::Ended(Signal::SIGSYS),
    ),
    ("mount", mount_something, Fate::Ended(Signal::SIGSYS)),
    (
        "leave-a-namespace",
        leave_a_namespace,
        Fate::Ended(Signal::SIGSYS),
    ),
    (
        "enter-a-namespace",
        enter_a_namespace,
        Fate::Ended(Signal::SIGSYS),
    ),
    ("change-the-root", change_the_root, Fate::Ended(Signal::SIGSYS)),
    ("become-another", become_another, Fate::Ended(Signal::SIGSYS)),
    ("make-a-device", make_a_device, Fate::Ended(Signal::SIGSYS)),
    ("connect-tcp", connect_tcp, Fate::Ended(Signal::SIGSYS)),
    ("change-powers", change_powers, Fate::Ended(Signal::SIGSYS)),
];

/// What a process does to itself, unfiltered.
const ALONE: &[(&str, Act, Fate)] = &[
    ("begin-afresh", begin_afresh, Fate::Done),
    ("begin-afresh-too-late", begin_afresh_too_late, Fate::Done),
    ("keep-own-powers", keep_own_powers, Fate::Done),
    ("keep-all-where-none-can-be-gained", keep_all, Fate::Done),
    ("bound-children", bound_children, Fate::Done),
];

fn keep_a_file(room: &Path) -> io::Result<()> {
    fs::create_dir(room.join("new"))?;
    fs::write(room.join("new/half"), "text")?;
    File::open(room.join("new/half"))?.sync_all()?;
    fs::rename(room.join("new/half"), room.join("new/whole"))?;
    fs::read_dir(room.join("new"))?.for_each(drop);
    fs::remove_dir_all(room.join("new"))
}

fn make_a_fifo(room: &Path) -> io::Result<()> {
    mkfifo(&room.join("fifo"), Mode::S_IRWXU)?;
    Ok(())
}

fn ask_a_shim(room: &Path) -> io::Result<()> {
    UnixStream::connect(room.join("control"))?.write_all(b"ask")
}

fn signal(_: &Path) -> io::Result<()> {
    kill(Pid::this(), None)?;
    Ok(())
}

fn make_a_thread(room: &Path) -> io::Result<()> {
    let room = room.to_owned();
    std::thread::spawn(move || keep_a_file(&room)).join().unwrap()
}

fn abort(_: &Path) -> io::Result<()> {
    std::process::abort()
}

fn execute(_: &Path) -> io::Result<()> {
    Err(Command::new("/bin/true").exec())
}

fn execute_in_a_thread(room: &Path) -> io::Result<()> {
    let room = room.to_owned();
    std::thread::spawn(move || execute(&room)).join().unwrap()
}

fn spawn(_: &Path) -> io::Result<()> {
    Command::new("/bin/true").spawn().map(drop)
}

fn mount_something(room: &Path) -> io::Result<()> {
    mount(Some("none"), room, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    Ok(())
}

fn leave_a_namespace(_: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    Ok(())
}

fn enter_a_namespace(_: &Path) -> io::Result<()> {
    setns(File::open("/proc/self/ns/uts")?, CloneFlags::CLONE_NEWUTS)?;
    Ok(())
}

fn change_the_root(room: &Path) -> io::Result<()> {
    chroot(room)?;
    Ok(())
}

fn become_another(_: &Path) -> io::Result<()> {
    setuid(Uid::from_raw(1))?;
    Ok(())
}

fn make_a_device(room: &Path) -> io::Result<()> {
    mknod(&room.join("null"), SFlag::S_IFCHR, Mode::S_IRWXU, 0x103)?;
    Ok(())
}

fn connect_tcp(_: &Path) -> io::Result<()> {
    TcpStream::connect("127.0.0.1:1").map(drop)
}

fn change_powers(_: &Path) -> io::Result<()> {
    caps::clear(None, CapSet::Inheritable).map_err(io::Error::other)
}

fn holds(what: &str, it_does: bool) -> io::Result<()> {
    if it_does {
        Ok(())
    } else {
        Err(io::Error::other(what.to_owned()))
    }
}

fn begin_afresh(room: &Path) -> io::Result<()> {
    let secret = File::create(room.join("secret"))?;
    fcntl(&secret, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let place = format!("/proc/self/fd/{}", secret.as_raw_fd());
    std::mem::forget(secret);
    holds("the environment is forgotten", start::irrevocably_begin_afresh()?)?;
    holds("nothing is inherited", fs::read_link(place).is_err())?;
    let input = fs::read_link("/proc/self/fd/0")?;
    holds("standard input is empty", input == Path::new("/dev/null"))?;
    let names: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
    holds("its own variables alone are left", names == ["SOCKETD_LOG"])?;
    holds("it leaves no dump", !prctl::get_dumpable()?)
}

fn begin_afresh_too_late(_: &Path) -> io::Result<()> {
    let (end, waiting) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || waiting.recv().is_err());
    let forgotten = start::irrevocably_begin_afresh();
    drop(end);
    other.join().unwrap();
    holds(
        "another thread may read the environment",
        matches!(forgotten, Ok(false)),
    )
}

/// A set of the process that this one starts next.
fn of_a_child(set: &str) -> io::Result<String> {
    let output = Command::new("cat").arg("/proc/self/status").output()?;
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = status.lines().find_map(|line| line.strip_prefix(set));
    Ok(line.unwrap_or_default().trim().to_owned())
}

fn read_set(set: CapSet) -> io::Result<CapsHashSet> {
    caps::read(None, set).map_err(io::Error::other)
}

fn keep_own_powers(_: &Path) -> io::Result<()> {
    let before = read_set(CapSet::Permitted)?;
    powers::irrevocably_keep_own().map_err(io::Error::other)?;
    let own = [
        Capability::CAP_CHOWN,
        Capability::CAP_DAC_OVERRIDE,
        Capability::CAP_FOWNER,
        Capability::CAP_KILL,
        Capability::CAP_SYS_PTRACE,
        Capability::CAP_SYS_RESOURCE,
    ];
    // A machine may have given root fewer.
    let own: CapsHashSet = before.intersection(&own.into()).copied().collect();
    for set in [CapSet::Permitted, CapSet::Effective] {
        holds("these and no others", read_set(set)? == own)?;
    }
    holds("some were given up", own.len() < before.len())?;
    let all = of_a_child("CapBnd:")?;
    holds("who is started has all", of_a_child("CapEff:")? == all)
}

fn keep_all(_: &Path) -> io::Result<()> {
    let before = read_set(CapSet::Permitted)?;
    prctl::set_no_new_privs()?;
    powers::irrevocably_keep_own().map_err(io::Error::other)?;
    holds("all are kept", read_set(CapSet::Permitted)? == before)
}

fn bound_children(_: &Path) -> io::Result<()> {
    let given = CapsHashSet::from([Capability::CAP_SYS_TIME]);
    powers::irrevocably_bound_children(&given).map_err(io::Error::other)?;
    powers::irrevocably_keep_own().map_err(io::Error::other)?;
    let bounding = read_set(CapSet::Bounding)?;
    for (capability, expected) in [
        (Capability::CAP_SYS_TIME, true),
        (Capability::CAP_SYS_ADMIN, true),
        (Capability::CAP_SYS_MODULE, false),
        (Capability::CAP_SYS_RAWIO, false),
    ] {
        holds(
            &capability.to_string(),
            bounding.contains(&capability) == expected,
        )?;
    }
    holds(
        "who is started has those",
        of_a_child("CapEff:")? == of_a_child("CapBnd:")?,
    )
}

fn find<'a>(acts: &'a [(&str, Act, Fate)], asked: &OsStr) -> Option<&'a Act> {
    let found = acts.iter().find(|(name, ..)| OsStr::new(name) == asked);
    found.map(|(_, act, _)| act)
}

/// Carries an act out, if this is one.
fn carry_out(asked: &OsStr, room: &Path) -> Option<io::Result<()>> {
    if let Some(act) = find(ALONE, asked) {
        return Some(act(room));
    }
    let act = find(FENCED, asked)?;
    Some(calls::irrevocably_fence_in().and_then(|()| act(room)))
}

fn fate(status: ExitStatus) -> Fate {
    match (status.code(), status.signal().map(Signal::try_from)) {
        (Some(0), _) => Fate::Done,
        (None, Some(Ok(signal))) => Fate::Ended(signal),
        (code, _) => Fate::Failed(code.unwrap_or(-1)),
    }
}

fn furnish(name: &str) -> PathBuf {
    let room = std::env::temp_dir().join(format!("bridge-fence-{}-{name}", std::process::id()));
    fs::create_dir(&room).unwrap();
    room
}

fn main() -> ExitCode {
    let mut log = io::stderr();
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let [asked, room] = arguments.as_slice()
        && let Some(outcome) = carry_out(asked, Path::new(room))
    {
        if let Err(error) = &outcome {
            writeln!(log, "{error}").unwrap();
        }
        return ExitCode::from(u8::from(outcome.is_err()));
    }
    assert!(
        Uid::effective().is_root(),
        "what root gives up is given up by root"
    );
    let mut failed = false;
    for (name, _, expected) in FENCED.iter().chain(ALONE) {
        let room = furnish(name);
        let _shim = UnixListener::bind(room.join("control")).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([OsStr::new(name), room.as_os_str()])
            .env_clear()
            .envs([("SOCKETD_LOG", "info"), ("LD_BIND_NOT", ""), ("SECRET", "x")]);
        let output = command.output().unwrap();
        let got = fate(output.status);
        if got != *expected {
            failed = true;
            let said = String::from_utf8_lossy(&output.stderr);
            writeln!(log, "{name}: {got:?}, not {expected:?}; it said {said:?}").unwrap();
        }
        fs::remove_dir_all(room).unwrap();
    }
    writeln!(log, "{} acts behind the fence", FENCED.len() + ALONE.len()).unwrap();
    ExitCode::from(u8::from(failed))
}
