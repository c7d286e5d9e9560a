//! Logs that do not fill the flash.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::module;

/// As log.sh has it.
const BYTES_MAX: u64 = 262_144;

/// Lines that a daemon says.
const LINES: usize = 800;

/// Has log.sh write lines to a folder that stands for the phone's.
fn write(shell: &[&str], folder: &std::path::Path, text: &[u8]) {
    let scripts = module::repository().join("packaging/magisk/module");
    fs::create_dir_all(folder).unwrap();
    let script = fs::read_to_string(scripts.join("log.sh")).unwrap();
    let places = fs::read_to_string(scripts.join("places.sh")).unwrap();
    let own = format!("DATA={}", folder.display());
    fs::write(
        folder.join("places.sh"),
        places.replace("DATA=/data/adb/socketd", &own),
    )
    .unwrap();
    fs::write(folder.join("log.sh"), script).unwrap();
    fs::create_dir_all(folder.join("log")).unwrap();
    let (program, arguments) = shell.split_first().unwrap();
    let mut child = Command::new(program)
        .args(arguments)
        .arg(folder.join("log.sh"))
        .arg("bridge")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    assert!(child.wait().unwrap().success());
}

fn check(shell: &[&str]) {
    let folder = harness::pair::new_dir();
    // More than both files hold; not many lines, for Android's own shell takes a process for each.
    let filler = "speaks \\t %s and ".repeat(60);
    let text: String = (0..LINES)
        .map(|number| format!("line {number} of a daemon that {filler}speaks\n"))
        .collect();
    write(shell, &folder, text.as_bytes());
    // Another start goes on where the last one ended.
    write(shell, &folder, b"begun again\nno end of line");
    let mut sizes = Vec::new();
    for entry in fs::read_dir(folder.join("log")).unwrap().filter_map(Result::ok) {
        sizes.push((
            entry.file_name().into_string().unwrap(),
            entry.metadata().unwrap().len(),
        ));
    }
    sizes.sort();
    let names: Vec<_> = sizes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bridge.log", "bridge.log.1"]);
    assert!(
        sizes.iter().all(|(_, size)| *size <= BYTES_MAX + 2000),
        "{shell:?}: {sizes:?}"
    );
    let kept = fs::read_to_string(folder.join("log/bridge.log.1")).unwrap()
        + &fs::read_to_string(folder.join("log/bridge.log")).unwrap();
    let last = format!("line {} of", LINES - 1);
    assert!(kept.contains(&last), "{shell:?}");
    assert!(
        kept.ends_with(" and speaks\nbegun again\nno end of line\n"),
        "{shell:?}"
    );
    let whole = kept
        .lines()
        .filter(|line| line.starts_with("line ") && line.ends_with("speaks"));
    assert_eq!(
        whole.count(),
        kept.lines().count() - 2,
        "{shell:?}: every line is whole"
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_daemon_that_speaks_without_end_fills_two_files_at_most() {
    check(&["busybox", "sh"]);
    check(&["mksh"]);
}

#[test]
fn where_nothing_can_be_written_nobody_is_held_up() {
    let folder = harness::pair::new_dir();
    fs::create_dir(folder.join("log")).unwrap();
    // Of all that may be wrong with a flash: its file is a folder.
    fs::create_dir(folder.join("log/bridge.log")).unwrap();
    write(&["busybox", "sh"], &folder, "let go\n".repeat(20_000).as_bytes());
    fs::remove_dir_all(folder).unwrap();
}
