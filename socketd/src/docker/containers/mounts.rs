//! Mounts: `src:dst:ro` and mount objects to the neutral form, and back to what is shown.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use wire::spec::{Mount, MountKind};

use crate::docker::error::ApiError;

/// Most mounts of one container. Each costs system calls and an entry in a kernel table at every start.
const MOUNTS_MAX: usize = 512;

const PROPAGATIONS: &[&str] = &["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/// A mount as a list and an inspection show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MountPoint<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    source: &'a str,
    destination: &'a str,
    mode: &'a str,
    #[serde(rename = "RW")]
    rw: bool,
    propagation: &'a str,
}

/// The mounts that are shown: those of the host's files. Docker shows tmpfs in the host configuration only.
pub(super) fn mount_points(mounts: &[Mount]) -> Vec<MountPoint<'_>> {
    mounts
        .iter()
        .filter(|mount| mount.kind == MountKind::Bind)
        .map(|mount| MountPoint {
            kind: "bind",
            source: &mount.source,
            destination: &mount.target,
            mode: &mount.options,
            rw: !mount.read_only,
            propagation: if mount.propagation.is_empty() {
                "rprivate"
            } else {
                &mount.propagation
            },
        })
        .collect()
}

/// `HostConfig.Binds`: what was asked as `source:target`.
pub(super) fn binds(mounts: &[Mount]) -> Vec<String> {
    mounts
        .iter()
        .filter(|mount| is_bind_text(mount))
        .map(|mount| {
            let colon = if mount.options.is_empty() { "" } else { ":" };
            format!("{}:{}{colon}{}", mount.source, mount.target, mount.options)
        })
        .collect()
}

/// `HostConfig.Mounts`: what was asked as an object.
pub(super) fn mount_objects(mounts: &[Mount]) -> Vec<MountObject> {
    mounts
        .iter()
        .filter(|mount| mount.kind == MountKind::Bind && !is_bind_text(mount))
        .map(|mount| MountObject {
            kind: "bind".to_owned(),
            source: mount.source.clone(),
            target: mount.target.clone(),
            read_only: mount.read_only,
            bind_options: (!mount.propagation.is_empty()).then(|| BindOptions {
                propagation: mount.propagation.clone(),
                ..BindOptions::default()
            }),
            ..MountObject::default()
        })
        .collect()
}

/// `HostConfig.Tmpfs`.
pub(super) fn tmpfs(mounts: &[Mount]) -> BTreeMap<&str, &str> {
    mounts
        .iter()
        .filter(|mount| mount.kind == MountKind::Tmpfs)
        .map(|mount| (mount.target.as_str(), mount.options.as_str()))
        .collect()
}

fn is_bind_text(mount: &Mount) -> bool {
    mount.kind == MountKind::Bind && mount.create_source
}

