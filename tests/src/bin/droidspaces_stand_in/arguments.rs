//! The command line.

use crate::Failure;

/// Options with a value that become a setting of the container: what they are called, and the setting.
const SETTINGS: &[(&[&str], &str)] = &[
    (&["-r", "--rootfs", "-i", "--rootfs-img"], "rootfs_path"),
    (&["-h", "--hostname"], "hostname"),
    (&["-d", "--dns"], "dns_servers"),
    (&["-B", "--bind", "--bind-mount"], "bind_mounts"),
    (&["--net"], "net_mode"),
    (&["--port"], "port_forwards"),
    (&["--upstream"], "upstream_interfaces"),
    (&["--nat-ip"], "static_nat_ip"),
    (&["--gateway"], "gateway_container"),
    (&["--gateway-net"], "gateway_net"),
    (&["--gateway-iface"], "gateway_lan_ifname"),
    (&["--gateway-bridge"], "gateway_bridge"),
    (&["--privileged"], "privileged"),
    (&["--memory"], "memory_limit"),
    (&["--pids-limit"], "pids_limit"),
    (&["--init"], "custom_init"),
];
/// Options without a value that set something to 1.
const SWITCHES: &[(&[&str], &str)] = &[
    (&["-H", "--hw-access"], "enable_hw_access"),
    (&["--gpu"], "enable_gpu_mode"),
    (&["-I", "--disable-ipv6"], "disable_ipv6"),
    (&["-V", "--volatile"], "volatile_mode"),
    (&["--force-cgroupv1"], "force_cgroupv1"),
    (&["--block-nested-namespaces"], "block_nested_ns"),
    (&["--allow-userns"], "allow_userns"),
];
/// Options that are taken without an effect.
const IGNORED: &[&str] = &[
    "-X",
    "--termux-x11",
    "--virgl",
    "--pulse-audio",
    "-S",
    "-P",
    "--reset",
];
/// Options with a value that are taken without an effect.
const IGNORED_VALUES: &[&str] = &["-E", "--env", "--cpus", "--tx11-flags", "--virgl-flags"];

/// What a call asks for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The first word that is no option.
    pub(crate) command: String,
    /// The words behind it.
    pub(crate) words: Vec<String>,
    /// The container, or several with commas.
    pub(crate) name: String,
    /// A file of settings.
    pub(crate) conf: Option<String>,
    /// Whom a command runs as.
    pub(crate) user: Option<String>,
    /// Lines for programs instead of text for people.
    pub(crate) format: bool,
    /// In the foreground.
    pub(crate) foreground: bool,
    /// Settings in place of those in the file.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Options {
    pub(crate) fn parse(words: &[String]) -> Result<Self, Failure> {
        let mut own = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            // Options of the command that is run are its own.
            if own.command == "run" && (!own.words.is_empty() || !word.starts_with('-')) {
                own.words.push(word.clone());
                own.words.extend(rest.cloned());
                break;
            }
            if !word.starts_with('-') {
                own.word(word);
                continue;
            }
            let (option, glued) = match word.split_once('=') {
                Some((option, value)) if word.starts_with("--") => (option, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            if own.switch(option) {
                continue;
            }
            let value = glued
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| Failure::invalid(format!("option '{option}' requires an argument")))?;
            own.option(option, value)?;
        }
        if own.command.is_empty() {
            return Err(Failure::invalid("Usage: droidspaces [options] <command> [args]"));
        }
        Ok(own)
    }

    fn word(&mut self, word: &str) {
        if self.command.is_empty() {
            word.clone_into(&mut self.command);
        } else {
            self.words.push(word.to_owned());
        }
    }

    fn switch(&mut self, option: &str) -> bool {
        match option {
            "--format" => self.format = true,
            "-f" | "--foreground" => self.foreground = true,
            _ => {
                let Some((_, key)) = SWITCHES.iter().find(|(names, _)| names.contains(&option)) else {
                    return IGNORED.contains(&option);
                };
                self.settings.push((key, "1".to_owned()));
            }
        }
        true
    }

    fn option(&mut self, option: &str, value: String) -> Result<(), Failure> {
        match option {
            "-n" | "--name" => self.name = value,
            "-C" | "--conf" | "--config" => self.conf = Some(value),
            "-u" | "--user" => self.user = Some(value),
            _ if IGNORED_VALUES.contains(&option) => (),
            _ => {
                let known = SETTINGS.iter().find(|(names, _)| names.contains(&option));
                let (_, key) =
                    known.ok_or_else(|| Failure::invalid(format!("unrecognized option '{option}'")))?;
                self.settings.push((key, value));
            }
        }
        Ok(())
    }
}
