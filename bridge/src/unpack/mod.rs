//! The unpacker: `socketd-bridge unpack`, a process of its own that turns a tar into a root file
//! system.
//!
//! An archive is a stranger's program for our file system, and decompressors are where memory
//! errors live. So the bridge reads neither: it starts this process with the archive as standard
//! input, an empty directory as current directory, and a pipe as standard output. The process
//! locks itself into that directory, keeps the six capabilities it takes to make files, unpacks,
//! writes one [`report::Report`], and ends. It knows nothing of images, names or clients.
//!
//! Two fences, so that one may fail: the rules of [`name`] and [`place`], and the chroot around
//! them ([`confine`]).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::syncfs;
use wire::ImageId;
use wire::record::Value;

use crate::tree;

mod archive;
pub(crate) mod confine;
mod description;
mod fault;
mod fields;
mod limits;
mod name;
mod place;
mod records;
pub(crate) mod report;
mod sparse;
mod stream;

use archive::{Archive, Kind};
pub(crate) use fault::Fault;
use limits::Limits;
use place::Root;
pub(crate) use place::{is_harmless, is_kept};
use report::{Report, SENTENCE_CHARS_MAX, Verdict};
use stream::Stream;

/// The hidden subcommand. Reads the archive from standard input, unpacks it into the current
/// directory, and reports on standard output.
///
/// Exit codes: 0 when the report says done, 1 when it says why not, 2 when not even a report
/// could be written.
#[must_use]
pub fn run() -> ExitCode {
    confine::step_back();
    let outcome = confine::irrevocably_confine().and_then(|()| unpack_durably(archive_file()?));
    let code = if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    let report = outcome.unwrap_or_else(|fault| report_of(&fault));
    match io::stdout().write_all(&report.encode()) {
        Ok(()) => code,
        Err(_) => ExitCode::from(2),
    }
}

/// Standard input without the small buffer of the standard library.
fn archive_file() -> Result<File, Fault> {
    let file = io::stdin().as_fd().try_clone_to_owned();
    file.map(File::from).map_err(|error| Fault::System {
        attempt: "open the archive",
        errno: error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
    })
}

fn unpack_durably(input: impl Read) -> Result<Report, Fault> {
    let report = unpack(input, Limits::default())?;
    let root = open(
        "/",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(Fault::system("open the image"))?;
    syncfs(&root).map_err(Fault::system("sync the image"))?;
    Ok(report)
}

fn unpack(input: impl Read, limits: Limits) -> Result<Report, Fault> {
    let mut archive = Archive::new(Stream::open(input, limits)?, limits);
    let mut root = Root::new(limits);
    while let Some(member) = archive.next_member()? {
        root.place(&member, &mut archive)?;
    }
    let tally = root.finish()?;
    Ok(Report {
        verdict: Verdict::Done,
        layer: ImageId(archive.digest()),
        size_bytes: tree::directory_bytes(Path::new(".")),
        entries: tally.entries,
        xattrs_left_out: tally.xattrs_left_out,
        ..Report::default()
    })
}

/// How a tar joins what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Whether a directory never takes the place of something else, nor the other way round.
    pub(crate) keep_kinds: bool,
    /// User and group of everything; none where the tar decides.
    pub(crate) owner: Option<(u32, u32)>,
}

/// Unpacks into the current directory of a process that is confined already, whatever is in it. The
/// directory itself stays as it is. What was unpacked before a fault stays.
///
/// # Errors
/// What is wrong with the archive, or what the system said.
pub(crate) fn merge(input: impl Read, manner: Manner) -> Result<(), Fault> {
    let limits = Limits::default();
    let mut archive = Archive::new(Stream::open(input, limits)?, limits);
    let mut root = Root::new(limits);
    while let Some(mut member) = archive.next_member()? {
        if member.name.is_root() && member.kind == Kind::Directory {
            continue;
        }
        if manner.keep_kinds {
            place::check_kinds(&member)?;
        }
        if let Some((uid, gid)) = manner.owner {
            (member.uid, member.gid) = (uid, gid);
        }
        root.place(&member, &mut archive)?;
    }
    root.finish().map(drop)
}

fn report_of(fault: &Fault) -> Report {
    let errno = fault.system_errno();
    Report {
        verdict: if errno.is_some() {
            Verdict::System
        } else {
            Verdict::InvalidArchive
        },
        sentence: fault.to_string().chars().take(SENTENCE_CHARS_MAX).collect(),
        errno: errno.map_or(0, |errno| io::Error::from(errno).raw_os_error().unwrap_or(0)),
        ..Report::default()
    }
}

/// A door for the fuzzer, which comes from outside.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::archive::Archive;
    use super::fault::Fault;
    use super::limits::Limits;
    use super::stream::Stream;

    /// What a few kilobytes may become while millions of them are tried.
    const LIMITS: Limits = Limits {
        bytes: 1 << 20,
        headers: 1 << 10,
    };

    /// Reads every member and its data.
    pub fn read(bytes: &[u8]) {
        let _ = through(bytes);
    }

    fn through(bytes: &[u8]) -> Result<(), Fault> {
        let mut archive = Archive::new(Stream::open(bytes, LIMITS)?, LIMITS);
        let mut piece = [0; 4096];
        while archive.next_member()?.is_some() {
            while archive.read_data(&mut piece)? > 0 {}
        }
        Ok(())
    }
}
