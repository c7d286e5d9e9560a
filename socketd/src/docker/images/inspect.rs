//! `GET /images/{name}/json` and `/history`.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::{Image, ImageConfig, ImageId};

use super::index::ImageIndex;
use crate::docker::containers::health::{Healthcheck, shown_check};
use crate::docker::error::ApiError;
use crate::docker::filters::pairs;
use crate::docker::query::Query;
use crate::docker::shape::{Empty, GraphDriver, GraphDriverData, STORAGE_DRIVER, null_if_empty, port_key};
use crate::docker::time::rfc3339_nano;

/// `GET /images/{name}/json`.
///
/// # Errors
/// 404 `No such image: x:latest`; 501 for `manifests`, which there are none of.
pub fn inspect<'a>(
    index: &'a ImageIndex,
    reference: &str,
    query: &Query,
) -> Result<impl Serialize + use<'a>, ApiError> {
    let image = index.resolve(reference)?;
    if query
        .text("platform")
        .is_some_and(|platform| !platform.is_empty())
    {
        return Err(ApiError::not_implemented(
            "choosing a platform of an image is not served: images here have one platform",
        ));
    }
    Ok(Inspected::new(image))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected<'a> {
    id: String,
    repo_tags: &'a [String],
    repo_digests: [(); 0],
    parent: &'static str,
    comment: &'a str,
    created: String,
    docker_version: &'static str,
    author: &'a str,
    config: Config<'a>,
    architecture: &'a str,
    os: &'static str,
    size: u64,
    graph_driver: GraphDriver<'a>,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    metadata: Metadata,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Config<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<String, Empty>,
    env: Option<&'a [String]>,
    cmd: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Healthcheck>,
    volumes: Option<BTreeMap<&'a str, Empty>>,
    working_dir: &'a str,
    entrypoint: Option<&'a [String]>,
    on_build: Option<&'a [String]>,
    labels: Option<BTreeMap<&'a str, &'a str>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    stop_signal: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    last_tag_time: String,
}

impl<'a> Inspected<'a> {
    fn new(image: &'a Image) -> Self {
        let layers = (!has_no_layer(image)).then(|| format!("sha256:{}", image.layer));
        Self {
            id: format!("sha256:{}", image.id),
            repo_tags: &image.tags,
            repo_digests: [],
            parent: "",
            comment: &image.comment,
            created: rfc3339_nano(image.created_at),
            docker_version: "",
            author: &image.author,
            config: Config::new(&image.config),
            architecture: &image.architecture,
            os: "linux",
            size: image.size_bytes,
            graph_driver: GraphDriver::new(
                STORAGE_DRIVER,
                GraphDriverData {
                    upper_dir: image.rootfs_dir.clone(),
                    ..GraphDriverData::default()
                },
            ),
            root_fs: RootFs {
                kind: "layers",
                layers: layers.into_iter().collect(),
            },
            metadata: Metadata {
                last_tag_time: rfc3339_nano(image.tagged_at),
            },
        }
    }
}

impl<'a> Config<'a> {
    fn new(config: &'a ImageConfig) -> Self {
        let volumes = &config.volumes;
        Self {
            user: &config.user,
            exposed_ports: config
                .exposed
                .iter()
                .map(|port| (port_key(port), Empty {}))
                .collect(),
            env: null_if_empty(&config.env),
            cmd: null_if_empty(&config.command),
            healthcheck: config.health_check.as_ref().map(shown_check),
            volumes: (!volumes.is_empty())
                .then(|| volumes.iter().map(|path| (path.as_str(), Empty {})).collect()),
            working_dir: &config.working_dir,
            entrypoint: null_if_empty(&config.entrypoint),
            on_build: None,
            labels: (!config.labels.is_empty()).then(|| pairs(&config.labels).collect()),
            stop_signal: &config.stop_signal,
        }
    }
}

/// An image that never was a tar, such as a directory that a container lives in, has no layer that
/// could be named.
fn has_no_layer(image: &Image) -> bool {
    image.layer == ImageId::default()
}

/// One step of how an image came to be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryItem<'a> {
    comment: &'a str,
    created: u64,
    created_by: &'static str,
    id: String,
    size: u64,
    tags: Option<&'a [String]>,
}

