//! What containers write, through the real `docker` command.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use harness::droidspaces::Workspace;
use harness::pace;

use crate::phone::{LIMIT, Phone, obedient};

/// Lines of the first burst: more than the monitor keeps.
const BURST: usize = 60_000;

/// A `docker` that runs on, and the lines that it prints.
struct Reader {
    child: Child,
    lines: Receiver<String>,
}

impl Reader {
    fn new(phone: &Phone, words: &[&str]) -> Self {
        let mut command = phone.cli().command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut lines = output.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line.trim_end().to_owned()))
        });
        Self { child, lines }
    }

    /// Lines up to and with this one.
    #[track_caller]
    fn up_to(&self, last: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        while found.last().is_none_or(|line| line != last) {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => found.push(line),
                Err(error) => panic!("no {last:?}: {error}, after {:?}", found.last()),
            }
        }
        found
    }

    /// Lines up to the end of the command.
    #[track_caller]
    fn rest(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            found.push(line);
        }
        let ended = pace::until("docker ends", LIMIT, || self.child.try_wait().unwrap());
        assert!(ended.success(), "{ended}");
        found
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says twenty lines, and more when it is told to.
fn talker(workspace: &Workspace) {
    let script = format!(
        "trap 'echo bye; exit 0' TERM\ntrap 'echo more' USR1\n\
         trap 'seq 1 {BURST} | sed \"s/$/ {pad}/\"; echo burst over' USR2\n\
         seq 1 20\nwhile :; do sleep 1000 & wait $!; done",
        pad = "x".repeat(40)
    );
    workspace
        .container("web")
        .rootfs(|rootfs| rootfs.init(&script))
        .write();
    obedient(workspace, "new", 0);
}

fn numbers(range: std::ops::RangeInclusive<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn phone() -> Phone {
    let phone = Phone::new(talker);
    phone.docker().post("/containers/web/start").expect(204);
    said(&phone, "20");
    phone
}

/// Waits until a line is in the console's file.
#[track_caller]
fn said(phone: &Phone, line: &str) {
    pace::until(line, LIMIT, || {
        let console = phone.log("web", "console");
        console.lines().any(|own| own == line).then_some(())
    });
}

#[test]
fn what_was_said_is_shown() {
    let phone = phone();
    let cli = phone.cli();
    let check = |words: &[&str], expected: &[String]| {
        let shown = cli.run(&[&["logs"], words].concat());
        let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
        assert_eq!(lines, expected, "{words:?}");
    };
    check(&["web"], &numbers(1..=20));
    check(&["--tail", "5", "web"], &numbers(16..=20));
    check(&["--tail", "0", "web"], &[]);
    check(&["--tail", "all", "web"], &numbers(1..=20));
    check(&["new"], &[]);
    check(&["--tail", "5", "new"], &[]);
    assert!(cli.fail(&["logs", "nobody"]).contains("No such container"));
}

#[test]
fn a_follower_sees_a_console_cut_and_end() {
    let phone = phone();
    let docker = phone.docker();
    let mut reader = Reader::new(&phone, &["logs", "-f", "web"]);
    assert_eq!(reader.up_to("20"), numbers(1..=20));
    docker.post("/containers/web/kill?signal=USR2").expect(204);
    let burst = reader.up_to("burst over");
    // What was cut before it was read is gone; what is left is in order, and nothing is there twice.
    let mut last = 0;
    let mut seen = 0;
    for line in &burst[..burst.len() - 1] {
        if let Some(number) = line.split(' ').next().and_then(|word| word.parse::<usize>().ok())
            && line.ends_with("xx")
            && number > 0
        {
            assert!(number > last, "{number} after {last}");
            (last, seen) = (number, seen + 1);
        }
    }
    assert_eq!(last, BURST);
    let kept = phone.log("web", "console").lines().count();
    assert!(kept < BURST, "the console was cut: {kept}");
    assert!(seen >= kept - 2, "{seen} of the {kept} that are left");
    for _ in 0..3 {
        docker.post("/containers/web/kill?signal=USR1").expect(204);
        assert_eq!(reader.up_to("more"), ["more"]);
    }
    docker.post("/containers/web/stop").expect(204);
    assert_eq!(reader.rest(), ["bye"]);
}

#[test]
fn the_run_before_comes_first() {
    let phone = phone();
    let cli = phone.cli();
    phone.docker().post("/containers/web/restart").expect(204);
    said(&phone, "20");
    let shown = cli.run(&["logs", "web"]);
    let lines: Vec<_> = shown.lines().map(|line| line.trim_end().to_owned()).collect();
    let expected = [numbers(1..=20), vec!["bye".to_owned()], numbers(1..=20)].concat();
    assert_eq!(lines, expected);
    let shown = cli.run(&["logs", "--tail", "22", "web"]);
    let lines: Vec<_> = shown.lines().map(|line| line.trim_end().to_owned()).collect();
    assert_eq!(lines, expected[19..]);
    // A follower of a run sees it to its end, whichever way that comes.
    let mut reader = Reader::new(&phone, &["logs", "-f", "--tail", "1", "web"]);
    assert_eq!(reader.up_to("20"), numbers(20..=20));
    phone.run(&["--name=web", "stop"]);
    assert_eq!(reader.rest(), ["bye"]);
}

#[test]
fn attaching_shows_what_comes() {
    let phone = phone();
    let mut reader = Reader::new(&phone, &["attach", "--no-stdin", "--sig-proxy=false", "web"]);
    // It says nothing of when it begins.
    pace::until("it is attached", LIMIT, || {
        phone
            .docker()
            .post("/containers/web/kill?signal=USR1")
            .expect(204);
        reader.lines.try_recv().ok()
    });
    phone.docker().post("/containers/web/stop").expect(204);
    let rest = reader.rest();
    let (last, more) = rest.split_last().unwrap();
    assert_eq!(last, "bye");
    assert!(more.iter().all(|line| line == "more"), "{rest:?}");
}
