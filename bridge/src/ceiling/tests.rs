#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use proptest::prelude::*;
use wire::spec::{Device, Mount, MountKind, NetworkMode, Pair, Ulimit};

use super::*;
use crate::shim::plan::capabilities;
use crate::shim::plan::options::SecurityOptions;

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|&word| word.to_owned()).collect()
}

fn spec(change: impl FnOnce(&mut Spec)) -> Spec {
    let mut spec = Spec::default();
    change(&mut spec);
    spec
}

fn bind(source: &str, read_only: bool) -> Mount {
    Mount {
        kind: MountKind::Bind,
        source: source.to_owned(),
        target: "/inner".to_owned(),
        read_only,
        ..Mount::default()
    }
}

/// Judges under the ceiling of this text; `expected` is the key that denies it, empty for none.
#[track_caller]
fn check(text: &str, spec: &Spec, expected: &str) {
    let judged = text::parse(text).unwrap().judge_asked(spec);
    match (expected, judged) {
        ("", judged) => assert_eq!(judged, Ok(()), "{text}: {spec:?}"),
        (key, Err(denied)) => assert!(
            denied.to_string().ends_with(&format!("({key})")),
            "{text}: {denied}"
        ),
        (key, Ok(())) => panic!("{text}: {key} does not deny {spec:?}"),
    }
}

/// Everything denied at once.
const NOTHING: &str = "privileged = false\nhost_namespaces = false\nunconfined = false\n\
    raised_limits = false\ncapabilities = []\ndevices = []\nbinds = []\nbinds_read_only = []\nsysctls = []";

#[test]
fn a_plain_container_is_always_allowed() {
    let plain = spec(|spec| {
        spec.process.tty = true;
        spec.process.user = "0".to_owned();
        spec.resources.memory_bytes = 1 << 30;
        spec.security.capabilities_added = words(&["chown", "CAP_KILL"]);
        spec.security.capabilities_dropped = words(&["ALL"]);
        spec.security.options = words(&["no-new-privileges", "apparmor=unconfined", "label=disable"]);
        spec.network.mode = NetworkMode::Bridge;
        spec.mounts.push(Mount {
            kind: MountKind::Tmpfs,
            target: "/tmp".to_owned(),
            ..Mount::default()
        });
    });
    check(NOTHING, &plain, "");
}

#[test]
fn everything_is_allowed_without_a_ceiling() {
    let everything = spec(|spec| {
        spec.security.privileged = true;
        spec.network.mode = NetworkMode::Host;
        spec.mounts.push(bind("/", false));
        spec.security.options = words(&["seccomp=unconfined"]);
    });
    check("", &everything, "");
}

#[test]
fn privileged_containers() {
    let privileged = spec(|spec| spec.security.privileged = true);
    check("privileged = false", &privileged, "privileged");
    check("privileged = true", &privileged, "");
    // It has what these keep from others.
    check("capabilities = []", &privileged, "capabilities");
    check("capabilities = [\"SYS_ADMIN\"]", &privileged, "capabilities");
    check("capabilities = [\"ALL\"]", &privileged, "");
    check("unconfined = false", &privileged, "unconfined");
    check("devices = []", &privileged, "devices");
    check("devices = [\"/dev/fuse\"]", &privileged, "devices");
    check("devices = [\"/dev\"]", &privileged, "");
    check("devices = [\"/\"]", &privileged, "");
}

#[test]
fn further_processes() {
    let judged = |text: &str, privileged| {
        let exec = ExecSpec {
            privileged,
            ..ExecSpec::default()
        };
        let ceiling = text::parse(text).unwrap();
        ceiling
            .judge_exec(&Container::default(), &Spec::default(), &exec)
            .is_ok()
    };
    for text in [
        "privileged = false",
        "capabilities = []",
        "devices = []",
        "unconfined = false",
    ] {
        assert!(judged(text, false), "{text}");
        assert!(!judged(text, true), "{text}");
    }
    assert!(judged("", true));
}

