#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use wire::spec::{Mount, MountKind, Pair, Resources};

use super::limits::SwapLimit;
use super::*;

fn planned(change: impl FnOnce(&mut Spec)) -> Result<Plan, Failure> {
    let mut container = Container::default();
    container.spec.process.command = vec!["true".to_owned()];
    change(&mut container.spec);
    Plan::new(&container)
}

fn refused(change: impl FnOnce(&mut Spec)) -> String {
    planned(change).map(drop).unwrap_err().subject
}

#[test]
fn the_environment_keeps_the_last_of_two() {
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        environment(
            &texts(&["A=1", "A=2", "no assignment", "PATH=/x"]),
            Some("h"),
            true
        ),
        texts(&["PATH=/x", "HOSTNAME=h", "TERM=xterm", "A=2"])
    );
}

#[test]
fn memory_and_swap() {
    let check = |memory, swap, expected: Result<SwapLimit, &str>| {
        let asked = Resources {
            memory_bytes: memory,
            memory_swap_bytes: swap,
            ..Resources::default()
        };
        let found = GroupLimits::new(&asked).map(|limits| limits.swap);
        assert_eq!(found, expected.map_err(Failure::invalid), "{memory} {swap}");
    };
    let mib = 1 << 20;
    check(0, 0, Ok(SwapLimit::Unset));
    check(0, -1, Ok(SwapLimit::Unset));
    check(8 * mib, 0, Ok(SwapLimit::Bytes(16 * mib)));
    check(8 * mib, -1, Ok(SwapLimit::None));
    check(8 * mib, 8 * (1 << 20), Ok(SwapLimit::Bytes(8 * mib)));
    check(
        8 * mib,
        7 << 20,
        Err("Minimum memoryswap limit should be larger than memory limit"),
    );
    check(
        0,
        1,
        Err("You should always set the Memory limit when using Memoryswap limit"),
    );
    check(1, 0, Err("Minimum memory limit allowed is 6MB"));
}

#[test]
fn processor_time() {
    let check = |nano_cpus, quota, period, expected: Option<Option<(u64, u64)>>| {
        let asked = Resources {
            nano_cpus,
            cpu_quota_us: quota,
            cpu_period_us: period,
            ..Resources::default()
        };
        let found = GroupLimits::new(&asked).map(|limits| limits.cpu_quota_us).ok();
        assert_eq!(found, expected, "{nano_cpus} {quota} {period}");
    };
    check(0, 0, 0, Some(None));
    check(0, -1, 0, Some(None));
    check(1_500_000_000, 0, 0, Some(Some((150_000, 100_000))));
    check(1, 0, 0, Some(Some((1000, 100_000))));
    check(u64::MAX, 0, 0, Some(Some((1_844_674_407_370_955, 100_000))));
    check(0, 50_000, 0, Some(Some((50_000, 100_000))));
    check(0, 50_000, 200_000, Some(Some((50_000, 200_000))));
    check(1, 50_000, 0, None);
    check(0, 10, 0, None);
    check(0, 0, 10, None);
}

#[test]
fn sysctls_of_the_machine_are_refused() {
    let ask = |key: &str, mode| {
        planned(|spec| {
            spec.network.mode = mode;
            spec.security.sysctls = vec![Pair::new(key, "1")];
        })
        .map(|plan| plan.sysctls[0].0.clone())
        .ok()
    };
    let none = NetworkMode::None;
    assert_eq!(
        ask("net.ipv4.ip_forward", none),
        Some("net/ipv4/ip_forward".to_owned())
    );
    assert_eq!(ask("kernel.shmmax", none), Some("kernel/shmmax".to_owned()));
    for key in [
        "kernel.panic",
        "vm.swappiness",
        "net..x",
        "net.../../kernel/panic",
        "net/../kernel/panic",
        "kernel.shmmax.x",
        "",
    ] {
        assert_eq!(ask(key, none), None, "{key}");
    }
    assert_eq!(ask("net.ipv4.ip_forward", NetworkMode::Host), None);
}

#[test]
fn mounts_come_outer_first_and_never_on_the_root() {
    let mount = |target: &str| Mount {
        kind: MountKind::Tmpfs,
        target: target.to_owned(),
        ..Mount::default()
    };
    let plan = planned(|spec| spec.mounts = vec![mount("/a/b/c"), mount("/a"), mount("/b")]).unwrap();
    let targets: Vec<_> = plan
        .files
        .mounts
        .iter()
        .map(|mount| mount.target.as_str())
        .collect();
    assert_eq!(targets, ["/a", "/b", "/a/b/c"]);
    for target in ["/", "//./", "a", ""] {
        assert!(
            planned(|spec| spec.mounts = vec![mount(target)]).is_err(),
            "{target}"
        );
    }
}

#[test]
fn every_mount_refuses_devices() {
    let with = |options: &str| {
        planned(|spec| {
            spec.mounts = vec![Mount {
                kind: MountKind::Tmpfs,
                target: "/x".to_owned(),
                options: options.to_owned(),
                ..Mount::default()
            }];
        })
        .map(|plan| plan.files.mounts[0].flags)
    };
    use nix::mount::MsFlags;
    assert_eq!(
        with("").unwrap(),
        MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC
    );
    assert_eq!(with("exec,suid,size=1m").unwrap(), MsFlags::MS_NODEV);
    assert!(with("dev").is_err());
    assert!(with("upperdir=/x").is_err());
}

#[test]
fn sentences() {
    assert_eq!(
        refused(|spec| spec.process.command.clear()),
        "no command specified"
    );
    assert_eq!(
        refused(|spec| spec.process.working_dir = "x".to_owned()),
        "the working directory 'x' is invalid, it needs to be an absolute path"
    );
    assert_eq!(
        refused(|spec| spec.security.options = vec!["label=type:x".to_owned()]),
        "security option \"label=type:x\" is not supported"
    );
}
