//! How fast a long log is read, beside the same file through a pipe of the same kind.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::pair::IMAGE;
use harness::{Docker, Pair};
use serde_json::json;

/// How often both are measured in turn.
const ROUNDS: usize = 3;
/// How often the end of the log is asked for.
const TAILS: usize = 100;
/// Lines of it.
const TAIL_LINES: u64 = 100;
/// Bytes of a line, its end included.
const LINE_BYTES: u64 = 100;
/// Bytes of the header that stands before each line on its way to a client.
const FRAME_HEADER_BYTES: u64 = 8;
/// Bytes asked for at once by both readers.
const READ_BYTES: usize = 256 * 1024;

/// What one reading gave.
#[derive(Debug, Default)]
struct Reading {
    bytes: u64,
    time: Duration,
}

impl Reading {
    /// Reads to the end; `begin` is when the other side began.
    fn of(source: &mut impl Read, begin: Instant) -> io::Result<Self> {
        let mut buffer = vec![0; READ_BYTES];
        let mut bytes = 0;
        loop {
            match source.read(&mut buffer)? {
                0 => break,
                count => bytes += count as u64,
            }
        }
        let time = begin.elapsed();
        Ok(Self { bytes, time })
    }

    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.time += other.time;
    }

    /// Millions of bytes a second.
    fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.time.as_secs_f64()
    }
}

pub(super) fn report(out: &mut impl Write, pair: &mut Pair, mib: u64) -> io::Result<()> {
    let docker = pair.docker();
    let lines = mib * 1024 * 1024 / LINE_BYTES;
    let file = write(out, pair, &docker, lines)?;
    let socketd = pair.socketd().pid();
    let (mut ours, mut theirs, mut extra) = (Reading::default(), Reading::default(), 0);
    for _ in 0..ROUNDS {
        theirs.add(&cat(&file)?);
        // Makes the peak so far what is resident now.
        fs::write(format!("/proc/{socketd}/clear_refs"), "5")?;
        let before = super::status(socketd, "VmRSS");
        let reading = logs(&docker)?;
        assert_eq!(
            reading.bytes,
            lines * (LINE_BYTES + FRAME_HEADER_BYTES),
            "the log is not whole"
        );
        extra = extra.max(super::status(socketd, "VmHWM").saturating_sub(before));
        ours.add(&reading);
    }
    writeln!(
        out,
        "reading it: docker logs {:.0} MB/s, cat of its file {:.0} MB/s, ratio {:.2}; socketd's peak {:.1} MiB more",
        ours.rate(),
        theirs.rate(),
        ours.rate() / theirs.rate(),
        extra as f64 / 1024.0
    )?;
    writeln!(out, "the last {TAIL_LINES} lines of it, ms")?;
    let tails = (0..TAILS).map(|_| tail(&docker)).collect();
    super::times(out, "socketd", tails)?;
    super::remove(&docker, "log");
    Ok(())
}

/// Has a container write so many lines; gives its log's file.
fn write(out: &mut impl Write, pair: &Pair, docker: &Docker, lines: u64) -> io::Result<PathBuf> {
    let text = "x".repeat(LINE_BYTES as usize - 1);
    let script = format!("yes {text} | head -n {lines}");
    let body = json!({
        "Image": IMAGE, "Cmd": ["/bin/sh", "-c", script],
        "HostConfig": {
            "NetworkMode": "none",
            "LogConfig": { "Type": "json-file", "Config": { "max-size": "2g" } }
        }
    });
    let id = docker.create_from("log", &body);
    let begin = Instant::now();
    docker.start("log");
    assert_eq!(docker.wait("log"), 0);
    let time = begin.elapsed();
    let file = pair.dir().join("bridge/native/containers").join(id).join("log");
    writeln!(
        out,
        "a log of {} MiB in lines of {LINE_BYTES} bytes, {} MiB on disk: written at {:.0} MB/s",
        lines * LINE_BYTES / 1024 / 1024,
        fs::metadata(&file)?.len() / 1024 / 1024,
        (lines * LINE_BYTES) as f64 / 1e6 / time.as_secs_f64()
    )?;
    // Neither side reads while the other's pages go to the disk.
    File::open(&file)?.sync_all()?;
    Ok(file)
}

fn cat(file: &PathBuf) -> io::Result<Reading> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let begin = Instant::now();
    let mut cat = Command::new("cat")
        .arg(file)
        .stdout(OwnedFd::from(theirs))
        .spawn()?;
    let reading = Reading::of(&mut ours, begin)?;
    assert!(cat.wait()?.success());
    Ok(reading)
}

fn logs(docker: &Docker) -> io::Result<Reading> {
    let mut connection = docker.connect();
    let begin = Instant::now();
    connection.send("GET", "/containers/log/logs?stdout=1&stderr=1", None)?;
    assert_eq!(connection.head(false)?.status, 200);
    Reading::of(&mut connection, begin)
}

fn tail(docker: &Docker) -> Duration {
    let begin = Instant::now();
    let path = format!("/containers/log/logs?stdout=1&stderr=1&tail={TAIL_LINES}");
    let answer = docker.get(&path).expect(200);
    let time = begin.elapsed();
    assert_eq!(
        answer.body.len() as u64,
        TAIL_LINES * (LINE_BYTES + FRAME_HEADER_BYTES)
    );
    time
}