/// One entry of `HostConfig.Mounts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct MountObject {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
    target: String,
    #[serde(skip_serializing_if = "is_false")]
    read_only: bool,
    #[serde(skip_serializing)]
    consistency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bind_options: Option<BindOptions>,
    #[serde(skip_serializing)]
    tmpfs_options: Option<TmpfsOptions>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct BindOptions {
    #[serde(skip_serializing_if = "String::is_empty")]
    propagation: String,
    #[serde(skip_serializing)]
    non_recursive: bool,
    #[serde(skip_serializing)]
    create_mountpoint: bool,
    #[serde(skip_serializing)]
    read_only_force_recursive: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct TmpfsOptions {
    size_bytes: i64,
    mode: u32,
    options: Option<Vec<Vec<String>>>,
}

// Serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Everything a body asks to be mounted, in the order Docker mounts it.
///
/// # Errors
/// 400 for what cannot be, 501 for volumes and other kinds that are not served.
pub(super) fn parse_mounts(
    binds: &[String],
    objects: &[MountObject],
    tmpfs: &BTreeMap<String, String>,
) -> Result<Vec<Mount>, ApiError> {
    if binds.len() + objects.len() + tmpfs.len() > MOUNTS_MAX {
        return Err(ApiError::bad_request(format!("more than {MOUNTS_MAX} mounts")));
    }
    let mut mounts = Vec::new();
    for bind in binds {
        mounts.push(parse_bind(bind)?);
    }
    for object in objects {
        mounts.push(parse_object(object)?);
    }
    for (target, options) in tmpfs {
        if !target.starts_with('/') {
            return Err(not_absolute(&format!("invalid tmpfs mount {target:?}"), target));
        }
        mounts.push(Mount {
            kind: MountKind::Tmpfs,
            target: clean(target),
            options: options.clone(),
            read_only: options.split(',').any(|option| option == "ro"),
            ..Mount::default()
        });
    }
    let mut targets = HashSet::new();
    for mount in &mounts {
        if !targets.insert(mount.target.as_str()) {
            return Err(ApiError::bad_request(format!(
                "Duplicate mount point: {}",
                mount.target
            )));
        }
    }
    Ok(mounts)
}

/// Whether binds or mounts cover a path, so that Docker makes no anonymous volume there though one is asked for.
/// `docker-compose` names each of its binds as a volume besides.
pub(super) fn is_covered(path: &str, binds: &[String], objects: &[MountObject]) -> bool {
    let bound = binds.iter().filter_map(|bind| bind.split(':').nth(1));
    let mounted = objects.iter().map(|object| object.target.as_str());
    bound
        .chain(mounted)
        .any(|target| target.trim_end_matches('/') == path.trim_end_matches('/'))
}

/// `source:target[:options]`.
fn parse_bind(text: &str) -> Result<Mount, ApiError> {
    let invalid = |why: &str| {
        let colon = if why.is_empty() { "" } else { ": " };
        ApiError::bad_request(format!("invalid volume specification: '{text}'{colon}{why}"))
    };
    let mut parts = text.split(':');
    let (source, target, options) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(source), Some(target), options, None) => (source, target, options.unwrap_or_default()),
        (Some(target), None, ..) if target.starts_with('/') => {
            return Err(no_volumes("an anonymous volume", target));
        }
        _ => return Err(invalid("")),
    };
    if source.is_empty() || target.is_empty() {
        return Err(invalid(""));
    }
    if !target.starts_with('/') {
        return Err(invalid(&format!(
            "invalid mount path: '{target}' mount path must be absolute"
        )));
    }
    if clean(target) == "/" {
        return Err(invalid("invalid specification: destination can't be '/'"));
    }
    if !source.starts_with('/') {
        return Err(no_volumes("a named volume", source));
    }
    let mut propagation = "";
    for option in options.split(',').filter(|option| !option.is_empty()) {
        if PROPAGATIONS.contains(&option) {
            propagation = option;
        } else if !matches!(
            option,
            "ro" | "rw" | "z" | "Z" | "nocopy" | "consistent" | "cached" | "delegated"
        ) {
            return Err(ApiError::bad_request(format!("invalid mode: {options}")));
        }
    }
    Ok(Mount {
        kind: MountKind::Bind,
        source: clean(source),
        target: clean(target),
        read_only: options.split(',').any(|option| option == "ro"),
        options: options.to_owned(),
        propagation: propagation.to_owned(),
        create_source: true,
    })
}

