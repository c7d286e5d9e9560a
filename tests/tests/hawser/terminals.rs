//! Terminals: every key in its order, letters in one piece, ends with their reasons.

use std::time::Duration;

use harness::dockhand::{Manner, Said};
use harness::pace;

use crate::scene::Scene;

const LIMIT: Duration = Duration::from_secs(20);

/// Three hundred keys, each a message of its own, all of them at once: they come in their order, always.
#[test]
fn keys_come_in_their_order() {
    let scene = Scene::start();
    scene.docker().run("web", "exec sleep 100000");
    let environment = scene.environment();
    for (round, manner) in [
        Manner::Text,
        Manner::Binary,
        Manner::Fragments(7),
        Manner::Fragments(0),
    ]
    .into_iter()
    .enumerate()
    {
        scene.server.speak(manner);
        let mut shell = environment.exec("web", "/bin/sh", "root");
        // Not before the shell is there to hear.
        shell.until("# ");
        let typed: String = (0..300)
            .map(|number| char::from(b'a' + u8::try_from(number * 7 % 26).unwrap()))
            .collect();
        shell.type_in("echo \"got\"' '");
        for key in typed.chars() {
            shell.type_in(&key.to_string());
        }
        shell.type_in("\n");
        shell.until(&format!("got {typed}"));
        shell.type_in(&format!("exit {round}\n"));
        let (_, end) = shell.end();
        assert!(
            matches!(&end, Said::End(reason) if reason == "container_exit"),
            "{end:?}"
        );
    }
}

/// Keys that come before the terminal is there wait for it.
#[test]
fn keys_may_come_early() {
    let scene = Scene::start();
    scene.docker().run("web", "exec sleep 100000");
    let mut shell = scene.environment().exec("web", "/bin/cat", "");
    shell.resize(99, 44);
    for number in 0..50 {
        shell.type_in(&format!("{number}\n"));
    }
    let all: String = (0..50).map(|number| format!("{number}\r\n")).collect();
    // What is typed is shown by the terminal and by the program; the last line is enough of that.
    shell.until("49\r\n");
    shell.type_in("\u{4}");
    let (shown, _) = shell.end();
    let mut lines = shown.lines().filter_map(|line| line.parse::<u32>().ok());
    let (mut once, mut twice) = (0, 0);
    for line in lines.by_ref() {
        if line == once {
            once += 1;
        } else if line == twice {
            twice += 1;
        } else {
            panic!("{line} is out of order: {shown:?}, of {all:?}");
        }
    }
}

#[test]
fn a_terminal_has_a_size_and_a_user() {
    let scene = Scene::start();
    scene.docker().run("web", "exec sleep 100000");
    let mut shell = scene.environment().exec("web", "/bin/sh", "ana");
    shell.type_in("stty size; id -u\n");
    shell.until("30 120");
    shell.until("1000");
    shell.resize(100, 40);
    shell.type_in("stty size\n");
    shell.until("40 100");
    shell.type_in("exit\n");
    shell.end();
}

/// The server decodes each message by itself; a letter that is cut in two would be broken.
#[test]
fn letters_stay_in_one_piece() {
    let scene = Scene::start();
    let letters = "aä€😀".repeat(30);
    scene.docker().run(
        "web",
        &format!("printf '%s' '#!/bin/sh\nseq 1 2000 | while read n; do echo \"$n {letters}\"; done\n' >/tmp/talk; chmod 755 /tmp/talk; exec sleep 100000"),
    );
    // Written once it sleeps.
    let talks = || {
        scene
            .docker()
            .get("/containers/web/archive?path=/tmp/talk")
            .status
            == 200
    };
    pace::until("the program is there", LIMIT, || talks().then_some(()));
    let mut shell = scene.environment().exec("web", "/tmp/talk", "");
    let shown = shell.until(&format!("2000 {letters}\r\n"));
    assert!(!shown.contains('\u{fffd}'), "a letter was cut in two");
    assert_eq!(shown.lines().count(), 2000);
    shell.end();
}

#[test]
fn ends_and_errors() {
    let scene = Scene::start();
    let environment = scene.environment();
    scene.docker().run("web", "exec sleep 100000");
    for (container, command) in [("nosuch", "/bin/sh"), ("web", "/bin/nosuch")] {
        let (_, end) = environment.exec(container, command, "").end();
        assert!(matches!(&end, Said::Error(_) | Said::End(_)), "{end:?}");
        if container == "nosuch" {
            assert!(
                matches!(&end, Said::Error(text) if text.contains("nosuch")),
                "{end:?}"
            );
        }
    }
    // The window is closed: what ran in it ends.
    let mut shell = environment.exec("web", "/bin/sh", "");
    shell.type_in("echo \"pid\" $$; exec sleep 54321\n");
    shell.until("pid ");
    let sleeps = || {
        let list = scene.docker().get("/containers/web/top").expect(200).json();
        list.to_string().contains("54321")
    };
    pace::until("the shell has become what it is told", LIMIT, || {
        sleeps().then_some(())
    });
    shell.close();
    shell.end();
    pace::until("it is gone", LIMIT, || (!sleeps()).then_some(()));
    // Keys for nobody.
    environment.tell(&serde_json::json!({ "type": "exec_input", "execId": "no", "data": "YQ==" }));
    environment.tell(&serde_json::json!({ "type": "exec_resize", "execId": "no", "cols": 1, "rows": 1 }));
    environment.get("/_ping").expect(200);
}
