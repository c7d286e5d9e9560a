//! Who enters a container, as whom, and with what, where others were taken over: see the table in PRIVILEGE.md.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use bridge::runtime::native::NativeOptions;
use bridge::runtime::{ExecOrder, Runtime, RuntimeError};
use wire::spec::Spec;
use wire::{ContainerId, ExecSpec};

use crate::scene::{Scene, options, own_filters, room};

/// How often something is done while somebody races against it.
const ROUNDS: usize = 40;

/// Beyond the descriptors that a process on its way into a container ever held.
const DESCRIPTORS: usize = 24;

/// A program that runs as a further process, to its end; why not, where it did not run.
fn exec(scene: &mut Scene, id: &ContainerId, spec: &ExecSpec) -> Result<String, RuntimeError> {
    let order = ExecOrder {
        id: "it",
        spec,
        detach: false,
    };
    let run = scene.runtime.exec(id, order)?;
    let mut streams = run.streams.into_iter();
    let text = streams
        .next()
        .map(|stream| std::io::read_to_string(fs::File::from(stream)));
    scene.exec_end("it");
    Ok(text.and_then(Result::ok).unwrap_or_default())
}

fn further(script: &str) -> ExecSpec {
    ExecSpec {
        arguments: ["sh", "-c", script].map(str::to_owned).to_vec(),
        attach_stdout: true,
        ..ExecSpec::default()
    }
}

/// A container in whose own layer these files lie before it is started.
fn with_files(scene: &mut Scene, spec: Spec, files: &[(&str, &str)]) -> ContainerId {
    let id = scene.create(spec);
    for (name, text) in files {
        let path = scene.directory(&id).join("upper").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    id
}

fn run_with(scene: &mut Scene, spec: Spec, files: &[(&str, &str)]) -> String {
    let id = with_files(scene, spec, files);
    scene.runtime.start(&id).unwrap();
    assert_eq!(scene.end(&id).code, 0, "{:?}", scene.log(&id));
    scene.log(&id).0
}

/// A user that is a number is that number, whoever bears it as a name; and no file makes the kernel
/// leave the user as it is, which is what it takes the number minus one for.
#[test]
fn a_forged_list_of_users_makes_nobody_root() {
    let mut scene = Scene::new();
    let passwd = "1000:x:0:0::/root:/bin/sh\nroot:x:0:0::/root:/bin/sh\nminus:x:4294967295:4294967295::/:/bin/sh\n\
                  half:x:1001:4294967295::/:/bin/sh\n\0\u{1b}[2J:x:0:0::/:/bin/sh\n";
    let group = "77:x:0:\nminus:x:4294967295:\n";
    let files = [("etc/passwd", passwd), ("etc/group", group)];
    let mut check = |user: &str, expected: Option<&str>| {
        let mut spec = Scene::shell("grep -E '^(Uid|Gid):' /proc/self/status | awk '{print $2 $3 $4 $5}'");
        user.clone_into(&mut spec.process.user);
        let mut further = further(&spec.process.command[2]);
        user.clone_into(&mut further.user);
        let (mut host, id) = (
            Scene::command(&["sleep", "600"]),
            with_files(&mut scene, spec, &files),
        );
        host.process.user = "0".to_owned();
        let sleeper = with_files(&mut scene, host, &files);
        scene.runtime.start(&sleeper).unwrap();
        let entered = exec(&mut scene, &sleeper, &further);
        let started = scene.runtime.start(&id);
        match expected {
            Some(expected) => {
                started.unwrap();
                scene.end(&id);
                assert_eq!(scene.log(&id).0, expected, "{user}");
                assert_eq!(entered.unwrap(), expected, "{user}");
            }
            None => {
                assert!(
                    matches!(started, Err(RuntimeError::NoSuchUser(_))),
                    "{user}: {started:?}"
                );
                assert!(
                    matches!(entered, Err(RuntimeError::NoSuchUser(_))),
                    "{user}: {entered:?}"
                );
            }
        }
    };
    check("1000", Some("1000100010001000\n0000\n"));
    check("1000:77", Some("1000100010001000\n77777777\n"));
    check("minus", None);
    check("half", None);
    check("0:minus", None);
    check("4294967295", None);
}

/// What a group may not do, its member cannot do either: the group is among the process's further ones,
/// so that giving up the first (by a program with a set-group-id bit) does not leave it.
#[test]
fn the_own_group_is_among_the_further_ones() {
    let mut scene = Scene::new();
    let mut check = |user: &str, expected: &str| {
        let script = "grep ^Groups: /proc/self/status | cut -f 2";
        let mut spec = Scene::shell("grep ^Groups: /proc/self/status | awk '{$1=\"\"; print}'");
        user.clone_into(&mut spec.process.user);
        let mut further = further(&spec.process.command[2]);
        user.clone_into(&mut further.user);
        assert_eq!(scene.output(spec).trim(), expected, "{user}: {script}");
        let (id, _) = scene.start(Scene::command(&["sleep", "600"]));
        assert_eq!(
            exec(&mut scene, &id, &further).unwrap().trim(),
            expected,
            "{user}"
        );
    };
    check("ana", "10 100");
    check("4711:77", "77");
    check("4711", "0");
}

/// A directory of the machine that no container has, with a secret in it: the way there from any
/// directory of the machine, and from nowhere else.
fn secret(scene: &Scene) -> String {
    let place = scene.dir.join("secret");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("file"), "secret").unwrap();
    format!("./{}{}/file", "../".repeat(30), place.to_str().unwrap())
}

