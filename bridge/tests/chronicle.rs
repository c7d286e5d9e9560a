//! `socketd-bridge journal`: the program itself, on journals that the journal's own crate wrote.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use journal::{Journal, Options};
use wire::spec::Pair;
use wire::{Action, Event, EventKind, Time};

/// A state directory with nothing but a journal; gone with the test.
struct State {
    dir: PathBuf,
}

impl State {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("socketd-chronicle-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("bridge")).unwrap();
        Self { dir }
    }

    fn journal(&self) -> PathBuf {
        self.dir.join("bridge/journal")
    }

    fn open(&self, options: Options) -> Journal {
        Journal::open(&self.journal(), [0; 32], options).unwrap().journal
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_socketd-bridge"));
        command
            .arg("journal")
            .args(arguments)
            .arg("--state-dir")
            .arg(&self.dir);
        command
    }

    fn run(&self, arguments: &[&str]) -> (String, i32) {
        let Output { stdout, status, .. } = self.command(arguments).output().unwrap();
        (String::from_utf8(stdout).unwrap(), status.code().unwrap())
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.journal())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "segment"))
            .collect();
        paths.sort();
        paths
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn event(number: u64) -> Event {
    Event {
        sequence: 0,
        time: Time((1_800_000_000 + number) * 1_000_000_000),
        kind: EventKind::Container,
        action: if number.is_multiple_of(2) {
            Action::Start
        } else {
            Action::Die
        },
        actor: format!("{number:064x}"),
        attributes: vec![Pair::new("name", format!("web{number}"))],
        labels: Vec::new(),
    }
}

fn append(journal: &Journal, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        journal.append(vec![event(number)], Box::new(|_| {})).unwrap();
    }
}

/// Segments of few events.
fn small() -> Options {
    Options {
        segment_bytes: 2048,
        ..Options::default()
    }
}

/// The numbers of the events that lines of text begin with.
fn numbers(lines: &str) -> Vec<u64> {
    lines
        .lines()
        .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn show_selects() {
    let state = State::new("show");
    append(&state.open(small()), 1..=20);
    #[track_caller]
    fn check(state: &State, arguments: &[&str], expected: &[u64]) {
        let mut all = vec!["show"];
        all.extend(arguments);
        let (lines, code) = state.run(&all);
        assert_eq!((numbers(&lines), code), (expected.to_vec(), 0), "{arguments:?}");
    }
    check(&state, &[], &(1..=20).collect::<Vec<_>>());
    check(&state, &["--after", "17"], &[18, 19, 20]);
    check(&state, &["--since", "1800000019"], &[19, 20]);
    check(&state, &["--since", "2027-01-15T08:00:19Z"], &[19, 20]);
    check(&state, &["--until", "1800000002.0"], &[1, 2]);
    check(&state, &["--action", "start", "-n", "2"], &[2, 4]);
    check(&state, &["--kind", "image"], &[]);
    check(&state, &["--actor", "web7"], &[7]);
    check(&state, &["--actor", &format!("{:064x}", 9)], &[9]);
    let (lines, _) = state.run(&["show", "-n", "1"]);
    let time = format!("{:<30}", "2027-01-15T08:00:01Z");
    assert_eq!(
        lines,
        format!("{:>8}  {time}  container die 000000000000 web1\n", 1)
    );
    let (_, code) = state.run(&["show", "--since", "yesterday"]);
    assert_eq!(code, 1);
}

#[test]
fn export_is_every_event_as_json() {
    let state = State::new("export");
    append(&state.open(small()), 1..=20);
    let (lines, code) = state.run(&["export"]);
    assert_eq!((lines.lines().count(), code), (20, 0));
    assert_eq!(lines, state.run(&["show", "--json"]).0);
    let file = state.dir.join("export");
    assert_eq!(state.run(&["export", "-o", file.to_str().unwrap()]).1, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), lines);
    assert_eq!(
        state.run(&["export", "-o", file.to_str().unwrap()]).1,
        1,
        "it exists"
    );
}

#[test]
fn what_is_no_longer_kept_is_no_damage_and_a_gap() {
    let state = State::new("retention");
    let options = Options {
        segment_bytes: 2048,
        retain_bytes: 8192,
        ..Options::default()
    };
    append(&state.open(options), 1..=200);
    let (words, code) = state.run(&["verify"]);
    assert_eq!(code, 0, "{words}");
    let (lines, _) = state.run(&["show", "--after", "5", "-n", "1"]);
    assert!(
        lines.contains("events 6 to ") && lines.contains("no longer kept"),
        "{lines}"
    );
}

/// Beside a writer nothing is damaged, and a follower sees everything, once, in order.
#[test]
fn beside_a_writer() {
    let state = State::new("beside");
    let journal = state.open(small());
    append(&journal, 1..=3);
    let mut follower = Follower::begin(&state);
    assert_eq!(follower.next(), 1);
    append(&journal, 4..=300);
    for expected in 2..=300 {
        assert_eq!(follower.next(), expected);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| append(&journal, 301..=900));
        for _ in 0..5 {
            let (words, code) = state.run(&["verify"]);
            assert_eq!(code, 0, "{words}");
        }
    });
    for expected in 301..=900 {
        assert_eq!(follower.next(), expected);
    }
}

struct Follower {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Follower {
    fn begin(state: &State) -> Self {
        let mut child = state
            .command(&["show", "--follow"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> u64 {
        numbers(&self.lines.next().unwrap().unwrap())[0]
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn there_must_be_a_journal() {
    let state = State::new("none");
    for word in ["show", "verify", "export"] {
        let output = state.command(&[word]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("there is no journal"));
    }
}

/// Whichever byte is flipped, `verify` says so and names the place.
#[test]
fn a_flipped_byte_is_named() {
    let state = State::new("flip");
    append(&state.open(small()), 1..=40);
    assert_eq!(state.run(&["verify"]).1, 0);
    let segments = state.segments();
    assert!(segments.len() >= 3);
    for (at, path) in segments.iter().enumerate() {
        let whole = fs::read(path).unwrap();
        // A stride that meets every part of records of any length; all bytes are the fuzzers' and the journal's own.
        for offset in (0..whole.len()).step_by(37) {
            let mut bytes = whole.clone();
            bytes[offset] ^= 0x10;
            fs::write(path, &bytes).unwrap();
            let (words, code) = state.run(&["verify"]);
            assert_eq!(code, 4, "segment {at}, byte {offset}: {words}");
            assert_eq!(words.lines().count(), 3, "one place, told once: {words}");
            assert!(
                names(&words, path, offset),
                "segment {at}, byte {offset}: {words}"
            );
        }
        fs::write(path, &whole).unwrap();
    }
    assert_eq!(state.run(&["verify"]).1, 0);
}

/// Whether a line names the file and a range with the byte in it.
fn names(words: &str, path: &Path, offset: usize) -> bool {
    let file = path.file_name().unwrap().to_str().unwrap();
    words.lines().any(|line| {
        let Some((_, rest)) = line.split_once(&format!("{file} at byte ")) else {
            return false;
        };
        let number = |text: &str| text.parse::<usize>().ok();
        let (begin, rest) = rest.split_once(", ").unwrap();
        let (length, _) = rest.split_once(" bytes").unwrap();
        let (begin, length) = (number(begin).unwrap(), number(length).unwrap());
        (begin..begin + length).contains(&offset)
    })
}
