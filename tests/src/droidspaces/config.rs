//! `container.config`: lines of `key=value`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::unistd::mkstemp;

/// Keys that Droidspaces knows, in the order in which it writes them. Any other is kept behind them.
const KNOWN: &[&str] = &[
    "name",
    "hostname",
    "rootfs_path",
    "net_mode",
    "static_nat_ip",
    "port_forwards",
    "upstream_interfaces",
    "gateway_container",
    "gateway_net",
    "gateway_bridge",
    "gateway_lan_ifname",
    "dns_servers",
    "disable_ipv6",
    "enable_android_storage",
    "enable_termux_x11",
    "tx11_extra_flags",
    "enable_virgl",
    "virgl_extra_flags",
    "enable_pulseaudio",
    "enable_hw_access",
    "enable_gpu_mode",
    "selinux_permissive",
    "allow_userns",
    "volatile_mode",
    "force_cgroupv1",
    "block_nested_ns",
    "memory_limit",
    "cpu_quota",
    "cpu_period",
    "pids_limit",
    "privileged",
    "foreground",
    "env_file",
    "uuid",
    "custom_init",
    "bind_mounts",
];

/// A container's settings, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    values: Vec<(String, String)>,
}

impl Config {
    /// Reads lines: the first `=` splits, both sides are trimmed, `#` begins a comment line, the last of
    /// several values holds.
    pub fn parse(text: &str) -> Self {
        let mut config = Self::default();
        for line in text.lines() {
            if !line.trim_start().starts_with('#')
                && let Some((key, value)) = line.split_once('=')
            {
                config.set(key.trim(), value.trim());
            }
        }
        config
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(path: &Path) -> io::Result<Self> {
        Ok(Self::parse(&String::from_utf8_lossy(&fs::read(path)?)))
    }

    /// A value; empty where there is none.
    pub fn value(&self, key: &str) -> &str {
        let found = self.values.iter().find(|(own, _)| own == key);
        found.map_or("", |(_, value)| value)
    }

    /// Whether a value says yes.
    pub fn is_on(&self, key: &str) -> bool {
        let value = self.value(key).to_ascii_lowercase();
        ["1", "true", "yes", "on"].contains(&value.as_str())
    }

    /// Gives a key a value.
    pub fn set(&mut self, key: &str, value: &str) {
        match self.values.iter_mut().find(|(own, _)| own == key) {
            Some((_, own)) => value.clone_into(own),
            None => self.values.push((key.to_owned(), value.to_owned())),
        }
    }

    /// The lines as Droidspaces writes them: known keys in its order, then the others in theirs.
    pub fn text(&self) -> String {
        let known = KNOWN
            .iter()
            .filter_map(|key| self.values.iter().find(|(own, _)| own == key));
        let other = self
            .values
            .iter()
            .filter(|(key, _)| !KNOWN.contains(&key.as_str()));
        known
            .chain(other)
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect()
    }

    /// Writes a file as Droidspaces does: not at all where nothing differs, else by a file beside it that
    /// takes its place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let text = self.text();
        if fs::read(path).is_ok_and(|own| own == text.as_bytes()) {
            return Ok(());
        }
        replace(path, text.as_bytes())
    }
}

/// Puts a file in a place at once, whatever is there: readers see the old one or the new one.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut template = path.as_os_str().to_owned();
    template.push(".XXXXXX");
    let (fd, beside) = mkstemp(Path::new(&template))?;
    let mut file = fs::File::from(fd);
    file.write_all(bytes)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn lines_are_read_and_written() {
        fn check(text: &str, written: &str) {
            assert_eq!(Config::parse(text).text(), written, "{text:?}");
        }
        check("", "");
        check("# name=a\nname = b \nno value\n", "name=b\n");
        check("uuid=1\nname=a\n", "name=a\nuuid=1\n");
        check("run_at_boot=1\nname=a\nname=b\n", "name=b\nrun_at_boot=1\n");
        check("env_file=a=b", "env_file=a=b\n");
    }

    #[test]
    fn several_words_say_yes() {
        fn check(value: &str, on: bool) {
            let config = Config::parse(&format!("disable_ipv6={value}"));
            assert_eq!(config.is_on("disable_ipv6"), on, "{value:?}");
        }
        check("1", true);
        check("True", true);
        check("YES", true);
        check("on", true);
        check("0", false);
        check("", false);
        check("2", false);
    }
}
