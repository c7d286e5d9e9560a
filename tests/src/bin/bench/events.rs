//! How soon an event is told, how many are, and what readers cost that wait for one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::pair::IMAGE;
use harness::{Address, Connection, Docker, Pair, pace, rootfs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

/// Ends of containers that are measured of each daemon.
const ENDS: usize = 100;
/// As many syncs beside them.
const SYNCS: usize = 200;
/// How long idle readers are watched.
const IDLE: Duration = Duration::from_secs(10);
/// Events that are made for readers to keep up with.
const EVENTS: usize = 3000;
/// Readers that keep up with them.
const CROWDS: [usize; 2] = [1, 100];
/// Who makes those events at the same time.
const MAKERS: usize = 8;
/// Time for a thing to happen that needs no waiting for.
const LIMIT: Duration = Duration::from_secs(60);

/// What is asked for on the command line, behind the word `events`.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Other daemons of Docker's API to measure beside ours, by name.
    pub(crate) others: Vec<(String, Address)>,
    /// Readers that idle.
    pub(crate) idle_readers: usize,
}

impl Options {
    /// Reads `--dockerd URL`, `--podman URL`, `--readers COUNT`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            idle_readers: 1000,
            ..Self::default()
        };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("{} needs a value", pair[0]));
            };
            match name.as_str() {
                "--dockerd" | "--podman" => {
                    let name = name.trim_start_matches('-').to_owned();
                    options.others.push((name, value.parse()?));
                }
                "--readers" => options.idle_readers = value.parse().map_err(|_| "--readers: no number")?,
                _ => return Err(format!("not an option: {name}")),
            }
        }
        Ok(options)
    }
}

