//! `/version`, `/info`, `/system/df`.

mod info;

use std::collections::BTreeMap;

use serde::Serialize;
use wire::response::ContainerUsage;
use wire::{Info, Summary};

pub use self::info::{InfoShape, info};
use super::containers::list::Item;
use super::error::ApiError;
use super::images::{ImageIndex, ImageItem, Uses};
use super::networks::Networks;
use super::query::Query;
use super::shape::Empty;
use super::time::Now;

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
pub fn disk_usage<'a>(
    query: &Query,
    holdings: Holdings<'a>,
    now: Now,
) -> Result<impl Serialize + use<'a>, ApiError> {
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
    use wire::{ContainerId, Image, ImageId, Status, Time};

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
        for (kernel, go) in [
            ("x86_64", "amd64"),
            ("aarch64", "arm64"),
            ("armv7l", "arm"),
            ("i686", "386"),
            ("riscv64", "riscv64"),
        ] {
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
        let shape = info(
            &host,
            containers.iter(),
            &ImageIndex::default(),
            3,
            Time(1_795_313_500_316_221_985),
        );
        let shown = serde_json::to_value(shape).unwrap();
        let expected: Value = serde_json::from_str(include_str!("system/info.json")).unwrap();
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
        disk_usage(&Query::parse(Some(query)), holdings, Time(0).into())
            .map(|shape| serde_json::to_value(shape).unwrap())
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
        assert_eq!(
            (&shown["Volumes"], &shown["BuildCache"]),
            (&json!([]), &json!([]))
        );
        let shown = df("type=container").unwrap();
        assert_eq!(
            (&shown["Images"], &shown["LayersSize"]),
            (&json!(null), &json!(null))
        );
        assert_eq!(shown["Containers"].as_array().map(Vec::len), Some(1));
        let error = df("type=x").unwrap_err();
        assert_eq!(error, ApiError::bad_request("unknown object type: x"));
    }

    #[test]
    fn the_server_says_its_name() {
        assert_eq!(server_header(), format!("socketd/{VERSION} (linux)"));
    }
}