fn parse_object(object: &MountObject) -> Result<Mount, ApiError> {
    let kind = object.kind.as_str();
    let config = |why: &str| ApiError::bad_request(format!("invalid mount config for type {kind:?}: {why}"));
    match kind {
        "bind" | "tmpfs" => {}
        "volume" => return Err(no_volumes("a volume", &object.target)),
        "cluster" | "image" | "npipe" => {
            return Err(ApiError::not_implemented(format!(
                "mounts of type {kind:?} are not served"
            )));
        }
        _ => return Err(ApiError::bad_request("mount type unknown")),
    }
    if object.target.is_empty() {
        return Err(config("field Target must not be empty"));
    }
    if !object.target.starts_with('/') {
        return Err(not_absolute(
            &format!("invalid mount config for type {kind:?}"),
            &object.target,
        ));
    }
    if clean(&object.target) == "/" {
        return Err(config("invalid specification: destination can't be '/'"));
    }
    if kind == "tmpfs" {
        return parse_tmpfs_object(object);
    }
    if object.source.is_empty() {
        return Err(config("field Source must not be empty"));
    }
    if !object.source.starts_with('/') {
        return Err(not_absolute(
            &format!("invalid mount config for type {kind:?}"),
            &object.source,
        ));
    }
    let options = object.bind_options.clone().unwrap_or_default();
    if options.non_recursive || options.read_only_force_recursive {
        return Err(ApiError::not_implemented(
            "the bind options NonRecursive and ReadOnlyForceRecursive are not served",
        ));
    }
    if !options.propagation.is_empty() && !PROPAGATIONS.contains(&options.propagation.as_str()) {
        return Err(config(&format!(
            "invalid propagation mode: {}",
            options.propagation
        )));
    }
    Ok(Mount {
        kind: MountKind::Bind,
        source: clean(&object.source),
        target: clean(&object.target),
        read_only: object.read_only,
        options: String::new(),
        propagation: options.propagation,
        create_source: options.create_mountpoint,
    })
}

/// A tmpfs object says in numbers what the options of a tmpfs say in words.
fn parse_tmpfs_object(object: &MountObject) -> Result<Mount, ApiError> {
    let config = |why: &str| ApiError::bad_request(format!("invalid mount config for type \"tmpfs\": {why}"));
    if !object.source.is_empty() {
        return Err(config("field Source must not be specified"));
    }
    let asked = object.tmpfs_options.clone().unwrap_or_default();
    let mut options = Vec::new();
    if object.read_only {
        options.push("ro".to_owned());
    }
    match asked.size_bytes {
        0 => {}
        size if size > 0 => options.push(format!("size={size}")),
        _ => return Err(config("size must not be negative")),
    }
    if asked.mode != 0 {
        options.push(format!("mode={:o}", asked.mode));
    }
    for option in asked.options.unwrap_or_default() {
        options.push(option.join("="));
    }
    Ok(Mount {
        kind: MountKind::Tmpfs,
        target: clean(&object.target),
        read_only: object.read_only,
        options: options.join(","),
        ..Mount::default()
    })
}

fn not_absolute(before: &str, path: &str) -> ApiError {
    ApiError::bad_request(format!(
        "{before}: invalid mount path: '{path}' mount path must be absolute"
    ))
}

/// What is said about volumes until they are served.
pub(super) fn no_volumes(what: &str, name: &str) -> ApiError {
    ApiError::not_implemented(format!(
        "{what} ({name}) is asked for, and volumes are not served yet: bind a directory of the host instead"
    ))
}

