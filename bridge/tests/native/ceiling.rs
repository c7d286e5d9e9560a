//! What no container may be given, judged where it would be given: nobody has judged before.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use bridge::ceiling::Powers;
use bridge::runtime::native::NativeOptions;
use bridge::runtime::{Condition, Runtime, RuntimeError};
use wire::spec::{Device, NetworkMode, Pair, Spec, Ulimit};

use crate::files::bind;
use crate::scene::{Scene, exchange, exchanges, options};

/// Least starts of containers while links are exchanged, and most until both outcomes were seen.
const STARTS: std::ops::Range<u32> = 20..400;

fn words(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|&word| word.to_owned()).collect())
}

/// A scene whose containers may have one directory of the host, `allowed`, beside which lies `secret`.
struct Fenced {
    scene: Scene,
    dir: PathBuf,
}

impl Fenced {
    fn new() -> Self {
        let mut scene = Scene::new();
        let dir = fs::canonicalize(&scene.dir).unwrap();
        for (folder, text) in [
            ("allowed/inner", "inside"),
            ("secret", "outside"),
            ("public", "read"),
        ] {
            fs::create_dir_all(dir.join(folder)).unwrap();
            fs::write(dir.join(folder).join("what"), text).unwrap();
        }
        let at = |inner: &str| dir.join(inner).to_str().unwrap().to_owned();
        scene.restart_under(Powers {
            binds: Some(vec![at("allowed")]),
            binds_read_only: Some(vec![at("public")]),
            ..Powers::default()
        });
        Self { scene, dir }
    }

    fn at(&self, inner: &str) -> String {
        self.dir.join(inner).to_str().unwrap().to_owned()
    }

    fn mounting(source: &str) -> Spec {
        let mut spec = Scene::shell("cat /door/what");
        spec.mounts = vec![bind(source, "/door")];
        spec
    }

    #[track_caller]
    fn allowed(&mut self, spec: Spec, expected: &str) {
        assert_eq!(self.scene.output(spec), expected);
    }

    #[track_caller]
    fn denied(&mut self, spec: Spec, key: &str) {
        check_denied(&self.scene.failure(spec), key);
    }
}