#[test]
fn a_process_with_every_power_writes_to_what_is_read_only() {
    let ceiling = text::parse("binds_read_only = [\"/etc\"]").unwrap();
    let asked = spec(|spec| spec.mounts.push(bind("/etc", true)));
    let exec = |privileged| ExecSpec {
        privileged,
        ..ExecSpec::default()
    };
    let container = Container::default();
    assert_eq!(ceiling.judge_exec(&container, &asked, &exec(false)), Ok(()));
    let denied = ceiling.judge_exec(&container, &asked, &exec(true)).unwrap_err();
    assert!(denied.to_string().ends_with("(binds)"), "{denied}");
}

#[test]
fn capabilities_beside_the_usual() {
    let with = |names: &[&str]| spec(|spec| spec.security.capabilities_added = words(names));
    check("capabilities = []", &with(&["NET_ADMIN"]), "capabilities");
    check("capabilities = []", &with(&["ALL"]), "capabilities");
    check("capabilities = []", &with(&["all"]), "capabilities");
    check("capabilities = []", &with(&["FLY"]), "capabilities");
    check("capabilities = [\"NET_ADMIN\"]", &with(&["cap_net_admin"]), "");
    check(
        "capabilities = [\"NET_ADMIN\"]",
        &with(&["net_admin", "sys_time"]),
        "capabilities",
    );
    check("capabilities = [\"ALL\"]", &with(&["ALL"]), "");
    // Taking some away from all of them leaves more than the usual.
    let all_but_one = spec(|spec| {
        spec.security.capabilities_added = words(&["ALL"]);
        spec.security.capabilities_dropped = words(&["SYS_ADMIN"]);
    });
    check("capabilities = [\"NET_ADMIN\"]", &all_but_one, "capabilities");
}

#[test]
fn security_options() {
    let with = |option: &str| spec(|spec| spec.security.options = words(&[option]));
    for option in [
        "seccomp=unconfined",
        "seccomp:unconfined",
        "systempaths=unconfined",
        "new=option",
        "",
    ] {
        check("unconfined = false", &with(option), "unconfined");
        check("unconfined = true", &with(option), "");
    }
    check("unconfined = false", &with("seccomp=builtin"), "");
}

#[test]
fn namespaces_limits_and_settings() {
    let network = |mode| spec(|spec| spec.network.mode = mode);
    check(
        "host_namespaces = false",
        &network(NetworkMode::Host),
        "host_namespaces",
    );
    check(
        "host_namespaces = false",
        &network(NetworkMode::Unknown(77)),
        "host_namespaces",
    );
    for mode in [
        NetworkMode::Default,
        NetworkMode::None,
        NetworkMode::Bridge,
        NetworkMode::Named,
    ] {
        check("host_namespaces = false", &network(mode), "");
    }
    let killer = |adjustment| spec(|spec| spec.resources.oom_score_adjustment = adjustment);
    check("raised_limits = false", &killer(-1), "raised_limits");
    check("raised_limits = false", &killer(1000), "");
    let limit = |name: &str, hard| {
        spec(|spec| {
            spec.resources.ulimits = vec![Ulimit {
                name: name.to_owned(),
                soft: 0,
                hard,
            }];
        })
    };
    let (_, own) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    let own = i64::try_from(own).unwrap();
    check("raised_limits = false", &limit("nofile", own), "");
    check(
        "raised_limits = false",
        &limit("nofile", own + 1),
        "raised_limits",
    );
    check("raised_limits = false", &limit("nofile", -1), "raised_limits");
    check("raised_limits = false", &limit("wings", 0), "raised_limits");
    let sysctl = |key: &str| spec(|spec| spec.security.sysctls = vec![Pair::new(key, "1")]);
    check("sysctls = []", &sysctl("net.ipv4.ip_forward"), "sysctls");
    check(
        "sysctls = [\"net.ipv4.ip_forward\"]",
        &sysctl("net/ipv4/ip_forward"),
        "",
    );
    check(
        "sysctls = [\"net.ipv4\"]",
        &sysctl("net.ipv4.ip_forward"),
        "sysctls",
    );
}

