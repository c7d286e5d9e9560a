//! A container that a test is about to write.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::config::{Config, replace};
use super::root::Rootfs;
use super::{Workspace, safe_name};

/// A container's folder in the making. Nothing is there until [`Draft::write`].
#[derive(Debug)]
pub struct Draft<'a> {
    workspace: &'a Workspace,
    folder: PathBuf,
    config: Config,
    /// Lines as they are, well-formed or not, behind the others.
    raw: String,
}

impl<'a> Draft<'a> {
    pub(super) fn new(workspace: &'a Workspace, name: &str) -> Self {
        let mut config = Config::default();
        config.set("name", name);
        Self {
            workspace,
            folder: workspace.root().join("Containers").join(safe_name(name)),
            config,
            raw: String::new(),
        }
    }

    /// Gives a key a value.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.config.set(key, value);
        self
    }

    /// Adds a line as it is.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.raw.push_str(line);
        self.raw.push('\n');
        self
    }

    /// Writes the file of environment variables, `.env`, and names it in the settings.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn env(self, text: &str) -> Self {
        let path = self.folder.join(".env");
        fs::create_dir_all(&self.folder).unwrap();
        fs::write(&path, text).unwrap();
        self.set("env_file", path.to_str().unwrap())
    }

    /// Makes a root file system of its own in a folder; `change` sees it first.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn rootfs(self, change: impl FnOnce(&Rootfs)) -> Self {
        let rootfs = self.workspace.rootfs().copy(&self.folder.join("rootfs"));
        change(&rootfs);
        self.rootfs_at(rootfs.path())
    }

    /// Takes a folder or an image that is there, or is not.
    ///
    /// # Panics
    /// When the path is not text.
    #[must_use]
    pub fn rootfs_at(self, path: &Path) -> Self {
        self.set("rootfs_path", path.to_str().unwrap())
    }

    /// Makes an image: a file of this size without a byte in it.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn image(self, bytes: u64) -> Self {
        let path = self.folder.join("rootfs.img");
        fs::create_dir_all(&self.folder).unwrap();
        File::create(&path).unwrap().set_len(bytes).unwrap();
        self.rootfs_at(&path)
    }

    /// Puts the settings in their place at once, as Droidspaces does, and gives the container's folder.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn write(self) -> PathBuf {
        let text = self.config.text() + &self.raw;
        fs::create_dir_all(&self.folder).unwrap();
        replace(&self.folder.join("container.config"), text.as_bytes()).unwrap();
        self.folder
    }
}