#[track_caller]
fn check_denied(error: &RuntimeError, key: &str) {
    match error {
        RuntimeError::NotPermitted(said) => {
            assert!(said.starts_with("the bridge's ceiling does not allow "), "{said}");
            assert!(said.ends_with(&format!("({key})")), "{said}");
        }
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn sources_lie_below_what_is_allowed() {
    let mut fenced = Fenced::new();
    symlink("../secret", fenced.dir.join("allowed/out")).unwrap();
    symlink("inner", fenced.dir.join("allowed/within")).unwrap();
    symlink("allowed/inner", fenced.dir.join("in")).unwrap();
    fs::create_dir(fenced.dir.join("allowed-not")).unwrap();
    for inner in [
        "allowed/inner",
        "allowed/within",
        "in",
        "secret/../allowed/inner/.",
    ] {
        let spec = Fenced::mounting(&fenced.at(inner));
        fenced.allowed(spec, "inside");
    }
    for inner in [
        "secret",
        "allowed/out",
        "allowed/../secret",
        "allowed-not",
        ".",
        "allowed/out/what",
    ] {
        let spec = Fenced::mounting(&fenced.at(inner));
        fenced.denied(spec, "binds");
    }
    // The same place by ways that only the kernel knows.
    let secret = fenced.at("secret");
    for way in ["/proc/self/root", "/proc/self/cwd", "/proc/thread-self/root"] {
        let spec = Fenced::mounting(&format!("{way}{secret}"));
        fenced.denied(spec, "binds");
    }
    for source in ["/", "/etc", "/dev", "/proc", "/sys", "/proc/self/fd/0"] {
        let spec = Fenced::mounting(source);
        fenced.denied(spec, "binds");
    }
}

#[test]
fn what_may_be_read_is_not_written() {
    let mut fenced = Fenced::new();
    let writable = Fenced::mounting(&fenced.at("public"));
    let mut read_only = writable.clone();
    read_only.mounts[0].read_only = true;
    fenced.denied(writable, "binds_read_only");
    fenced.allowed(read_only.clone(), "read");
    let mut made = read_only.clone();
    made.mounts[0].source = fenced.at("public/new");
    fenced.denied(made, "binds");
    assert!(!fenced.dir.join("public/new").exists());
    // With this it could mount it again as it likes.
    read_only.security.capabilities_added = vec!["SYS_ADMIN".to_owned()];
    fenced.denied(read_only.clone(), "binds");
    read_only.security.capabilities_added.clear();
    read_only.security.privileged = true;
    fenced.denied(read_only, "binds");
}

#[test]
fn sources_are_made_below_what_is_allowed_only() {
    let mut fenced = Fenced::new();
    symlink("../secret", fenced.dir.join("allowed/out")).unwrap();
    symlink(fenced.at("secret/new"), fenced.dir.join("allowed/dangling")).unwrap();
    let mut spec = Fenced::mounting(&fenced.at("allowed/made/deep"));
    spec.process.command = ["ls", "/door"].map(str::to_owned).to_vec();
    fenced.allowed(spec, "");
    assert!(fenced.dir.join("allowed/made/deep").is_dir());
    for inner in [
        "secret/new",
        "new",
        "allowed/out/new",
        "allowed/dangling",
        "allowed/dangling/new",
        "allowed/missing/../../secret/new",
    ] {
        let spec = Fenced::mounting(&fenced.at(inner));
        fenced.denied(spec, "binds");
        for made in ["secret/new", "new"] {
            assert!(!fenced.dir.join(made).exists(), "{inner} made {made}");
        }
    }
}

/// Exchanges two names without end while `act` runs.
fn while_exchanging<T>(one: &str, other: &str, act: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                exchange(one.as_ref(), other.as_ref());
            }
        });
        // Also where it panics, or the scope would wait for ever.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        done.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn links_that_are_exchanged_meanwhile_lead_nowhere() {
    if !exchanges() {
        return;
    }
    let mut fenced = Fenced::new();
    fs::rename(fenced.dir.join("allowed/inner"), fenced.dir.join("allowed/door")).unwrap();
    symlink(fenced.at("secret"), fenced.dir.join("allowed/trap")).unwrap();
    let (door, trap) = (fenced.at("allowed/door"), fenced.at("allowed/trap"));
    let spec = Fenced::mounting(&door);
    let (mut inside, mut denied) = (0, 0);
    while_exchanging(&door, &trap, || {
        for start in 0..STARTS.end {
            let id = fenced.scene.create(spec.clone());
            match fenced.scene.runtime.start(&id) {
                Ok(_) => {
                    fenced.scene.end(&id);
                    assert_eq!(fenced.scene.log(&id), ("inside".to_owned(), String::new()));
                    inside += 1;
                }
                Err(error) => {
                    check_denied(&error, "binds");
                    denied += 1;
                }
            }
            if start >= STARTS.start && inside > 0 && denied > 0 {
                break;
            }
        }
    });
    assert!(inside > 0 && denied > 0, "{inside} {denied}");
}