#[test]
fn runtimes() {
    let ceiling = Ceiling {
        runtimes: Some(words(&["one"])),
        ..Ceiling::default()
    };
    assert_eq!(ceiling.judge_runtime("one"), Ok(()));
    assert!(ceiling.judge_runtime("two").is_err());
    assert_eq!(Ceiling::default().judge_runtime("two"), Ok(()));
    assert_eq!(ceiling.for_root().judge_runtime("two"), Ok(()));
}

#[test]
fn the_machine_s_own_files_are_a_mount_of_its_root() {
    let container = Container {
        lower_dirs: words(&["/"]),
        ..Container::default()
    };
    let judged = |text: &str| {
        text::parse(text)
            .unwrap()
            .judge(&container, &Spec::default())
            .is_ok()
    };
    assert!(judged(""));
    assert!(judged("binds_read_only = [\"/\"]"));
    assert!(judged("binds = [\"/\"]"));
    assert!(!judged("binds = []"));
    assert!(!judged("binds = [\"/srv\"]"));
}

/// A directory with links that lead out of its part `allowed`.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("socketd-ceiling-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("allowed/inner")).unwrap();
        fs::create_dir_all(path.join("allowed-not")).unwrap();
        fs::create_dir_all(path.join("other")).unwrap();
        for (link, target) in [
            ("allowed/out", "../other"),
            ("allowed/away", "/etc"),
            ("allowed/nowhere", "/nowhere/at/all"),
            ("allowed/within", "inner"),
            ("in", "allowed"),
        ] {
            symlink(target, path.join(link)).unwrap();
        }
        Self(fs::canonicalize(path).unwrap())
    }

    fn at(&self, inner: &str) -> String {
        format!("{}/{inner}", self.0.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn sources_are_judged_by_where_they_lead() {
    let scratch = Scratch::new("sources");
    let text = format!("binds = [{:?}]", scratch.at("allowed"));
    let with = |inner: &str| {
        spec(|spec| {
            spec.mounts = vec![bind(&scratch.at(inner), false)];
        })
    };
    for inner in [
        "allowed",
        "allowed/",
        "allowed/inner",
        "allowed/./inner/..",
        "allowed/within",
        "allowed/inner/../../allowed/inner",
        "in/inner",
        "other/../allowed",
        "allowed/new/place",
        "in/new",
    ] {
        check(&text, &with(inner), "");
    }
    for inner in [
        "",
        "other",
        "allowed-not",
        "allowed/..",
        "allowed/../other",
        "allowed/out",
        "allowed/out/new",
        "allowed/away",
        "allowed/away/passwd",
        "in/out",
        "new",
        "allowed/new/../../other",
    ] {
        check(&text, &with(inner), "binds");
    }
    check(
        &text,
        &spec(|spec| spec.mounts = vec![bind("allowed", false)]),
        "binds",
    );
    check(&text, &spec(|spec| spec.mounts = vec![bind("", false)]), "binds");
    // Whatever kind of mount that is.
    let unknown = spec(|spec| {
        spec.mounts = vec![Mount {
            kind: MountKind::Unknown(9),
            ..bind("/etc", false)
        }];
    });
    check(&text, &unknown, "binds");
}

#[test]
fn sources_that_are_read_only() {
    let scratch = Scratch::new("reading");
    let both = format!(
        "binds = [{:?}]\nbinds_read_only = [{:?}]",
        scratch.at("allowed"),
        scratch.at("other")
    );
    let alone = format!("binds_read_only = [{:?}]", scratch.at("other"));
    let with = |inner: &str, read_only, added: &[&str]| {
        spec(|spec| {
            spec.mounts = vec![bind(&scratch.at(inner), read_only)];
            spec.security.capabilities_added = words(added);
        })
    };
    check(&both, &with("allowed", false, &[]), "");
    check(&both, &with("allowed", true, &[]), "");
    check(&both, &with("other", true, &[]), "");
    check(&both, &with("other", false, &[]), "binds_read_only");
    check(&alone, &with("allowed", true, &[]), "binds");
    check(&alone, &with("other", true, &[]), "");
    // With these it makes the mount writable.
    check(&alone, &with("other", true, &["SYS_ADMIN"]), "binds");
    check(&alone, &with("other", true, &["ALL"]), "binds");
    check(&alone, &with("other", true, &["NET_ADMIN"]), "");
}

#[test]
fn devices_are_judged_by_where_they_lead() {
    let scratch = Scratch::new("devices");
    symlink("/dev/zero", scratch.0.join("zero")).unwrap();
    let with = |source: &str| {
        spec(|spec| {
            spec.security.devices = vec![Device {
                source: source.to_owned(),
                ..Device::default()
            }];
        })
    };
    check("devices = []", &with("/dev/zero"), "devices");
    check("devices = [\"/dev/zero\"]", &with("/dev/zero"), "");
    check("devices = [\"/dev/zero\"]", &with(&scratch.at("zero")), "");
    check("devices = [\"/dev/zero\"]", &with("/dev/zero0"), "devices");
    check("devices = [\"/dev/null\"]", &with(&scratch.at("zero")), "devices");
    let own = format!("devices = [{:?}]", scratch.at(""));
    check(&own, &with(&scratch.at("zero")), "devices");
}

#[test]
fn gaps_are_said() {
    let count = |text: &str| text::parse(text).unwrap().gaps().len();
    assert_eq!(count(""), 0);
    assert_eq!(count(NOTHING), 0);
    assert_eq!(count("host_namespaces = false"), 1);
    assert_eq!(count("binds = []"), 3);
    assert_eq!(count("access = \"operate\"\nbinds = []"), 0);
    assert_eq!(count("capabilities = [\"SYS_ADMIN\", \"NET_ADMIN\"]"), 1);
    let scratch = Scratch::new("gaps");
    let through_a_link = format!(
        "binds = [{:?}]\n{}",
        scratch.at("in"),
        "devices = []\ncapabilities = []"
    );
    assert_eq!(count(&through_a_link), 1);
}

fn any_word(list: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(list).prop_map(str::to_owned)
}

fn any_words(list: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any_word(list), 0..3)
}

const CAPABILITIES: &[&str] = &[
    "ALL",
    "all",
    "NET_ADMIN",
    "cap_net_admin",
    "SYS_ADMIN",
    "CHOWN",
    "FLY",
];
const OPTIONS: &[&str] = &[
    "seccomp=unconfined",
    "seccomp:unconfined",
    "seccomp=builtin",
    "systempaths=unconfined",
    "no-new-privileges",
    "unknown",
];
const PATHS: &[&str] = &[
    "/",
    "/dev",
    "/dev/null",
    "/etc",
    "/etc/..",
    "/etc/passwd",
    "/proc/self/root/etc",
    "/nowhere",
    "etc",
];

fn any_spec() -> impl Strategy<Value = Spec> {
    let mount = (any_word(PATHS), any::<bool>(), 0_u16..4).prop_map(|(source, read_only, kind)| Mount {
        kind: MountKind::from_number(kind),
        ..bind(&source, read_only)
    });
    let device = any_word(PATHS).prop_map(|source| Device {
        source,
        ..Device::default()
    });
    (
        any::<bool>(),
        (any_words(CAPABILITIES), any_words(CAPABILITIES)),
        any_words(OPTIONS),
        prop::collection::vec(mount, 0..3),
        prop::collection::vec(device, 0..2),
        (0_u16..7, -1..=1, any_words(&["net.core.somaxconn", "kernel/sem"])),
    )
        .prop_map(
            |(privileged, (added, dropped), options, mounts, devices, (mode, adjustment, sysctls))| {
                spec(|spec| {
                    spec.security.privileged = privileged;
                    spec.security.capabilities_added = added;
                    spec.security.capabilities_dropped = dropped;
                    spec.security.options = options;
                    spec.security.devices = devices;
                    spec.security.sysctls = sysctls.into_iter().map(|key| Pair::new(key, "1")).collect();
                    spec.mounts = mounts;
                    spec.network.mode = NetworkMode::from_number(mode);
                    spec.resources.oom_score_adjustment = adjustment;
                })
            },
        )
}

fn any_powers() -> impl Strategy<Value = Powers> {
    let list = |all: &'static [&'static str]| prop::option::of(any_words(all));
    (
        any::<(Option<bool>, Option<bool>, Option<bool>, Option<bool>)>(),
        list(&["NET_ADMIN", "SYS_ADMIN", "ALL"]),
        list(&["/dev", "/dev/null", "/"]),
        list(&["/etc", "/", "/nowhere"]),
        list(&["/etc", "/dev"]),
        list(&["kernel.sem"]),
    )
        .prop_map(
            |(flags, capabilities, devices, binds, binds_read_only, sysctls)| Powers {
                privileged: flags.0,
                host_namespaces: flags.1,
                unconfined: flags.2,
                raised_limits: flags.3,
                capabilities,
                devices,
                binds,
                binds_read_only,
                sysctls,
            },
        )
}