/// Go's `path.Clean` of an absolute path: no `.`, no `..`, no double or last slash.
fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            plain => parts.push(plain),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(binds: &[&str], objects: &str, tmpfs: &str) -> Result<Vec<Mount>, ApiError> {
        let binds: Vec<String> = binds.iter().map(|bind| (*bind).to_owned()).collect();
        parse_mounts(
            &binds,
            &serde_json::from_str::<Vec<MountObject>>(objects).unwrap(),
            &serde_json::from_str(tmpfs).unwrap(),
        )
    }

    #[test]
    fn binds_go_there_and_back() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let mounts = parse(&[text], "[]", "{}").unwrap();
            let points = serde_json::to_string(&mount_points(&mounts)).unwrap();
            assert_eq!(points, expected);
            assert_eq!(binds(&mounts), [text]);
        }
        check(
            "/etc:/mnt/etc:ro",
            r#"[{"Type":"bind","Source":"/etc","Destination":"/mnt/etc","Mode":"ro","RW":false,"Propagation":"rprivate"}]"#,
        );
        check(
            "/a:/b",
            r#"[{"Type":"bind","Source":"/a","Destination":"/b","Mode":"","RW":true,"Propagation":"rprivate"}]"#,
        );
        check(
            "/a:/b:rw,z,rslave",
            r#"[{"Type":"bind","Source":"/a","Destination":"/b","Mode":"rw,z,rslave","RW":true,"Propagation":"rslave"}]"#,
        );
    }

    #[test]
    fn objects_go_there_and_back() {
        let asked = r#"[{"Type":"bind","Source":"/a/../b/","Target":"/t","ReadOnly":true,"BindOptions":{"Propagation":"shared"}},{"Type":"tmpfs","Target":"/run","TmpfsOptions":{"SizeBytes":65536,"Mode":448,"Options":[["noexec"],["uid","5"]]}}]"#;
        let mounts = parse(&[], asked, r#"{"/x":"size=64m,ro"}"#).unwrap();
        assert_eq!(mounts.len(), 3);
        assert!(!mounts[0].create_source && mounts[0].read_only);
        assert!(binds(&mounts).is_empty());
        assert_eq!(
            serde_json::to_string(&mount_objects(&mounts)).unwrap(),
            r#"[{"Type":"bind","Source":"/b","Target":"/t","ReadOnly":true,"BindOptions":{"Propagation":"shared"}}]"#
        );
        assert_eq!(
            serde_json::to_string(&tmpfs(&mounts)).unwrap(),
            r#"{"/run":"size=65536,mode=700,noexec,uid=5","/x":"size=64m,ro"}"#
        );
        assert_eq!(mount_points(&mounts).len(), 1);
    }

    #[test]
    fn what_cannot_be_mounted_is_refused() {
        #[track_caller]
        fn check(bind: &str, status: u16, part: &str) {
            let error = parse(&[bind], "[]", "{}").unwrap_err();
            assert_eq!(error.status, status, "{bind}");
            assert!(error.message.contains(part), "{}", error.message);
        }
        check("data:/x", 501, "a named volume (data)");
        check("./data:/x", 501, "a named volume (./data)");
        check("/x", 501, "an anonymous volume (/x)");
        check("/a:b", 400, "invalid mount path: 'b' mount path must be absolute");
        check("/a:/", 400, "destination can't be '/'");
        check("/a:/b/..", 400, "destination can't be '/'");
        check("/a:/b:nope", 400, "invalid mode: nope");
        check("/a:/b:ro:x", 400, "invalid volume specification: '/a:/b:ro:x'");
        check(":/b", 400, "invalid volume specification: ':/b'");
        check("", 400, "invalid volume specification: ''");
    }

    #[test]
    fn objects_that_cannot_be_are_refused() {
        #[track_caller]
        fn check(object: &str, status: u16, part: &str) {
            let error = parse(&[], &format!("[{object}]"), "{}").unwrap_err();
            assert_eq!(error.status, status, "{object}");
            assert!(error.message.contains(part), "{}", error.message);
        }
        check(
            r#"{"Type":"volume","Source":"d","Target":"/x"}"#,
            501,
            "volumes are not served yet",
        );
        check(r#"{"Type":"npipe","Target":"/x"}"#, 501, "\"npipe\"");
        check(r#"{"Type":"other","Target":"/x"}"#, 400, "mount type unknown");
        check(
            r#"{"Type":"bind","Source":"/a"}"#,
            400,
            "field Target must not be empty",
        );
        check(
            r#"{"Type":"bind","Target":"/a"}"#,
            400,
            "field Source must not be empty",
        );
        check(
            r#"{"Type":"bind","Source":"a","Target":"/a"}"#,
            400,
            "'a' mount path must be absolute",
        );
        check(
            r#"{"Type":"tmpfs","Source":"/a","Target":"/a"}"#,
            400,
            "Source must not be specified",
        );
        check(
            r#"{"Type":"bind","Source":"/a","Target":"/a","BindOptions":{"NonRecursive":true}}"#,
            501,
            "NonRecursive",
        );
    }

    #[test]
    fn no_two_mounts_share_a_target() {
        let error = parse(&["/a:/x", "/b:/x/"], "[]", "{}").unwrap_err();
        assert_eq!(error, ApiError::bad_request("Duplicate mount point: /x"));
    }
}