#[test]
fn nothing_is_made_where_an_exchanged_link_leads() {
    if !exchanges() {
        return;
    }
    let mut fenced = Fenced::new();
    fs::create_dir(fenced.dir.join("allowed/door")).unwrap();
    symlink(fenced.at("secret"), fenced.dir.join("allowed/trap")).unwrap();
    let (door, trap) = (fenced.at("allowed/door"), fenced.at("allowed/trap"));
    while_exchanging(&door, &trap, || {
        for start in 0..STARTS.start {
            // Each makes another one.
            let mut spec = Fenced::mounting(&format!("{door}/new-{start}"));
            spec.process.command = ["true"].map(str::to_owned).to_vec();
            let id = fenced.scene.create(spec);
            match fenced.scene.runtime.start(&id) {
                Ok(_) => drop(fenced.scene.end(&id)),
                Err(error) => check_denied(&error, "binds"),
            }
        }
    });
    let left: Vec<_> = fs::read_dir(fenced.dir.join("secret"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn each_power_is_denied_by_its_key() {
    let mut scene = Scene::new();
    let mut check = |powers: Powers, change: &dyn Fn(&mut Spec), key: &str| {
        let mut spec = Scene::shell("true");
        change(&mut spec);
        // Made before the ceiling was lowered.
        let id = scene.create(spec);
        scene.restart_under(powers);
        check_denied(&scene.runtime.start(&id).unwrap_err(), key);
        let plain = scene.create(Scene::shell("true"));
        scene.runtime.start(&plain).unwrap();
        assert_eq!(scene.end(&plain).code, 0, "{key}");
    };
    let none = Powers::default;
    check(
        Powers {
            privileged: Some(false),
            ..none()
        },
        &|spec| spec.security.privileged = true,
        "privileged",
    );
    check(
        Powers {
            capabilities: words(&["NET_ADMIN"]),
            ..none()
        },
        &|spec| spec.security.capabilities_added = vec!["SYS_TIME".to_owned()],
        "capabilities",
    );
    check(
        Powers {
            unconfined: Some(false),
            ..none()
        },
        &|spec| spec.security.options = vec!["seccomp=unconfined".to_owned()],
        "unconfined",
    );
    check(
        Powers {
            host_namespaces: Some(false),
            ..none()
        },
        &|spec| spec.network.mode = NetworkMode::Host,
        "host_namespaces",
    );
    check(
        Powers {
            sysctls: words(&[]),
            ..none()
        },
        &|spec| spec.security.sysctls = vec![Pair::new("net.ipv4.ip_forward", "1")],
        "sysctls",
    );
    check(
        Powers {
            raised_limits: Some(false),
            ..none()
        },
        &|spec| {
            spec.resources.ulimits = vec![Ulimit {
                name: "rtprio".to_owned(),
                soft: 1,
                hard: 99,
            }];
        },
        "raised_limits",
    );
}

#[test]
fn devices_are_judged_by_the_node() {
    let mut scene = Scene::new();
    scene.restart_under(Powers {
        devices: words(&["/dev/zero"]),
        ..Powers::default()
    });
    let link = scene.dir.join("zero");
    symlink("/dev/zero", &link).unwrap();
    let other = scene.dir.join("full");
    symlink("/dev/full", &other).unwrap();
    let with = |source: &str| {
        let mut spec = Scene::shell("head -c 4 /dev/mine | wc -c");
        spec.security.devices = vec![Device {
            source: source.to_owned(),
            target: "/dev/mine".to_owned(),
            permissions: "rwm".to_owned(),
        }];
        spec
    };
    assert_eq!(scene.output(with("/dev/zero")), "4\n");
    assert_eq!(scene.output(with(link.to_str().unwrap())), "4\n");
    for source in ["/dev/full", other.to_str().unwrap(), "/dev/zero/../full"] {
        match scene.failure(with(source)) {
            RuntimeError::InvalidSpec(_) if source.contains("..") => {}
            error => check_denied(&error, "devices"),
        }
    }
    // One that has all of them has more than one.
    let mut spec = Scene::shell("true");
    spec.security.privileged = true;
    check_denied(&scene.failure(spec), "devices");
}

#[test]
fn what_runs_goes_on_and_does_not_come_back() {
    let mut scene = Scene::new();
    let mut spec = Scene::command(&["sleep", "600"]);
    spec.security.privileged = true;
    let (id, started) = scene.start(spec);
    scene.restart_under(Powers {
        privileged: Some(false),
        ..Powers::default()
    });
    match &scene.found[..] {
        [found] => assert!(matches!(found.condition, Condition::Running { pid, .. } if pid == started.pid)),
        found => panic!("{found:?}"),
    }
    scene.runtime.signal(&id, 9).unwrap();
    assert_eq!(scene.end(&id).code, 137);
    check_denied(&scene.runtime.start(&id).unwrap_err(), "privileged");
}

#[test]
fn files_of_one_that_does_not_run_are_not_a_way_round() {
    let mut fenced = Fenced::new();
    fenced.scene.restart_under(Powers::default());
    let (secret, allowed) = (fenced.at("secret"), fenced.at("allowed"));
    // Its mount points are made by its first start.
    let spec = Fenced::mounting(&secret);
    let (id, _) = fenced.scene.start(spec);
    fenced.scene.end(&id);
    assert_eq!(fenced.scene.runtime.stat_path(&id, "/door/what").unwrap().size, 7);
    fenced.scene.restart_under(Powers {
        binds: Some(vec![allowed]),
        ..Powers::default()
    });
    let runtime = &fenced.scene.runtime;
    check_denied(&runtime.stat_path(&id, "/door/what").unwrap_err(), "binds");
    check_denied(&runtime.read_archive(&id, "/door/what").unwrap_err(), "binds");
}

#[test]
fn the_machine_s_own_files_are_a_mount_of_its_root() {
    let demo = NativeOptions {
        demo: true,
        ..options()
    };
    let mut scene = Scene::with(demo, &[]);
    let images = scene.runtime.images();
    let host = images.iter().find(|image| !image.tags.is_empty()).unwrap();
    scene.image = host.id;
    let spec = Scene::command(&["/bin/true"]);
    let made = scene.create(spec.clone());
    scene.restart_under(Powers {
        binds: words(&["/srv"]),
        ..Powers::default()
    });
    check_denied(&scene.runtime.start(&made).unwrap_err(), "binds");
    check_denied(&scene.try_create(spec).unwrap_err(), "binds");
}