/// `GET /images/{name}/history`: the one step of its import; none for what was never imported.
///
/// # Errors
/// 404.
pub fn history<'a>(index: &'a ImageIndex, reference: &str) -> Result<Vec<HistoryItem<'a>>, ApiError> {
    let image = index.resolve(reference)?;
    if has_no_layer(image) {
        return Ok(Vec::new());
    }
    Ok(vec![HistoryItem {
        comment: &image.comment,
        created: image.created_at.seconds(),
        created_by: "",
        id: format!("sha256:{}", image.id),
        size: image.size_bytes,
        tags: null_if_empty(&image.tags),
    }])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wire::Time;
    use wire::spec::{Pair, Port};

    use super::*;

    fn image() -> Image {
        Image {
            id: ImageId([0x12; 32]),
            created_at: Time(1_795_312_495_676_663_627),
            layer: ImageId([0x1e; 32]),
            size_bytes: 1_984_300,
            architecture: "amd64".into(),
            comment: "Imported from -".into(),
            config: ImageConfig {
                command: vec!["/bin/sh".into()],
                ..ImageConfig::default()
            },
            tags: vec!["alpine:3.10".into(), "bb:latest".into()],
            tagged_at: Time(1_795_312_536_965_586_554),
            rootfs_dir: "/var/lib/socketd/images/12/rootfs".into(),
            author: String::new(),
        }
    }

    fn inspected(image: Image) -> Value {
        let index = ImageIndex::new(vec![image]);
        let shape = inspect(&index, "1212", &Query::default()).unwrap();
        serde_json::to_value(shape).unwrap()
    }

    #[test]
    fn an_image_has_dockers_shape() {
        let expected = json!({
            "Id": format!("sha256:{}", "12".repeat(32)),
            "RepoTags": ["alpine:3.10", "bb:latest"],
            "RepoDigests": [],
            "Parent": "",
            "Comment": "Imported from -",
            "Created": "2026-11-22T01:54:55.676663627Z",
            "DockerVersion": "",
            "Author": "",
            "Config": {
                "User": "",
                "Env": null,
                "Cmd": ["/bin/sh"],
                "Volumes": null,
                "WorkingDir": "",
                "Entrypoint": null,
                "OnBuild": null,
                "Labels": null
            },
            "Architecture": "amd64",
            "Os": "linux",
            "Size": 1_984_300,
            "GraphDriver": {
                "Data": {"UpperDir": "/var/lib/socketd/images/12/rootfs"},
                "Name": "overlay2"
            },
            "RootFS": {"Type": "layers", "Layers": [format!("sha256:{}", "1e".repeat(32))]},
            "Metadata": {"LastTagTime": "2026-11-22T01:55:36.965586554Z"}
        });
        assert_eq!(inspected(image()), expected);
        let read: bollard_stubs::models::ImageInspect = serde_json::from_value(expected).unwrap();
        assert_eq!(read.size, Some(1_984_300));
    }

    #[test]
    fn what_an_image_gives_its_containers_is_shown() {
        let mut image = image();
        image.layer = ImageId::default();
        image.config = ImageConfig {
            exposed: vec![Port {
                container_port: 80,
                protocol: "tcp".into(),
                ..Port::default()
            }],
            volumes: vec!["/data".into()],
            labels: vec![Pair::new("team", "a")],
            stop_signal: "SIGINT".into(),
            ..ImageConfig::default()
        };
        let shown = inspected(image);
        assert_eq!(shown["Config"]["ExposedPorts"], json!({"80/tcp": {}}));
        assert_eq!(shown["Config"]["Volumes"], json!({"/data": {}}));
        assert_eq!(shown["Config"]["Labels"], json!({"team": "a"}));
        assert_eq!(shown["Config"]["StopSignal"], json!("SIGINT"));
        assert_eq!(shown["RootFS"], json!({"Type": "layers"}));
    }

    #[test]
    fn history_is_one_step() {
        let index = ImageIndex::new(vec![image()]);
        let shown = serde_json::to_value(history(&index, "bb").unwrap()).unwrap();
        let expected = json!([{
            "Comment": "Imported from -",
            "Created": 1_795_312_495,
            "CreatedBy": "",
            "Id": format!("sha256:{}", "12".repeat(32)),
            "Size": 1_984_300,
            "Tags": ["alpine:3.10", "bb:latest"]
        }]);
        assert_eq!(shown, expected);
        assert_eq!(history(&index, "nosuch").unwrap_err().status, 404);
    }

    #[test]
    fn nothing_is_made_up_of_what_was_never_imported() {
        let image = Image {
            id: ImageId([0x12; 32]),
            size_bytes: 1_984_300,
            tags: vec!["other/box:latest".into()],
            ..Image::default()
        };
        let index = ImageIndex::new(vec![image.clone()]);
        let shown = serde_json::to_value(history(&index, "other/box").unwrap()).unwrap();
        assert_eq!(shown, json!([]));
        let shown = inspected(image);
        assert_eq!(shown["RootFS"], json!({"Type": "layers"}));
        assert_eq!(shown["GraphDriver"]["Data"], json!(null));
        assert_eq!(shown["Size"], 1_984_300);
        let read: bollard_stubs::models::ImageInspect = serde_json::from_value(shown).unwrap();
        assert_eq!(read.repo_tags, Some(vec!["other/box:latest".to_owned()]));
    }
}
