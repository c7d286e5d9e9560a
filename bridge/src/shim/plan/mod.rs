//! A specification, parsed into what the first process will do. Pure: it opens no file.
//!
//! The bridge plans when a container is created, to refuse what cannot be; the shim plans again
//! when it starts, to do it. What a plan cannot express is refused or warned about here, so that
//! nothing that was asked is ignored in silence.

use std::ffi::CString;

use caps::CapsHashSet;
use nix::sys::resource::Resource;
use wire::Container;
use wire::spec::{NetworkMode, Security, Spec};

use super::failure::Failure;

pub mod capabilities;
pub mod exec;
pub mod limits;
pub mod log;
pub mod mounts;
pub mod options;
pub mod sysctls;

use limits::GroupLimits;
use log::LogPlan;
use mounts::{DeviceNode, MountPlan};

/// Size of `/dev/shm` where nothing else is asked, in bytes.
const SHM_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// The search path where the environment names none.
const PATH_DEFAULT: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What of the kernel is hidden and kept from writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Some files masked, some read-only, `/sys` read-only.
    Guarded,
    /// Nothing masked; `/sys` read-only still.
    Unmasked,
    /// Nothing masked, everything writable: a privileged container.
    Full,
}

/// Whether the network is the container's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkPlan {
    /// A namespace with loopback only.
    Own,
    /// The host's.
    Host,
}

/// What standard input, output and error are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Pipes; input is `/dev/null`.
    Output,
    /// Pipes, and input is one that stays open.
    OutputAndInput,
    /// A terminal.
    Terminal,
}

/// Rows and columns of a terminal; zero means as the kernel makes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TerminalSize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// Who is process 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// The command.
    Command,
    /// A small process of ours that passes signals on and reaps orphans.
    Reaper,
}

/// The file system the container is given.
#[derive(Debug)]
pub struct FilesPlan {
    /// Whether the root file system refuses writing.
    pub read_only_root: bool,
    /// What of the kernel is hidden.
    pub exposure: Exposure,
    /// Size of `/dev/shm`, in bytes.
    pub shm_bytes: u64,
    /// Mounts asked for, outer ones first.
    pub mounts: Vec<MountPlan>,
    /// Devices asked for.
    pub devices: Vec<DeviceNode>,
}

/// The process to be executed, and its powers.
#[derive(Debug, Clone)]
pub struct ProcessPlan {
    /// The argument vector; never empty.
    pub arguments: Vec<CString>,
    /// The environment but `HOME`, which the container's users decide.
    pub env: Vec<String>,
    /// Absolute directory to start in.
    pub working_dir: String,
    /// `user`, `uid`, `user:group` or `uid:gid`; empty means root.
    pub user: String,
    /// Further groups: numbers or names.
    pub groups: Vec<String>,
    /// What it has of root's powers.
    pub capabilities: CapsHashSet,
    /// Whether executing a file can add powers.
    pub new_privileges: bool,
    /// Whether system calls are filtered.
    pub filtered: bool,
    /// Limits: which, soft, hard.
    pub rlimits: Vec<(Resource, u64, u64)>,
    /// Preference of the kernel's memory killer.
    pub oom_score_adjustment: i32,
    /// Its standard streams.
    pub streams: Streams,
    /// Size of its terminal at the start.
    pub size: TerminalSize,
    /// Whether its input closes with the first client.
    pub input_once: bool,
    /// Who is process 1.
    pub init: Init,
}

/// What the first process will do.
#[derive(Debug)]
pub struct Plan {
    /// Host name; none means as the host's.
    pub hostname: Option<String>,
    /// Domain name; empty means none.
    pub domainname: String,
    /// Whose network.
    pub network: NetworkPlan,
    /// Kernel settings: path below `/proc/sys`, value.
    pub sysctls: Vec<(String, String)>,
    /// The file system.
    pub files: FilesPlan,
    /// The process.
    pub process: ProcessPlan,
    /// Limits by control group.
    pub group_limits: GroupLimits,
    /// How much of its log is kept.
    pub log: LogPlan,
}

impl Plan {
    /// Plans a container.
    ///
    /// # Errors
    /// What contradicts itself, or cannot be done here.
    pub fn new(container: &Container) -> Result<Self, Failure> {
        let spec = &container.spec;
        let network = match spec.network.mode {
            NetworkMode::Host => NetworkPlan::Host,
            NetworkMode::Default | NetworkMode::None | NetworkMode::Bridge => NetworkPlan::Own,
            NetworkMode::Named => {
                return Err(Failure::unsupported(format_args!(
                    "this runtime has no network {}",
                    spec.network.name
                )));
            }
            NetworkMode::Unknown(number) => {
                return Err(Failure::unsupported(format_args!(
                    "unknown network mode {number}"
                )));
            }
        };
        let hostname = match (spec.hostname.as_str(), network) {
            ("", NetworkPlan::Host) => None,
            ("", NetworkPlan::Own) => Some(container.id.hex().short().to_owned()),
            (name, _) => Some(checked_hostname(name)?),
        };
        Ok(Self {
            network,
            domainname: checked_hostname(&spec.domainname)?,
            sysctls: sysctls::plan(&spec.security.sysctls, network)?,
            files: files(spec)?,
            process: process(spec, hostname.as_deref())?,
            hostname,
            group_limits: GroupLimits::new(&spec.resources)?,
            log: LogPlan::new(&spec.log_options)?,
        })
    }
}