pub(crate) fn report(out: &mut impl Write, options: &Options) -> io::Result<()> {
    let mut pair = Pair::start();
    writeln!(
        out,
        "from the end of a container's process to the line at a reader of /events, ms"
    )?;
    let sync = times(out, "one fdatasync of as many bytes", syncs(pair.dir())?)?;
    let ours = times(out, "socketd", ends(&pair.docker()))?;
    writeln!(
        out,
        "    socketd without the fdatasync  median {:>8.2}",
        ms(ours.saturating_sub(sync))
    )?;
    for name in ["dockerd", "podman"] {
        match options.others.iter().find(|(other, _)| other == name) {
            Some((_, address)) => {
                let docker = Docker::new(address.clone());
                docker.import(IMAGE, &rootfs::busybox());
                times(out, name, ends(&docker))?;
                docker.delete(&format!("/images/{IMAGE}")).expect(200);
            }
            None => writeln!(
                out,
                "    {name}: not measured, for no --{name} URL says where it is"
            )?,
        }
    }
    for readers in CROWDS {
        rate(out, &pair.docker(), readers)?;
    }
    idle(out, &mut pair, options.idle_readers)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Prints median and tail; gives the median.
fn times(out: &mut impl Write, what: &str, mut times: Vec<Duration>) -> io::Result<Duration> {
    times.sort_unstable();
    let (median, tail) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    writeln!(
        out,
        "    {what:<30} median {:>8.2}   p99 {:>8.2}   of {}",
        ms(median),
        ms(tail),
        times.len()
    )?;
    Ok(median)
}

/// What the journal has to do for each, on the same disk: append, and wait for the disk.
fn syncs(dir: &Path) -> io::Result<Vec<Duration>> {
    let mut file = File::create(dir.join("syncs"))?;
    // A `die` with its attributes takes about as much.
    let record = [0x5a; 400];
    (0..SYNCS)
        .map(|_| {
            let begin = Instant::now();
            file.write_all(&record)?;
            file.sync_data()?;
            Ok(begin.elapsed())
        })
        .collect()
}

/// Kills the first process of one container after the other from outside, and waits for its `die`.
fn ends(docker: &Docker) -> Vec<Duration> {
    let mut follow = docker.follow("");
    (0..ENDS)
        .map(|number| {
            let name = format!("end{number}");
            make(docker, &name);
            docker.start(&name);
            let pid = docker.inspect(&name)["State"]["Pid"].as_i64().expect("it runs");
            let pid = Pid::from_raw(i32::try_from(pid).expect("a process id"));
            let begin = Instant::now();
            kill(pid, Signal::SIGKILL).expect("it runs");
            // Podman has a word of its own for it.
            follow.up_to(|event| {
                matches!(event["Action"].as_str(), Some("die" | "died"))
                    && event["Actor"]["Attributes"]["name"] == name.as_str()
            });
            let time = begin.elapsed();
            docker.delete(&format!("/containers/{name}?force=1")).expect(204);
            time
        })
        .collect()
}

fn make(docker: &Docker, name: &str) {
    let body = json!({
        "Image": IMAGE, "Cmd": ["/bin/sleep", "100000"], "HostConfig": { "NetworkMode": "none" }
    });
    docker.create_from(name, &body);
}

/// Makes events as fast as several clients can, and waits until every reader has the last one.
fn rate(out: &mut impl Write, docker: &Docker, readers: usize) -> io::Result<()> {
    let follows: Vec<_> = (0..readers).map(|_| docker.follow("")).collect();
    let lives = EVENTS / 2 / MAKERS;
    let events = lives * MAKERS * 2;
    let begin = Instant::now();
    let made = thread::scope(|scope| {
        let readers: Vec<_> = follows
            .into_iter()
            .map(|mut follow| scope.spawn(move || (0..events).try_for_each(|_| follow.event().map(drop))))
            .collect();
        let makers: Vec<_> = (0..MAKERS)
            .map(|maker| {
                scope.spawn(move || {
                    for life in 0..lives {
                        let name = format!("rate{maker}-{life}");
                        make(docker, &name);
                        docker.delete(&format!("/containers/{name}")).expect(204);
                    }
                })
            })
            .collect();
        for maker in makers {
            maker.join().expect("a request failed");
        }
        let made = begin.elapsed();
        for reader in readers {
            reader.join().expect("a reader broke").expect("a stream broke");
        }
        made
    });
    let told = begin.elapsed();
    let per_second = |time: Duration| events as f64 / time.as_secs_f64();
    writeln!(
        out,
        "{events} events to {readers} readers: made {:.0}/s, told to each {:.0}/s, {:.0} lines/s in all",
        per_second(made),
        per_second(told),
        per_second(told) * readers as f64
    )
}

/// What readers cost while nothing happens.
fn idle(out: &mut impl Write, pair: &mut Pair, readers: usize) -> io::Result<()> {
    let pid = pair.socketd().pid();
    let before = Cost::of(pid);
    let address = pair.unix();
    let mut streams = Vec::new();
    for _ in 0..readers {
        match follow(&address)? {
            Some(stream) => streams.push(stream),
            None => break,
        }
    }
    // The last of them have come to rest once nothing moves between two looks.
    let mut last = Cost::of(pid);
    pace::until("the readers come to rest", LIMIT, || {
        let now = Cost::of(pid);
        (std::mem::replace(&mut last, now) == now).then_some(())
    });
    let first = Cost::of(pid);
    let begin = Instant::now();
    while begin.elapsed() < IDLE {
        thread::park_timeout(IDLE - begin.elapsed());
    }
    let then = Cost::of(pid);
    writeln!(
        out,
        "{} idle readers (of {readers} asked for): resident {:.1} MiB ({:.1} without); in {} s {} ticks of processor, \
         {} context switches",
        streams.len(),
        then.resident_kib as f64 / 1024.0,
        before.resident_kib as f64 / 1024.0,
        IDLE.as_secs(),
        then.ticks - first.ticks,
        then.switches - first.switches
    )
}

/// One reader that waits; none where no more are let in.
fn follow(address: &Address) -> io::Result<Option<Connection>> {
    let mut connection = Connection::open(address)?;
    connection.send("GET", "/events", None)?;
    Ok((connection.head(false)?.status == 200).then_some(connection))
}

/// What a process has cost so far.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    resident_kib: u64,
    ticks: u64,
    switches: u64,
}

impl Cost {
    /// Over all its threads.
    fn of(pid: i32) -> Self {
        let read =
            |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the process is gone");
        let field = |text: &str, name: &str| -> u64 {
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or("0");
            value
                .split_whitespace()
                .next()
                .and_then(|word| word.parse().ok())
                .expect("a number")
        };
        let stat = read("stat");
        let (_, after_name) = stat.rsplit_once(") ").expect("a name");
        let ticks = after_name.split(' ').skip(11).take(2);
        let mut switches = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))
            .expect("the process is gone")
            .flatten()
        {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            switches +=
                field(&status, "voluntary_ctxt_switches:") + field(&status, "nonvoluntary_ctxt_switches:");
        }
        Self {
            resident_kib: field(&read("status"), "VmRSS:"),
            ticks: ticks.map(|ticks| ticks.parse::<u64>().expect("ticks")).sum(),
            switches,
        }
    }
}
