//! How fast a log is read into a socket, beside plain bytes through a socket in the same run.
//!
//! `cargo bench -p socketd --bench logs [-- DIRECTORY]`; the directory is made and removed.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::time::Instant;

use socketd::docker::attach::frame_header;
use socketd::streams::{From as Begin, Kept, LogStream, OpenFile, Shape, Wanted};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use wire::Time;
use wire::files::LogFile;
use wire::log::{EntryHeader, Stream, file_header};

const LOG_BYTES: u64 = 1024 * 1024 * 1024;
/// A line of a usual log.
const LINE: usize = 100;
const TAILS: u32 = 100;

fn main() {
    let named = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let root = named.map_or_else(|| std::env::temp_dir().join("socketd-logs-bench"), PathBuf::from);
    fs::create_dir(&root).unwrap();
    let path = root.join("log");
    write(&path);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Once unmeasured, so that both find the file in memory.
    cat(&path);
    let bare = cat(&path);
    let before = resident();
    let (read, seconds) = runtime.block_on(through(&path, Begin::Oldest));
    let log = megabytes(LOG_BYTES, seconds);
    println!("cat through a socket:  {bare:>8.0} MB/s");
    println!(
        "log through a socket:  {log:>8.0} MB/s of file, {:.2} of it; {:.0} MB/s of frames",
        log / bare,
        megabytes(read, seconds)
    );
    println!(
        "memory grew by:        {:>8} KiB",
        resident().saturating_sub(before)
    );
    let begin = Instant::now();
    for _ in 0..TAILS {
        let (read, _) = runtime.block_on(through(&path, Begin::Last(100)));
        assert_eq!(read, 100 * (LINE + frame_header(Stream::Output, 0).len()) as u64);
    }
    let each = begin.elapsed() / TAILS;
    println!("tail of 100 lines:     {:>8.3} ms", each.as_secs_f64() * 1e3);
    fs::remove_dir_all(&root).unwrap();
}

fn megabytes(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / seconds / 1e6
}

/// The highest there was, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn write(path: &Path) {
    let mut file = BufWriter::with_capacity(1024 * 1024, File::create(path).unwrap());
    file.write_all(&file_header(1)).unwrap();
    let mut text = vec![b'x'; LINE];
    *text.last_mut().unwrap() = b'\n';
    let entry = |time| EntryHeader {
        time: Time(time),
        stream: Stream::Output,
        partial: false,
        length: LINE as u32,
    };
    let mut written = 0;
    while written < LOG_BYTES {
        file.write_all(&entry(1_700_000_000_000_000_000 + written).encode())
            .unwrap();
        file.write_all(&text).unwrap();
        file.write_all(&(LINE as u32).to_le_bytes()).unwrap();
        written += (LINE + 20) as u64;
    }
    file.flush().unwrap();
}

/// Reads to the end of a socket on a thread of its own; how many bytes.
fn sink(mut socket: Blocking) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        let mut all = 0;
        loop {
            match socket.read(&mut buffer).unwrap() {
                0 => return all,
                count => all += count as u64,
            }
        }
    })
}

fn cat(path: &Path) -> f64 {
    let (mut ours, theirs) = Blocking::pair().unwrap();
    let reader = sink(theirs);
    let begin = Instant::now();
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => break,
            count => ours.write_all(&buffer[..count]).unwrap(),
        }
    }
    drop(ours);
    let bytes = reader.join().unwrap();
    megabytes(bytes, begin.elapsed().as_secs_f64())
}

/// A log from some place on, as a client gets it; its bytes, and the seconds it took.
async fn through(path: &Path, from: Begin) -> (u64, f64) {
    let (ours, theirs) = Blocking::pair().unwrap();
    let reader = sink(theirs);
    ours.set_nonblocking(true).unwrap();
    let mut ours = UnixStream::from_std(ours).unwrap();
    let begin = Instant::now();
    let file = File::open(path).unwrap();
    let told = LogFile {
        number: 1,
        bytes: file.metadata().unwrap().len(),
    };
    let wanted = Wanted {
        shape: Shape {
            raw: false,
            timestamps: false,
            output: true,
            error: true,
        },
        from,
        since: Time::NEVER,
        until: None,
        follow: false,
    };
    let mut log = LogStream::new(
        Kept::Entries,
        vec![OpenFile::new(file.into(), &told)],
        wanted,
        None,
    );
    while let Some(bytes) = log.next().await {
        ours.write_all(&bytes).await.unwrap();
    }
    drop(ours);
    let bytes = tokio::task::spawn_blocking(move || reader.join().unwrap())
        .await
        .unwrap();
    (bytes, begin.elapsed().as_secs_f64())
}