/// The kernel's own limit, 64 bytes with the end mark, is the only rule: names are for people.
fn checked_hostname(name: &str) -> Result<String, Failure> {
    if name.len() > 64 || name.contains(['/', '\n']) {
        return Err(Failure::invalid(format_args!("invalid host name: {name:?}")));
    }
    Ok(name.to_owned())
}

fn files(spec: &Spec) -> Result<FilesPlan, Failure> {
    let security = &spec.security;
    Ok(FilesPlan {
        read_only_root: security.read_only_rootfs,
        exposure: exposure(security)?,
        shm_bytes: if spec.shm_bytes == 0 {
            SHM_BYTES_DEFAULT
        } else {
            spec.shm_bytes
        },
        mounts: mounts::plan(&spec.mounts)?,
        devices: mounts::devices(&security.devices)?,
    })
}

fn exposure(security: &Security) -> Result<Exposure, Failure> {
    let options = options::SecurityOptions::new(&security.options)?;
    Ok(match (security.privileged, options.masked) {
        (true, _) => Exposure::Full,
        (false, true) => Exposure::Guarded,
        (false, false) => Exposure::Unmasked,
    })
}

fn process(spec: &Spec, hostname: Option<&str>) -> Result<ProcessPlan, Failure> {
    let (asked, security) = (&spec.process, &spec.security);
    let arguments = arguments(asked.entrypoint.iter().chain(&asked.command))?;
    let working_dir = checked_directory(&asked.working_dir)?.unwrap_or_else(|| "/".to_owned());
    let options = options::SecurityOptions::new(&security.options)?;
    Ok(ProcessPlan {
        arguments,
        env: environment(&asked.env, hostname, asked.tty),
        working_dir,
        user: asked.user.clone(),
        groups: security.groups_added.clone(),
        capabilities: capabilities::plan(security)?,
        new_privileges: security.privileged,
        filtered: options.filtered && !security.privileged,
        rlimits: limits::rlimits(&spec.resources.ulimits)?,
        oom_score_adjustment: limits::oom_score(spec.resources.oom_score_adjustment)?,
        streams: match (asked.tty, asked.open_stdin) {
            (true, _) => Streams::Terminal,
            (false, true) => Streams::OutputAndInput,
            (false, false) => Streams::Output,
        },
        size: TerminalSize {
            rows: asked.rows,
            columns: asked.columns,
        },
        input_once: asked.stdin_once,
        init: if asked.init { Init::Reaper } else { Init::Command },
    })
}

fn arguments<'a>(texts: impl Iterator<Item = &'a String>) -> Result<Vec<CString>, Failure> {
    let arguments = texts
        .map(|text| CString::new(text.as_str()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Failure::invalid("an argument holds a NUL"))?;
    if arguments.is_empty() {
        return Err(Failure::invalid("no command specified"));
    }
    Ok(arguments)
}

/// None where none is asked.
fn checked_directory(asked: &str) -> Result<Option<String>, Failure> {
    match asked {
        "" => Ok(None),
        absolute if absolute.starts_with('/') => Ok(Some(absolute.to_owned())),
        other => Err(Failure::invalid(format_args!(
            "the working directory '{other}' is invalid, it needs to be an absolute path"
        ))),
    }
}

/// Defaults first, then what was asked: the last of two wins, and only it is passed on.
fn environment(asked: &[String], hostname: Option<&str>, tty: bool) -> Vec<String> {
    let mut env: Vec<String> = vec![PATH_DEFAULT.to_owned()];
    env.extend(hostname.map(|name| format!("HOSTNAME={name}")));
    env.extend(tty.then(|| "TERM=xterm".to_owned()));
    merge(&mut env, asked);
    env
}

fn merge(env: &mut Vec<String>, asked: &[String]) {
    for variable in asked {
        let Some((name, _)) = variable.split_once('=') else {
            continue;
        };
        match env
            .iter_mut()
            .find(|have| have.split_once('=').is_some_and(|(key, _)| key == name))
        {
            Some(have) => have.clone_from(variable),
            None => env.push(variable.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
