use nix::mount::MsFlags;

use super::*;

fn entry(mount_point: &str, file_system: &str, super_options: &str) -> MountEntry {
    MountEntry {
        mount_point: PathBuf::from(mount_point),
        flags: MsFlags::empty(),
        file_system: file_system.to_owned(),
        super_options: super_options.to_owned(),
    }
}

fn places(layout: &Layout) -> Vec<(String, String)> {
    let id = ContainerId::default();
    let short = |path: &Path| path.display().to_string().replace(id.hex().as_str(), "ID");
    Groups::of(layout, &id)
        .groups
        .into_iter()
        .map(|group| (short(&group.path), group.name))
        .collect()
}

fn pair(path: &str, name: &str) -> (String, String) {
    (path.to_owned(), name.to_owned())
}

#[test]
fn nothing() {
    let layout = Layout::from_mounts(&[entry("/proc", "proc", "rw")]);
    assert_eq!((layout.version(), places(&layout)), ("", Vec::new()));
    assert_eq!(layout.support(), LimitSupport::default());
}

#[test]
fn version_1_with_controllers_together_and_mounted_twice() {
    let layout = Layout::from_mounts(&[
        entry("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
        entry("/sys/fs/cgroup/systemd", "cgroup", "rw,name=systemd"),
        entry("/dev/memcg", "cgroup", "rw,memory"),
        entry("/other", "cgroup", "rw,memory"),
    ]);
    assert_eq!(layout.version(), "1");
    assert_eq!(
        places(&layout),
        [
            pair("/sys/fs/cgroup/cpu,cpuacct/socketd/ID", "cpu,cpuacct"),
            pair("/dev/memcg/socketd/ID", "memcg")
        ]
    );
}

#[test]
fn version_2_alone_is_the_root_itself() {
    let layout = Layout::from_mounts(&[entry("/sys/fs/cgroup", "cgroup2", "rw,nsdelegate")]);
    assert_eq!(
        (layout.version(), places(&layout)),
        ("2", vec![pair("/sys/fs/cgroup/socketd/ID", "")])
    );
}

#[test]
fn both_at_once() {
    let layout = Layout::from_mounts(&[
        entry("/sys/fs/cgroup/pids", "cgroup", "rw,pids"),
        entry("/sys/fs/cgroup/unified", "cgroup2", "rw"),
    ]);
    assert_eq!(layout.version(), "1");
    assert_eq!(
        places(&layout),
        [
            pair("/sys/fs/cgroup/pids/socketd/ID", "pids"),
            pair("/sys/fs/cgroup/unified/socketd/ID", "unified")
        ]
    );
}
