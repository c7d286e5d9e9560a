//! The stand-in's daemon: commands through a socket.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use harness::{Terminal, pace};

use crate::speech::{self, ERR, EXIT, OUT, SIZE};
use crate::stand_in::{Ground, expect};

/// Time for something to appear.
const LIMIT: Duration = Duration::from_secs(20);

fn running() -> Ground {
    let ground = Ground::new();
    let draft = ground.container("a").set("custom_init", "/bin/wait-on");
    draft
        .rootfs(|rootfs| rootfs.script("bin/wait-on", "exec sleep 1000"))
        .write();
    expect(&ground, &["--name=a", "start"], 0);
    ground
}

#[test]
fn commands_run_through_pipes() {
    let ground = running();
    let _daemon = speech::daemon(&ground);
    let check = |words: &[&str], out: &str, code: usize| {
        let (said, _, ended) = speech::end(&mut speech::ask(&ground, words, None));
        assert_eq!((said.as_str(), ended), (out, code), "{words:?}");
    };
    check(&["version"], "v6.5.0\n", 0);
    check(&["mode"], "daemon\n", 0);
    check(&["--name=a", "run", "sh", "-c", "exit 7"], "", 7);
    check(&["--name=a", "run", "cat"], "", 0);
    check(&["--name=none", "stop"], "", 255);
    check(&["daemon", "--foreground"], "", 1);
    check(&["--name", "daemon", "run", "true"], "", 255);
    let mut peer = speech::ask(&ground, &["--name=a", "run", "echo one >&2"], None);
    assert_eq!(speech::end(&mut peer), (String::new(), "one\n".to_owned(), 0));
    // A call from outside finds its way through the daemon.
    let mut command = ground.command(&["--name=a", "run", "echo", "hello"]);
    let output = command.env_remove("DS_NO_PROXY").output().unwrap();
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), b"hello\n".as_slice())
    );
}

#[test]
fn a_terminal_has_a_size_and_can_be_typed_into() {
    let ground = running();
    let _daemon = speech::daemon(&ground);
    let mut peer = speech::ask(&ground, &["--name=a", "enter", "root"], Some((33, 77)));
    let mut shown = String::new();
    let mut until = |peer: &mut _, text: &str| {
        while !shown.contains(text) {
            let (kind, bytes) = speech::frame(peer);
            assert_eq!(kind, OUT, "{shown}");
            shown += &String::from_utf8_lossy(&bytes);
        }
        shown.clear();
    };
    speech::send(&mut peer, OUT, b"stty size; echo end-$((1+1))\n");
    until(&mut peer, "33 77\r\nend-2");
    speech::send(&mut peer, SIZE, &[0, 40, 0, 100]);
    speech::send(&mut peer, OUT, b"stty size; hostname; echo end-$((2+1))\n");
    until(&mut peer, "40 100\r\na\r\nend-3");
    speech::send(&mut peer, OUT, b"exit 5\n");
    let (_, _, code) = speech::end(&mut peer);
    assert_eq!(code, 0, "how the shell ends does not matter");
    let mut peer = speech::ask(&ground, &["--name=a", "run", "exit 5; x y"], Some((24, 80)));
    assert_eq!(speech::end(&mut peer).2, 5);
}

#[test]
fn a_client_that_goes_takes_its_command_along() {
    let ground = running();
    let _daemon = speech::daemon(&ground);
    let there = || {
        let out = ground.run(&["--name=a", "run", "ps"]).stdout;
        String::from_utf8_lossy(&out).contains("sleep 777")
    };
    for size in [None, Some((24, 80))] {
        let peer = speech::ask(&ground, &["--name=a", "run", "sleep", "777"], size);
        pace::until("it runs", LIMIT, || there().then_some(()));
        drop(peer);
        pace::until("it ends", LIMIT, || (!there()).then_some(()));
    }
}

#[test]
fn nonsense_and_strangers_are_let_go() {
    let ground = running();
    let _daemon = speech::daemon(&ground);
    for bytes in [[0; 8], [0, 0, 0, 0, 0, 0, 0, 65], [0xff; 8]] {
        let mut peer = speech::dial(&ground).unwrap();
        peer.write_all(&bytes).unwrap();
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut peer, &mut rest).unwrap();
        assert_eq!(rest, b"");
    }
    // Another process namespace, as that of a container with the machine's network.
    let mut stranger = Command::new("unshare");
    stranger
        .args(["--pid", "--fork"])
        .arg(ground.program())
        .args(["--name=a", "pid"]);
    let output = stranger
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let said = (output.status.code(), &*output.stderr);
    assert_eq!(said, (Some(1), b"Permission denied\n".as_slice()));
}

#[test]
fn enter_uses_the_caller_s_terminal() {
    let ground = running();
    let mut terminal = Terminal::run(&ground.command(&["--name=a", "enter"]));
    terminal.type_in("echo in-$((40+2)); hostname\n");
    terminal.expect("in-42\r\na\r\n");
    terminal.type_in("exit 3\n");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn one_daemon_is_enough() {
    let ground = Ground::new();
    let mut daemon = speech::daemon(&ground);
    expect(&ground, &["daemon", "--foreground"], 1);
    expect(&ground, &["daemon"], 1);
    let written = std::fs::read_to_string(ground.root().join("droidspacesd.pid")).unwrap();
    assert_eq!(written, format!("{}\n", daemon.pid()));
    daemon.crash();
    expect(&ground, &["daemon"], 0);
    pace::until("the daemon listens", LIMIT, || speech::dial(&ground));
    let mut peer = speech::ask(&ground, &["version"], None);
    let (kind, _) = speech::frame(&mut peer);
    assert!([OUT, ERR, EXIT].contains(&kind));
}