/// A working directory that is a descriptor of the process on its way in leads to nothing of the machine.
#[test]
fn no_descriptor_of_the_machine_is_a_working_directory() {
    let mut scene = Scene::new();
    let secret = secret(&scene);
    let script = format!("cat {secret} 2>/dev/null; true");
    let (sleeper, _) = scene.start(Scene::command(&["sleep", "600"]));
    let mut entered = 0;
    for number in 0..DESCRIPTORS {
        for way in ["/proc/self/fd", "/proc/1/fd", "/proc/thread-self/fd", "/dev/fd"] {
            let directory = format!("{way}/{number}");
            let mut spec = Scene::shell(&script);
            spec.process.working_dir.clone_from(&directory);
            let id = scene.create(spec);
            if scene.runtime.start(&id).is_ok() {
                scene.end(&id);
                assert_eq!(scene.log(&id).0, "", "{directory}");
                entered += 1;
            }
            let mut further = further(&script);
            further.working_dir.clone_from(&directory);
            if let Ok(text) = exec(&mut scene, &sleeper, &further) {
                assert_eq!(text, "", "{directory}");
                entered += 1;
            }
            scene.runtime.remove(&id).unwrap();
        }
    }
    // The script would have found it, had it been led out.
    let found = Command::new("sh")
        .args(["-c", &script])
        .current_dir(&scene.dir)
        .output()
        .unwrap();
    assert_eq!(found.stdout, b"secret");
    assert!(entered < DESCRIPTORS * 8, "some of them are no directories");
}

/// Three streams, and nothing that was the shim's.
#[test]
fn a_process_is_given_three_descriptors() {
    let mut scene = Scene::new();
    // The fourth is that of the directory in which the shell finds these names.
    let (script, expected) = ("cd /proc/$$/fd; echo *", "0 1 2 3");
    assert_eq!(scene.output(Scene::shell(script)).trim(), expected);
    for tty in [false, true] {
        let mut spec = Scene::shell(script);
        spec.process.tty = tty;
        spec.process.init = true;
        let (id, _) = scene.start(spec);
        scene.end(&id);
        assert_eq!(scene.log(&id).0.trim(), expected, "tty: {tty}");
    }
    let (id, _) = scene.start(Scene::command(&["sleep", "600"]));
    assert_eq!(exec(&mut scene, &id, &further(script)).unwrap().trim(), expected);
}

