//! The walls, tried from within: each act in a process of its own that has walled itself in.
//!
//! Without a harness, because most acts end the process, which is what is looked for. Called with an act it
//! carries that out; otherwise it calls itself with each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and this one tells of itself"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socketd::sandbox::{Openings, irrevocably_wall_in};

/// What becomes of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is done.
    Done,
    /// It fails with this.
    Refused(Errno),
    /// The process is ended by this.
    Ended(Signal),
}

/// An act, in a directory that holds `certs/cert.pem`, `link/cert.pem` (a link to that), `own/docker.sock`,
/// `own/note` and `other`.
type Act = fn(&Path) -> io::Result<()>;

const ACTS: &[(&str, Act, Fate)] = &[
    // What serving takes.
    ("read-again", read_again, Fate::Done),
    ("read-a-link-again", read_a_link_again, Fate::Done),
    ("read-a-renewed-file", read_a_renewed_file, Fate::Done),
    ("take-the-socket-away", take_the_socket_away, Fate::Done),
    (
        "connect-in-the-file-system",
        connect_in_the_file_system,
        Fate::Done,
    ),
    ("notify", notify, Fate::Done),
    ("read-in-a-thread", read_in_a_thread, Fate::Done),
    ("read-a-limit", read_a_limit, Fate::Done),
    ("panic", panic_for_once, Fate::Ended(Signal::SIGABRT)),
    // Files.
    ("read-passwords", read_passwords, Fate::Refused(Errno::EACCES)),
    ("read-another", read_another, Fate::Refused(Errno::EACCES)),
    ("list", list, Fate::Refused(Errno::EACCES)),
    ("write-again", write_again, Fate::Refused(Errno::EACCES)),
    (
        "write-beside-the-socket",
        write_beside_the_socket,
        Fate::Refused(Errno::EACCES),
    ),
    ("remove-another", remove_another, Fate::Refused(Errno::EACCES)),
    (
        "read-another-in-a-thread",
        read_another_in_a_thread,
        Fate::Refused(Errno::EACCES),
    ),
    ("connect-abstract", connect_abstract, Fate::Refused(Errno::EPERM)),
    // Calls.
    ("execute", execute, Fate::Ended(Signal::SIGSYS)),
    ("spawn", spawn, Fate::Ended(Signal::SIGSYS)),
    ("connect-tcp", connect_tcp, Fate::Ended(Signal::SIGSYS)),
    ("listen-tcp", listen_tcp, Fate::Ended(Signal::SIGSYS)),
    ("send-udp", send_udp, Fate::Ended(Signal::SIGSYS)),
    ("listen", listen, Fate::Ended(Signal::SIGSYS)),
    ("make-a-directory", make_a_directory, Fate::Ended(Signal::SIGSYS)),
    ("change-a-mode", change_a_mode, Fate::Ended(Signal::SIGSYS)),
    ("rename", rename, Fate::Ended(Signal::SIGSYS)),
    ("signal", signal, Fate::Ended(Signal::SIGSYS)),
    ("leave-namespaces", leave_namespaces, Fate::Ended(Signal::SIGSYS)),
    ("become-dumpable", become_dumpable, Fate::Ended(Signal::SIGSYS)),
    ("raise-a-limit", raise_a_limit, Fate::Ended(Signal::SIGSYS)),
    (
        "execute-in-a-thread",
        execute_in_a_thread,
        Fate::Ended(Signal::SIGSYS),
    ),
];

fn read(path: PathBuf) -> io::Result<()> {
    File::open(path)?.read_to_end(&mut Vec::new()).map(drop)
}

fn in_a_thread(act: Act, room: &Path) -> io::Result<()> {
    let room = room.to_owned();
    std::thread::spawn(move || act(&room)).join().unwrap()
}

fn read_again(room: &Path) -> io::Result<()> {
    read(room.join("certs/cert.pem"))
}

fn read_a_link_again(room: &Path) -> io::Result<()> {
    read(room.join("link/cert.pem"))
}

fn read_a_renewed_file(room: &Path) -> io::Result<()> {
    read(room.join("certs/renewed.pem"))
}

fn take_the_socket_away(room: &Path) -> io::Result<()> {
    fs::symlink_metadata(room.join("own/docker.sock"))?;
    fs::remove_file(room.join("own/docker.sock"))
}

fn connect_in_the_file_system(room: &Path) -> io::Result<()> {
    let refused = UnixStream::connect(room.join("own/docker.sock")).map(drop);
    // Nobody listens any more: it was let through to be told so.
    match refused {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        other => other,
    }
}

fn notify(room: &Path) -> io::Result<()> {
    let refused = UnixDatagram::unbound()?.send_to(b"READY=1", room.join("own/docker.sock"));
    match refused.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default())) {
        // It belongs to streams: a supervisor's would have taken it.
        Err(Errno::ECONNREFUSED | Errno::EPROTOTYPE) => Ok(()),
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}

fn read_in_a_thread(room: &Path) -> io::Result<()> {
    in_a_thread(read_again, room)
}

fn read_a_limit(_: &Path) -> io::Result<()> {
    getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(())
}

fn panic_for_once(_: &Path) -> io::Result<()> {
    std::process::abort()
}

fn read_passwords(_: &Path) -> io::Result<()> {
    read("/etc/passwd".into())
}

fn read_another(room: &Path) -> io::Result<()> {
    read(room.join("other"))
}

