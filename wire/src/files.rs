//! A container's log, its files, and images made of them.

use crate::image::ImageConfig;
use crate::spec::RestartPolicy;
use crate::time::Time;
use crate::{numbers, record};

/// Most files of one log, and so most descriptors of one answer but one.
pub const LOG_FILES_MAX: usize = 64;

record! {
    /// Asks for a container's log.
    pub struct OpenLog {
        /// The container's name, id or prefix.
        1 => reference: String,
        /// Whether what is written from now on is wanted too.
        2 => follow: bool,
    }
}

record! {
    /// A file of a log.
    pub struct LogFile {
        /// Its place in the order of all files that this log ever had; the first is 1.
        1 => number: u64,
        /// Bytes in it when it was opened; more may follow in the last file.
        2 => bytes: u64,
    }
}

record! {
    /// A container's log. As many descriptors as files accompany this answer, open for reading, in the
    /// order of the files, oldest first; after them one more where `bell`.
    pub struct Log {
        /// The files.
        1 => files: Vec<LogFile>,
        /// Whether the container has a terminal: then there is one stream, and it is raw.
        2 => tty: bool,
        /// Whether the last descriptor is a bell: a pipe that gets some byte after every write to the
        /// log and when the container starts, and ends when nothing more will be written by this run.
        3 => bell: bool,
        /// Whether the container runs.
        4 => running: bool,
        /// Whether the files hold what was written and nothing else: no entries, no times. Such a file
        /// may be cut to nothing at any time and begun again.
        5 => raw: bool,
    }
}

record! {
    /// A way to a container's standard input: one descriptor accompanies this answer.
    pub struct Input {
        /// Whether it is the master of a terminal; else it is the writing end of a pipe.
        1 => terminal: bool,
    }
}

record! {
    /// Gives a container's terminal a size.
    pub struct Resize {
        /// The container's name, id or prefix.
        1 => reference: String,
        /// Height, in rows.
        2 => rows: u16,
        /// Width, in columns.
        3 => columns: u16,
    }
}

numbers! {
    /// What happened to a path.
    pub enum ChangeKind {
        /// It is another than in the image.
        Modified = 1,
        /// It is not in the image.
        Added = 2,
        /// It is in the image only.
        Deleted = 3,
    }
}

record! {
    /// A path that differs from the image.
    pub struct PathChange {
        /// The path, absolute in the container; bytes that are no text are replaced.
        1 => path: String,
        /// What happened to it.
        2 => kind: ChangeKind,
    }
}

record! {
    /// What differs from the image, or a part of it, sorted by path.
    pub struct Changes {
        /// The paths.
        1 => changes: Vec<PathChange>,
    }
}

record! {
    /// Names a path in a container.
    pub struct ContainerPath {
        /// The container's name, id or prefix.
        1 => reference: String,
        /// The path; taken from the container's root.
        2 => path: String,
    }
}

record! {
    /// What a path is.
    pub struct PathStat {
        /// Its last name.
        1 => name: String,
        /// Size, in bytes.
        2 => size: u64,
        /// Kind and permissions, as `st_mode`.
        3 => mode: u32,
        /// When it last changed.
        4 => modified_at: Time,
        /// Where it leads, for a link: absolute in the container; empty for anything else.
        5 => link_target: String,
    }
}

record! {
    /// A tar on its way: one descriptor, to be read to its end, accompanies this answer, which has MORE.
    /// Then comes Done if that was all of it, or Refused.
    pub struct Archive {
        /// What is in it; its default for a whole root file system.
        1 => stat: PathStat,
    }
}

record! {
    /// Unpacks a tar in a container. It is read from the one descriptor that accompanies the request.
    pub struct WriteArchive {
        /// The container's name, id or prefix.
        1 => reference: String,
        /// A directory of the container.
        2 => path: String,
        /// Whether a directory never takes the place of something else, nor the other way round.
        3 => keep_kinds: bool,
        /// Whether owners are as the tar says; else everything belongs to the container's user.
        4 => keep_owners: bool,
    }
}

record! {
    /// Makes an image of a container as it is now.
    pub struct Commit {
        /// The container's name, id or prefix.
        1 => reference: String,
        /// Name to give it, as `repository:tag`; empty means none.
        2 => tag: String,
        /// Why, in words.
        3 => comment: String,
        /// Who, in words.
        4 => author: String,
        /// Whether the container is frozen meanwhile.
        5 => pause: bool,
        /// What a container gets from it.
        6 => config: ImageConfig,
    }
}

record! {
    /// A container's limits were changed.
    pub struct Updated {
        /// What the user should know.
        1 => warnings: Vec<String>,
    }
}

record! {
    /// Changes what a container may use. What is absent stays as it is.
    pub struct Update {
        /// The container's name, id or prefix.
        1 => reference: String,
        /// As in `Resources`.
        2 => memory_bytes: Option<u64>,
        /// As in `Resources`.
        3 => memory_swap_bytes: Option<i64>,
        /// As in `Resources`.
        4 => memory_reservation_bytes: Option<u64>,
        /// As in `Resources`.
        5 => nano_cpus: Option<u64>,
        /// As in `Resources`.
        6 => cpu_shares: Option<u64>,
        /// As in `Resources`.
        7 => cpu_period_us: Option<u64>,
        /// As in `Resources`.
        8 => cpu_quota_us: Option<i64>,
        /// As in `Resources`.
        9 => cpuset_cpus: Option<String>,
        /// As in `Resources`.
        10 => cpuset_mems: Option<String>,
        /// As in `Resources`.
        11 => pids_max: Option<i64>,
        /// When it is started again.
        12 => restart: Option<RestartPolicy>,
    }
}