/// A scene whose containers are led in by a copy of the program, for what is tried on it may succeed.
fn with_program_of_its_own() -> (Scene, std::path::PathBuf) {
    let dir = room().join(format!("program-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let program = dir.join("program");
    fs::copy(env!("CARGO_BIN_EXE_socketd-bridge"), &program).unwrap();
    let shim = program.clone();
    (Scene::with(NativeOptions { shim, ..options() }, &[]), dir)
}

/// A container that tries to write to the program of everything that it can see, while processes are led
/// in; and commands that lead back to the program of the machine.
#[test]
fn the_machines_program_is_not_overwritten_from_within() {
    let (mut scene, dir) = with_program_of_its_own();
    let program = dir.join("program");
    let before = fs::read(&program).unwrap();
    let watch = "echo watching; while :; do for p in /proc/[0-9]*; do \
                 test $p = /proc/1 || { echo bad > $p/exe && echo overwritten $p; }; done 2>/dev/null; done";
    for privileged in [false, true] {
        let mut spec = Scene::shell(watch);
        spec.security.privileged = privileged;
        let (id, _) = scene.start(spec);
        scene.await_output(&id, "watching");
        for round in 0..ROUNDS {
            let mut further = further("true");
            if round % 2 == 0 {
                further.arguments = vec!["/proc/self/exe".to_owned(), "shim".to_owned()];
            }
            let _ = exec(&mut scene, &id, &further);
        }
        assert_eq!(scene.log(&id).0, "watching\n", "privileged: {privileged}");
        let entry = [
            ("entry", "#!/proc/self/exe shim\n"),
            ("lead", "#!/proc/self/exe\n"),
        ];
        for command in ["/proc/self/exe", "/proc/1/exe", "/entry", "/lead"] {
            let mut spec = Scene::command(&[command]);
            spec.security.privileged = privileged;
            let id = with_files(&mut scene, spec, &entry);
            if scene.runtime.start(&id).is_ok() {
                assert_ne!(scene.end(&id).code, 0, "{command}");
            }
        }
    }
    assert!(fs::read(&program).unwrap() == before, "the program is another");
    drop(scene);
    fs::remove_dir_all(dir).unwrap();
}

/// Whoever is led in is never seen with a power that the container has not, nor can its memory, its
/// descriptors or its environment be looked at, though the container may trace.
#[test]
fn nobody_is_seen_with_powers_on_its_way_in() {
    let mut scene = Scene::new();
    for (added, expected) in [("MKNOD", "00000000a80425fb"), ("SYS_PTRACE", "00000000a80c25fb")] {
        let watch = "echo watching; while :; do cat /proc/[0-9]*/status; ls -l /proc/[0-9]*/fd; \
                     cat /proc/[0-9]*/environ; done 2>/dev/null | grep -aoE '(CapPrm|CapEff|CapBnd).*|mnt:.*|SECRET'";
        let mut spec = Scene::shell(watch);
        spec.security.capabilities_added = vec![added.to_owned()];
        let (id, _) = scene.start(spec);
        scene.await_output(&id, "CapEff");
        for _ in 0..ROUNDS {
            exec(&mut scene, &id, &further("true")).unwrap();
        }
        scene.runtime.signal(&id, nix::libc::SIGKILL).unwrap();
        scene.end(&id);
        let log = scene.log(&id).0;
        let seen: BTreeSet<&str> = log.lines().filter(|line| !line.contains(expected)).collect();
        let half = |line: &&str| !line.ends_with(expected) && line.len() < 24;
        assert!(seen.iter().all(half), "{added}: {seen:?}");
    }
}

/// A small init has no power but to signal, and no way to another, though the command may trace it.
#[test]
fn a_small_init_is_nothing_to_gain_by() {
    let mut scene = Scene::new();
    let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/1/status | awk '{print $1 $2}'";
    for (privileged, filter) in [(false, "2".to_owned()), (true, own_filters())] {
        let mut spec = Scene::shell(script);
        spec.process.init = true;
        spec.security.privileged = privileged;
        spec.security.capabilities_added = vec!["SYS_PTRACE".to_owned()];
        let none = "0000000000000000";
        let kill = "0000000000000020";
        let expected = format!(
            "CapInh:{none} CapPrm:{kill} CapEff:{kill} CapBnd:{none} CapAmb:{none} NoNewPrivs:1 Seccomp:{filter}"
        );
        assert_eq!(
            scene
                .output(spec)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            expected
        );
    }
}

/// Powers that a file or a program could bring back are in no set of any process.
#[test]
fn nothing_is_inheritable() {
    let mut scene = Scene::new();
    let script = "grep -E 'Cap(Inh|Amb)' /proc/self/status | cut -f 2";
    let none = "0000000000000000\n".repeat(2);
    for privileged in [false, true] {
        let mut spec = Scene::shell(script);
        spec.security.privileged = privileged;
        assert_eq!(scene.output(spec), none, "privileged: {privileged}");
        let (id, _) = scene.start(Scene::command(&["sleep", "600"]));
        for user in ["", "ana"] {
            let mut further = further(script);
            further.privileged = privileged;
            user.clone_into(&mut further.user);
            assert_eq!(
                exec(&mut scene, &id, &further).unwrap(),
                none,
                "{privileged} {user}"
            );
        }
    }
}

/// A shim listens in a directory that only root enters, under no name that others could take or reach.
#[test]
fn no_shim_listens_where_a_container_could_connect() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("cat /proc/net/unix; sleep 600");
    spec.network.mode = wire::spec::NetworkMode::Host;
    let (id, _) = scene.start(spec);
    scene.await_output(&id, "Path");
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let hex = id.hex().as_str().to_owned();
    let names: Vec<&str> = sockets
        .lines()
        .filter_map(|line| line.split_whitespace().nth(7))
        .collect();
    assert!(
        names
            .iter()
            .all(|name| !name.starts_with('@') || !name.contains("socketd")),
        "{names:?}"
    );
    // Bound through a descriptor, its name says nothing of where it is.
    assert!(names.iter().all(|name| !name.contains(&hex)), "{names:?}");
    let control = scene.directory(&id).join("control");
    let mut command = Command::new("/bin/busybox");
    let connect = command.args(["nc", "local:"]).arg(&control).uid(65_534);
    assert!(!connect.output().unwrap().status.success());
    assert!(bridge::shim::control::connect_to(&scene.directory(&id)).is_ok());
}

/// What is left of a list of users when it is no list, or does not end.
#[test]
fn a_list_of_users_that_is_none() {
    let mut scene = Scene::new();
    let long = format!("{}root:x:0:0::/root:/bin/sh\n", "x:".repeat(1 << 20));
    for (text, expected) in [("", "0\n"), ("\0\n:::\n:x:0:0\n", "0\n"), (long.as_str(), "0\n")] {
        let files = [("etc/passwd", text), ("etc/group", text)];
        assert_eq!(run_with(&mut scene, Scene::shell("id -u"), &files), expected);
    }
    // A file that is none keeps it from starting, and holds up nobody.
    for target in ["/dev/zero", "/proc/kmsg", "/proc/self/fd/0", "/etc"] {
        let id = scene.create(Scene::shell("id -u"));
        let etc = scene.directory(&id).join("upper/etc");
        fs::create_dir_all(&etc).unwrap();
        symlink(target, etc.join("passwd")).unwrap();
        if scene.runtime.start(&id).is_ok() {
            scene.end(&id);
            assert_eq!(scene.log(&id).0, "0\n", "{target}");
        }
    }
}

/// What a process finds in its environment was asked for, or says who it is; nothing is the bridge's.
#[test]
fn an_environment_is_what_was_asked() {
    let mut scene = Scene::new();
    assert!(
        std::env::var_os("CARGO_MANIFEST_DIR").is_some(),
        "there is something to be seen"
    );
    let mut other = Scene::command(&["sleep", "600"]);
    other.process.env = vec!["SECRET=other".to_owned()];
    scene.start(other);
    let mut spec = Scene::command(&["cat", "/proc/self/environ"]);
    // A name alone is not looked up anywhere.
    spec.process.env = vec![
        "A=b".to_owned(),
        "CARGO_MANIFEST_DIR".to_owned(),
        "SECRET".to_owned(),
    ];
    spec.hostname = "box".to_owned();
    let names = |text: &str| {
        let found: BTreeSet<_> = text
            .split('\0')
            .map(|one| one.split('=').next().unwrap().to_owned())
            .collect();
        assert!(
            !text.contains("other") && !text.contains("CARGO_MANIFEST_DIR="),
            "{text:?}"
        );
        found
            .into_iter()
            .filter(|name| !name.is_empty() && !name.contains("SECRET") && !name.starts_with("CARGO"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&scene.output(spec.clone())),
        ["A", "HOME", "HOSTNAME", "PATH"]
    );
    spec.process.command = vec!["sleep".to_owned(), "600".to_owned()];
    let (id, _) = scene.start(spec);
    let further = ExecSpec {
        arguments: ["cat", "/proc/self/environ"].map(str::to_owned).to_vec(),
        attach_stdout: true,
        ..ExecSpec::default()
    };
    assert_eq!(
        names(&exec(&mut scene, &id, &further).unwrap()),
        ["A", "HOME", "HOSTNAME", "PATH"]
    );
}