fn read_another_in_a_thread(room: &Path) -> io::Result<()> {
    in_a_thread(read_another, room)
}

fn list(room: &Path) -> io::Result<()> {
    fs::read_dir(room.join("certs")).map(drop)
}

fn write_again(room: &Path) -> io::Result<()> {
    File::options()
        .write(true)
        .open(room.join("certs/cert.pem"))
        .map(drop)
}

fn write_beside_the_socket(room: &Path) -> io::Result<()> {
    File::create_new(room.join("own/new")).map(drop)
}

fn remove_another(room: &Path) -> io::Result<()> {
    fs::remove_file(room.join("other"))
}

fn connect_abstract(room: &Path) -> io::Result<()> {
    UnixStream::connect_addr(&abstract_name(room)?).map(drop)
}

/// Where somebody listens that has nothing to do with us.
fn abstract_name(room: &Path) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(room.as_os_str().as_encoded_bytes())
}

fn execute(_: &Path) -> io::Result<()> {
    Err(Command::new("/bin/true").exec())
}

fn execute_in_a_thread(room: &Path) -> io::Result<()> {
    in_a_thread(execute, room)
}

fn spawn(_: &Path) -> io::Result<()> {
    Command::new("/bin/true").spawn().map(drop)
}

fn connect_tcp(_: &Path) -> io::Result<()> {
    TcpStream::connect("127.0.0.1:1").map(drop)
}

fn listen_tcp(_: &Path) -> io::Result<()> {
    TcpListener::bind("127.0.0.1:0").map(drop)
}

fn send_udp(_: &Path) -> io::Result<()> {
    UdpSocket::bind("127.0.0.1:0").map(drop)
}

fn listen(room: &Path) -> io::Result<()> {
    UnixListener::bind(room.join("own/second.sock")).map(drop)
}

fn make_a_directory(room: &Path) -> io::Result<()> {
    fs::create_dir(room.join("own/directory"))
}

fn change_a_mode(room: &Path) -> io::Result<()> {
    let mode = fs::metadata(room.join("other"))?.permissions();
    fs::set_permissions(room.join("other"), mode)
}

fn rename(room: &Path) -> io::Result<()> {
    fs::rename(room.join("own/note"), room.join("own/docker.sock"))
}

fn signal(_: &Path) -> io::Result<()> {
    kill(Pid::parent(), None)?;
    Ok(())
}

fn leave_namespaces(_: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    Ok(())
}

fn become_dumpable(_: &Path) -> io::Result<()> {
    prctl::set_dumpable(true)?;
    Ok(())
}

fn raise_a_limit(_: &Path) -> io::Result<()> {
    setrlimit(Resource::RLIMIT_NOFILE, 16, 16)?;
    Ok(())
}

/// Walls this process in and carries an act out. It says with its exit code what it was told.
fn carry_out(act: Act, room: &Path) -> ExitCode {
    let openings = Openings {
        read_again: vec![room.join("certs/cert.pem"), room.join("link/cert.pem")],
        removed: vec![room.join("own/docker.sock")],
        abstract_sockets: false,
    };
    if irrevocably_wall_in(&openings).is_err() {
        return ExitCode::from(u8::MAX);
    }
    match act(room) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = error.raw_os_error().and_then(|errno| u8::try_from(errno).ok());
            ExitCode::from(told.unwrap_or(u8::MAX - 1))
        }
    }
}

fn fate(status: ExitStatus) -> Option<Fate> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Some(Fate::Done),
        (Some(errno), _) => Some(Fate::Refused(Errno::from_raw(errno))),
        (None, Some(signal)) => Some(Fate::Ended(Signal::try_from(signal).ok()?)),
        (None, None) => None,
    }
}

/// A room of its own for each act, gone afterwards.
fn furnish(name: &str) -> PathBuf {
    let room = std::env::temp_dir().join(format!("socketd-walls-{}-{name}", std::process::id()));
    for directory in ["certs", "real", "link", "own"] {
        fs::create_dir_all(room.join(directory)).unwrap();
    }
    for file in [
        "certs/cert.pem",
        "certs/renewed.pem",
        "real/cert.pem",
        "own/note",
        "other",
    ] {
        fs::write(room.join(file), "text").unwrap();
    }
    symlink("../real/cert.pem", room.join("link/cert.pem")).unwrap();
    drop(UnixListener::bind(room.join("own/docker.sock")).unwrap());
    room
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let [act, room] = arguments.as_slice()
        && let Some((_, act, _)) = ACTS.iter().find(|(name, ..)| OsStr::new(name) == act.as_os_str())
    {
        return carry_out(*act, Path::new(room));
    }
    let mut log = io::stderr();
    let mut failed = false;
    for (name, _, expected) in ACTS {
        let room = furnish(name);
        let _stranger = UnixListener::bind_addr(&abstract_name(&room).unwrap()).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command
            .args([OsStr::new(name), room.as_os_str()])
            .output()
            .unwrap();
        let got = fate(output.status);
        if got != Some(*expected) {
            failed = true;
            let said = String::from_utf8_lossy(&output.stderr);
            writeln!(log, "{name}: {got:?}, not {expected:?}; it said {said:?}").unwrap();
        }
        fs::remove_dir_all(room).unwrap();
    }
    writeln!(log, "{} acts behind the walls", ACTS.len()).unwrap();
    ExitCode::from(u8::from(failed))
}
