//! Passwords for registries, where the command looks for them: in a file of a directory of its own, which nobody else
//! can read and which goes when the command has ended.

use std::fmt;
use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// What such a directory's name begins with.
const PREFIX: &str = "compose-";

/// Docker's own registry, as its command files it.
const HUB: &str = "https://index.docker.io/v1/";

/// Whom to be at a registry.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Registry {
    pub(super) url: String,
    pub(super) username: String,
    pub(super) password: String,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({:?}, ..)", self.url)
    }
}

/// Writes them below `state_dir`. None where there is nothing to write.
pub(super) fn write(state_dir: &Path, registries: &[Registry]) -> io::Result<Option<TempDir>> {
    let mut auths = Map::new();
    for registry in registries.iter().filter(|registry| !registry.username.is_empty()) {
        let both = format!("{}:{}", registry.username, registry.password);
        auths.insert(key(&registry.url), json!({ "auth": STANDARD.encode(both) }));
    }
    if auths.is_empty() {
        return Ok(None);
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)?;
    let dir = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(state_dir)?;
    let mut config = json!({ "auths": auths });
    if let (Some(plugins), Value::Object(config)) = (plugins(), &mut config) {
        config.insert("cliPluginsExtraDirs".to_owned(), json!([plugins]));
    }
    let path = dir.path().join("config.json");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(config.to_string().as_bytes())?;
    Ok(Some(dir))
}

/// Where this user's plugins of the `docker` command are: with a directory of its own it would not find `compose`.
fn plugins() -> Option<PathBuf> {
    let usual = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let config = std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(usual)?;
    Some(config.join("cli-plugins"))
}

/// A registry as the `docker` command files it: by its host, but for Docker's own.
fn key(url: &str) -> String {
    let url = url.trim();
    let bare = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .unwrap_or(url);
    let host = bare.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match host.as_str() {
        ""
        | "docker.io"
        | "index.docker.io"
        | "registry-1.docker.io"
        | "registry.hub.docker.com"
        | "hub.docker.com" => HUB.to_owned(),
        _ => host,
    }
}

/// Removes what an agent left behind that was killed while a command ran.
pub(super) fn clear(state_dir: &Path) {
    let Ok(entries) = std::fs::read_dir(state_dir) else {
        return;
    };
    for entry in entries.flatten() {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir
            && entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, path = %entry.path().display(), "passwords that should be gone are still there");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let check = |url: &str, expected: &str| assert_eq!(key(url), expected, "{url}");
        check("https://ghcr.io/", "ghcr.io");
        check("ghcr.io", "ghcr.io");
        check("http://box:5000/v2/", "box:5000");
        check("https://index.docker.io/v1/", HUB);
        check("docker.io", HUB);
        check("https://registry.hub.docker.com", HUB);
        check("", HUB);
    }

    #[test]
    fn they_are_written_for_one_user_and_go() {
        let state = tempfile::tempdir().unwrap();
        let registry = |url: &str, username: &str| Registry {
            url: url.to_owned(),
            username: username.to_owned(),
            password: "s3cret".to_owned(),
        };
        let given = [registry("ghcr.io", "me"), registry("box:5000", "")];
        assert_eq!(format!("{:?}", given[0]), "Registry(\"ghcr.io\", ..)");
        let dir = write(state.path(), &given).unwrap().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = dir.path().join("config.json");
        assert_eq!((mode(dir.path()), mode(&file)), (0o700, 0o600));
        let config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        // As `printf me:s3cret | base64` prints it.
        assert_eq!(config["auths"], json!({ "ghcr.io": { "auth": "bWU6czNjcmV0" } }));
        drop(dir);
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
        assert!(write(state.path(), &given[1..]).unwrap().is_none());
    }

    #[test]
    fn what_was_left_behind_goes() {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(state.path().join("compose-x/cli")).unwrap();
        std::fs::write(state.path().join("compose-x/config.json"), "{}").unwrap();
        std::fs::write(state.path().join("agent-id"), "x").unwrap();
        clear(state.path());
        let left: Vec<_> = std::fs::read_dir(state.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["agent-id"]);
        clear(&state.path().join("nothing"));
    }
}