fn lies_below(path: &str, list: &[String]) -> bool {
    let canonical = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    list.iter().any(|above| canonical.starts_with(above))
}

/// What a container would be given, said a second time and in another way than the code judges it.
fn broken(powers: &Powers, spec: &Spec) -> Vec<&'static str> {
    let security = &spec.security;
    let set = capabilities::plan(security).unwrap_or_else(|_| caps::all());
    let admin = set.contains(&caps::Capability::CAP_SYS_ADMIN);
    let lifted = security.privileged
        || SecurityOptions::new(&security.options).is_ok_and(|parsed| !parsed.filtered || !parsed.masked);
    let off = |key: Option<bool>| key == Some(false);
    let mut broken = Vec::new();
    let mut note = |is: bool, key| {
        if is {
            broken.push(key);
        }
    };
    note(security.privileged && off(powers.privileged), "privileged");
    note(
        spec.network.mode == NetworkMode::Host && off(powers.host_namespaces),
        "host_namespaces",
    );
    note(lifted && off(powers.unconfined), "unconfined");
    note(
        spec.resources.oom_score_adjustment < 0 && off(powers.raised_limits),
        "raised_limits",
    );
    if let Some(allowed) = &powers.capabilities {
        let allows = |capability: &caps::Capability| {
            allowed
                .iter()
                .any(|name| name == "ALL" || capability.to_string() == format!("CAP_{name}"))
        };
        let usual = capabilities::DEFAULT;
        note(
            set.iter().any(|one| !usual.contains(one) && !allows(one)),
            "capabilities",
        );
    }
    if let Some(allowed) = &powers.devices {
        let all = security
            .devices
            .iter()
            .all(|device| lies_below(&device.source, allowed));
        note(
            !all || (security.privileged && !lies_below("/dev", allowed)),
            "devices",
        );
    }
    if powers.binds.is_some() || powers.binds_read_only.is_some() {
        let (writable, readable) = (powers.binds.as_deref(), powers.binds_read_only.as_deref());
        for mount in spec.mounts.iter().filter(|mount| mount.kind == MountKind::Bind) {
            let fine = lies_below(&mount.source, writable.unwrap_or_default())
                || (mount.read_only && !admin && lies_below(&mount.source, readable.unwrap_or_default()));
            note(!fine, "binds");
        }
    }
    if let Some(allowed) = &powers.sysctls {
        let listed = |pair: &Pair| allowed.contains(&pair.key.replace('/', "."));
        note(!security.sysctls.iter().all(listed), "sysctls");
    }
    broken
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    /// No specification that breaks a ceiling passes it.
    #[test]
    fn nothing_passes_that_breaks_it(powers in any_powers(), spec in any_spec()) {
        let ceiling = Ceiling { powers: powers.clone(), ..Ceiling::default() };
        let broken = broken(&powers, &spec);
        if ceiling.judge_asked(&spec).is_ok() {
            prop_assert_eq!(broken, Vec::<&str>::new());
        }
    }

    /// A ceiling that is lowered allows no more than before.
    #[test]
    fn lowering_never_allows_more(powers in any_powers(), spec in any_spec()) {
        let ceiling = Ceiling { powers, ..Ceiling::default() };
        if ceiling.judge_asked(&spec).is_ok() {
            prop_assert_eq!(Ceiling::default().judge_asked(&spec), Ok(()));
        } else {
            prop_assert!(ceiling != Ceiling::default());
        }
    }
}
