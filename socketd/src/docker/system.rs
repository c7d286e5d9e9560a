//! `/version`, `/info`, `/system/df`.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::response::ContainerUsage;
use wire::{Info, Status, Summary, Time};

use super::containers::list::Item;
use super::error::ApiError;
use super::images::{ImageIndex, ImageItem, Uses};
use super::networks::Networks;
use super::query::Query;
use super::shape::{Empty, STORAGE_DRIVER};
use super::time::rfc3339_nano;

/// The newest version of Docker's API that is spoken.
pub const API_VERSION: &str = "1.51";
/// The oldest.
pub const API_VERSION_MIN: &str = "1.24";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The `Server` header.
#[must_use]
pub fn server_header() -> String {
    format!("socketd/{VERSION} (linux)")
}

/// `GET /version`. What a Go program would say of its build is empty.
#[must_use]
pub fn version(info: &Info) -> impl Serialize + use<> {
    let arch = go_architecture(&info.architecture);
    VersionShape {
        platform: Platform { name: "" },
        components: [
            Component {
                name: "Engine",
                version: VERSION.to_owned(),
                details: BTreeMap::from([
                    ("ApiVersion", API_VERSION.to_owned()),
                    ("Arch", arch.clone()),
                    ("Experimental", "false".to_owned()),
                    ("KernelVersion", info.kernel_version.clone()),
                    ("MinAPIVersion", API_VERSION_MIN.to_owned()),
                    ("Os", "linux".to_owned()),
                ]),
            },
            Component {
                name: "socketd-bridge",
                version: info.bridge_version.clone(),
                details: BTreeMap::new(),
            },
        ],
        version: VERSION,
        api_version: API_VERSION,
        min_api_version: API_VERSION_MIN,
        git_commit: "",
        go_version: "",
        os: "linux",
        arch,
        kernel_version: info.kernel_version.clone(),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VersionShape {
    platform: Platform,
    components: [Component; 2],
    version: &'static str,
    api_version: &'static str,
    #[serde(rename = "MinAPIVersion")]
    min_api_version: &'static str,
    git_commit: &'static str,
    go_version: &'static str,
    os: &'static str,
    arch: String,
    kernel_version: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Platform {
    name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: &'static str,
    version: String,
    details: BTreeMap<&'static str, String>,
}

/// A processor as Go names it, from how the kernel names it.
fn go_architecture(kernel: &str) -> String {
    match kernel {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" => "386",
        arm if arm.starts_with("armv") => "arm",
        other => other,
    }
    .to_owned()
}

/// `GET /info`. `listeners`: clients that read events now.
#[must_use]
pub fn info<'a, 'b>(
    info: &'a Info,
    containers: impl Iterator<Item = &'b Summary>,
    images: &ImageIndex,
    listeners: usize,
    now: Time,
) -> InfoShape<'a> {
    let (mut all, mut running, mut paused) = (0, 0, 0);
    for summary in containers {
        all += 1;
        running += usize::from(summary.state.status == Status::Running);
        paused += usize::from(summary.state.status == Status::Paused);
    }
    let limits = &info.limits;
    InfoShape {
        id: &info.host_id,
        containers: all,
        containers_running: running,
        containers_paused: paused,
        containers_stopped: all - running - paused,
        images: images.images().len(),
        driver: STORAGE_DRIVER,
        driver_status: [["Backing Filesystem", &info.backing_filesystem]],
        plugins: Plugins {
            volume: [],
            network: ["bridge", "host", "null"],
            authorization: None,
            log: ["json-file"],
        },
        memory_limit: limits.memory,
        swap_limit: limits.swap,
        cpu_cfs_period: limits.cpu_quota,
        cpu_cfs_quota: limits.cpu_quota,
        cpu_shares: limits.cpu_shares,
        cpu_set: limits.cpuset,
        pids_limit: limits.pids,
        ipv4_forwarding: info.ipv4_forwarding,
        debug: false,
        n_fd: 0,
        oom_kill_disable: limits.oom_kill_disable,
        n_goroutines: 0,
        system_time: rfc3339_nano(now),
        logging_driver: "json-file",
        // Docker's word for writing to the control groups directly, and for having none.
        cgroup_driver: if info.cgroup_version.is_empty() { "none" } else { "cgroupfs" },
        cgroup_version: &info.cgroup_version,
        n_events_listener: listeners,
        kernel_version: &info.kernel_version,
        operating_system: &info.operating_system,
        os_version: &info.os_version,
        os_type: "linux",
        architecture: &info.architecture,
        index_server_address: "",
        registry_config: RegistryConfig {
            insecure_registry_cidrs: [],
            index_configs: Empty {},
            mirrors: [],
        },
        n_cpu: info.cpus,
        mem_total: info.memory_bytes,
        generic_resources: None,
        docker_root_dir: &info.state_dir,
        http_proxy: "",
        https_proxy: "",
        no_proxy: "",
        name: &info.hostname,
        labels: [],
        experimental_build: false,
        server_version: VERSION,
        runtimes: info.runtimes.iter().map(|runtime| (runtime.as_str(), Empty {})).collect(),
        default_runtime: info.runtimes.first().map_or("", String::as_str),
        swarm: Swarm::inactive(),
        // Containers outlive both daemons, which is what Docker calls so.
        live_restore_enabled: true,
        isolation: "",
        init_binary: "",
        containerd_commit: Commit { id: "" },
        runc_commit: Commit { id: "" },
        init_commit: Commit { id: "" },
        security_options: if info.seccomp {
            vec!["name=seccomp,profile=builtin"]
        } else {
            Vec::new()
        },
        cdi_spec_dirs: [],
        warnings: (!info.warnings.is_empty()).then_some(&info.warnings),
    }
}

/// `GET /info`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InfoShape<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    containers: usize,
    containers_running: usize,
    containers_paused: usize,
    containers_stopped: usize,
    images: usize,
    driver: &'static str,
    driver_status: [[&'a str; 2]; 1],
    plugins: Plugins,
    memory_limit: bool,
    swap_limit: bool,
    cpu_cfs_period: bool,
    cpu_cfs_quota: bool,
    #[serde(rename = "CPUShares")]
    cpu_shares: bool,
    #[serde(rename = "CPUSet")]
    cpu_set: bool,
    pids_limit: bool,
    #[serde(rename = "IPv4Forwarding")]
    ipv4_forwarding: bool,
    debug: bool,
    n_fd: u32,
    oom_kill_disable: bool,
    n_goroutines: u32,
    system_time: String,
    logging_driver: &'static str,
    cgroup_driver: &'static str,
    cgroup_version: &'a str,
    n_events_listener: usize,
    kernel_version: &'a str,
    operating_system: &'a str,
    #[serde(rename = "OSVersion")]
    os_version: &'a str,
    #[serde(rename = "OSType")]
    os_type: &'static str,
    architecture: &'a str,
    index_server_address: &'static str,
    registry_config: RegistryConfig,
    #[serde(rename = "NCPU")]
    n_cpu: u32,
    mem_total: u64,
    generic_resources: Option<Empty>,
    docker_root_dir: &'a str,
    http_proxy: &'static str,
    https_proxy: &'static str,
    no_proxy: &'static str,
    name: &'a str,
    labels: [&'static str; 0],
    experimental_build: bool,
    server_version: &'static str,
    runtimes: BTreeMap<&'a str, Empty>,
    default_runtime: &'a str,
    swarm: Swarm,
    live_restore_enabled: bool,
    isolation: &'static str,
    init_binary: &'static str,
    containerd_commit: Commit,
    runc_commit: Commit,
    init_commit: Commit,
    security_options: Vec<&'static str>,
    #[serde(rename = "CDISpecDirs")]
    cdi_spec_dirs: [&'static str; 0],
    warnings: Option<&'a Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Plugins {
    volume: [&'static str; 0],
    network: [&'static str; 3],
    authorization: Option<Empty>,
    log: [&'static str; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegistryConfig {
    #[serde(rename = "InsecureRegistryCIDRs")]
    insecure_registry_cidrs: [&'static str; 0],
    index_configs: Empty,
    mirrors: [&'static str; 0],
}

#[derive(Debug, Serialize)]
struct Commit {
    #[serde(rename = "ID")]
    id: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Swarm {
    #[serde(rename = "NodeID")]
    node_id: &'static str,
    node_addr: &'static str,
    local_node_state: &'static str,
    control_available: bool,
    error: &'static str,
    remote_managers: Option<Empty>,
}

impl Swarm {
    fn inactive() -> Self {
        Self {
            node_id: "",
            node_addr: "",
            local_node_state: "inactive",
            control_available: false,
            error: "",
            remote_managers: None,
        }
    }
}

/// What the disk holds.
#[derive(Debug, Clone, Copy)]
pub struct Holdings<'a> {
    /// Containers, newest first.
    pub containers: &'a [Summary],
    /// What each uses.
    pub usage: &'a [ContainerUsage],
    /// Images.
    pub images: &'a ImageIndex,
    /// Networks, which are part of how a container is shown.
    pub networks: &'a Networks,
}

/// `GET /system/df`; `type` may ask for a part, and the rest is then null.
///
/// # Errors
/// 400 for a type that is none.
pub fn disk_usage<'a>(query: &Query, holdings: Holdings<'a>, now: Time) -> Result<impl Serialize + use<'a>, ApiError> {
    let types: Vec<&str> = query.all("type").filter(|kind| !kind.is_empty()).collect();
    if let Some(unknown) = types
        .iter()
        .find(|kind| !matches!(**kind, "container" | "image" | "volume" | "build-cache"))
    {
        return Err(ApiError::bad_request(format!("unknown object type: {unknown}")));
    }
    let asked = |kind: &str| types.is_empty() || types.contains(&kind);
    let Holdings {
        containers,
        usage,
        images,
        networks,
    } = holdings;
    let uses = Uses::count(containers.iter());
    let used = |summary: &Summary| usage.iter().find(|usage| usage.id == summary.id);
    Ok(DiskUsage {
        layers_size: asked("image").then(|| images.images().iter().map(|image| image.size_bytes).sum()),
        images: asked("image").then(|| {
            let images = images.images().iter();
            images.map(|image| ImageItem::new(image, &uses, 0)).collect()
        }),
        containers: asked("container").then(|| {
            let containers = containers.iter();
            containers
                .map(|summary| Item::new(summary, used(summary), networks, images, now))
                .collect()
        }),
        volumes: asked("volume").then_some([]),
        build_cache: asked("build-cache").then_some([]),
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DiskUsage<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    layers_size: Option<u64>,
    images: Option<Vec<ImageItem<'a>>>,
    containers: Option<Vec<Item<'a>>>,
    volumes: Option<[Empty; 0]>,
    build_cache: Option<[Empty; 0]>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wire::info::LimitSupport;
    use wire::{ContainerId, Image, ImageId};

    use super::*;

    fn host() -> Info {
        Info {
            host_id: "ab".repeat(32),
            hostname: "vm".into(),
            kernel_version: "6.18.44".into(),
            operating_system: "Debian GNU/Linux 12 (bookworm)".into(),
            os_version: "12".into(),
            architecture: "x86_64".into(),
            cpus: 2,
            memory_bytes: 25_276_502_016,
            bridge_version: "0.9.0".into(),
            state_dir: "/var/lib/socketd".into(),
            runtimes: vec!["embedded".into()],
            cgroup_version: "1".into(),
            backing_filesystem: "extfs".into(),
            limits: LimitSupport {
                memory: true,
                pids: true,
                ..LimitSupport::default()
            },
            seccomp: true,
            ..Info::default()
        }
    }

    #[test]
    fn a_version_has_dockers_shape() {
        let shown = serde_json::to_value(version(&host())).unwrap();
        let expected = json!({
            "Platform": {"Name": ""},
            "Components": [
                {
                    "Name": "Engine",
                    "Version": VERSION,
                    "Details": {
                        "ApiVersion": "1.51", "Arch": "amd64", "Experimental": "false",
                        "KernelVersion": "6.18.44", "MinAPIVersion": "1.24", "Os": "linux"
                    }
                },
                {"Name": "socketd-bridge", "Version": "0.9.0", "Details": {}}
            ],
            "Version": VERSION, "ApiVersion": "1.51", "MinAPIVersion": "1.24", "GitCommit": "", "GoVersion": "",
            "Os": "linux", "Arch": "amd64", "KernelVersion": "6.18.44"
        });
        assert_eq!(shown, expected);
        let read: bollard_stubs::models::SystemVersion = serde_json::from_value(expected).unwrap();
        assert_eq!(read.api_version.as_deref(), Some("1.51"));
    }

    #[test]
    fn processors_are_named_as_go_names_them() {
        for (kernel, go) in [("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "arm"), ("i686", "386"), ("riscv64", "riscv64")] {
            assert_eq!(go_architecture(kernel), go);
        }
    }

    #[test]
    fn info_has_dockers_shape() {
        let statuses = [Status::Running, Status::Paused, Status::Exited, Status::Created];
        let containers = statuses.map(|status| {
            let mut summary = Summary::default();
            summary.state.status = status;
            summary
        });
        let host = host();
        let shape = info(&host, containers.iter(), &ImageIndex::default(), 3, Time(1_795_313_500_316_221_985));
        let shown = serde_json::to_value(shape).unwrap();
        let expected: Value = serde_json::from_str(include_str!("info.json")).unwrap();
        let mut expected = expected;
        expected["ServerVersion"] = json!(VERSION);
        expected["ID"] = json!("ab".repeat(32));
        assert_eq!(shown, expected);
        let read: bollard_stubs::models::SystemInfo = serde_json::from_value(expected).unwrap();
        assert_eq!(read.ncpu, Some(2));
    }

    fn df(query: &str) -> Result<Value, ApiError> {
        let host = host();
        let images = ImageIndex::new(vec![Image {
            id: ImageId([1; 32]),
            size_bytes: 100,
            ..Image::default()
        }]);
        let containers = [Summary {
            id: ContainerId([2; 32]),
            image_id: ImageId([1; 32]),
            ..Summary::default()
        }];
        let usage = [ContainerUsage {
            id: ContainerId([2; 32]),
            upper_bytes: 7,
            image_bytes: 100,
        }];
        let holdings = Holdings {
            containers: &containers,
            usage: &usage,
            images: &images,
            networks: &Networks::new(&host),
        };
        disk_usage(&Query::parse(Some(query)), holdings, Time(0)).map(|shape| serde_json::to_value(shape).unwrap())
    }

    #[test]
    fn disk_usage_is_of_images_and_containers() {
        let shown = df("").unwrap();
        assert_eq!(shown["LayersSize"], 100);
        assert_eq!(shown["Images"][0]["SharedSize"], 0);
        assert_eq!(shown["Images"][0]["Containers"], 1);
        assert_eq!(shown["Containers"][0]["SizeRw"], 7);
        assert_eq!(shown["Containers"][0]["SizeRootFs"], 107);
        assert_eq!(shown["Containers"][0]["Status"], "Created");
        assert_eq!((&shown["Volumes"], &shown["BuildCache"]), (&json!([]), &json!([])));
        let shown = df("type=container").unwrap();
        assert_eq!((&shown["Images"], &shown["LayersSize"]), (&json!(null), &json!(null)));
        assert_eq!(shown["Containers"].as_array().map(Vec::len), Some(1));
        let error = df("type=x").unwrap_err();
        assert_eq!(error, ApiError::bad_request("unknown object type: x"));
    }

    #[test]
    fn the_server_says_its_name() {
        assert_eq!(server_header(), format!("socketd/{VERSION} (linux)"));
    }
}
