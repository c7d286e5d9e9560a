//! What clients send to `POST /containers/create`.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::super::health::Healthcheck;
use super::super::mounts::MountObject;
use super::super::ports::Binding;

/// A field that may be absent or `null`; both mean its default.
#[derive(Debug, Default)]
pub(super) struct Set<T>(T);

impl<T> Deref for Set<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Set<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| Self(value.unwrap_or_default()))
    }
}

/// A list of words that may be written as one word.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    pub(super) fn list(&self) -> &[String] {
        match self {
            Self::One(word) => core::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }
}

type Text = Set<String>;
type Texts = Set<Vec<String>>;
type Flag = Set<bool>;
type Number = Set<i64>;
type Anything = Set<Vec<IgnoredAny>>;
type Keys = Set<BTreeMap<String, IgnoredAny>>;
type Pairs = Set<BTreeMap<String, String>>;

/// The whole body. Fields nobody here knows are passed over, as Docker does.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Body {
    pub(super) hostname: Text,
    pub(super) domainname: Text,
    pub(super) user: Text,
    pub(super) attach_stdin: Flag,
    pub(super) attach_stdout: Flag,
    pub(super) attach_stderr: Flag,
    pub(super) exposed_ports: Keys,
    pub(super) tty: Flag,
    pub(super) open_stdin: Flag,
    pub(super) stdin_once: Flag,
    pub(super) env: Texts,
    pub(super) cmd: Option<Words>,
    pub(super) healthcheck: Option<Healthcheck>,
    pub(super) image: Text,
    pub(super) volumes: Keys,
    pub(super) working_dir: Text,
    pub(super) entrypoint: Option<Words>,
    pub(super) network_disabled: Flag,
    pub(super) mac_address: Text,
    pub(super) labels: Pairs,
    pub(super) stop_signal: Text,
    pub(super) stop_timeout: Option<i64>,
    pub(super) host_config: Set<HostConfig>,
    pub(super) networking_config: Set<NetworkingConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct HostConfig {
    pub(super) binds: Texts,
    pub(super) log_config: Set<LogConfig>,
    pub(super) network_mode: Text,
    pub(super) port_bindings: Set<BTreeMap<String, Option<Vec<Binding>>>>,
    pub(super) restart_policy: Set<RestartPolicy>,
    pub(super) console_size: Set<(u16, u16)>,
    pub(super) auto_remove: Flag,
    pub(super) volume_driver: Text,
    pub(super) volumes_from: Texts,
    pub(super) annotations: Pairs,
    pub(super) cap_add: Texts,
    pub(super) cap_drop: Texts,
    pub(super) cgroupns_mode: Text,
    pub(super) dns: Texts,
    pub(super) dns_options: Texts,
    pub(super) dns_search: Texts,
    pub(super) extra_hosts: Texts,
    pub(super) group_add: Texts,
    pub(super) ipc_mode: Text,
    pub(super) cgroup: Text,
    pub(super) links: Texts,
    pub(super) oom_score_adj: Number,
    pub(super) pid_mode: Text,
    pub(super) privileged: Flag,
    pub(super) publish_all_ports: Flag,
    pub(super) readonly_rootfs: Flag,
    pub(super) security_opt: Texts,
    pub(super) storage_opt: Pairs,
    pub(super) tmpfs: Pairs,
    #[serde(rename = "UTSMode")]
    pub(super) uts_mode: Text,
    pub(super) userns_mode: Text,
    pub(super) shm_size: Number,
    pub(super) sysctls: Pairs,
    pub(super) runtime: Text,
    pub(super) isolation: Text,
    pub(super) cpu_shares: Number,
    pub(super) memory: Number,
    pub(super) nano_cpus: Number,
    pub(super) cgroup_parent: Text,
    pub(super) blkio_weight: Number,
    pub(super) blkio_weight_device: Anything,
    pub(super) blkio_device_read_bps: Anything,
    pub(super) blkio_device_write_bps: Anything,
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub(super) blkio_device_read_iops: Anything,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub(super) blkio_device_write_iops: Anything,
    pub(super) cpu_period: Number,
    pub(super) cpu_quota: Number,
    pub(super) cpu_realtime_period: Number,
    pub(super) cpu_realtime_runtime: Number,
    pub(super) cpuset_cpus: Text,
    pub(super) cpuset_mems: Text,
    pub(super) devices: Set<Vec<Device>>,
    pub(super) device_cgroup_rules: Texts,
    pub(super) device_requests: Anything,
    pub(super) kernel_memory: Number,
    #[serde(rename = "KernelMemoryTCP")]
    pub(super) kernel_memory_tcp: Number,
    pub(super) memory_reservation: Number,
    pub(super) memory_swap: Number,
    pub(super) memory_swappiness: Option<i64>,
    pub(super) oom_kill_disable: Flag,
    pub(super) pids_limit: Number,
    pub(super) ulimits: Set<Vec<Ulimit>>,
    pub(super) mounts: Set<Vec<MountObject>>,
    pub(super) masked_paths: Option<Vec<String>>,
    pub(super) readonly_paths: Option<Vec<String>>,
    pub(super) init: Flag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct LogConfig {
    #[serde(rename = "Type")]
    pub(super) kind: Text,
    pub(super) config: Pairs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RestartPolicy {
    pub(super) name: Text,
    pub(super) maximum_retry_count: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Device {
    pub(super) path_on_host: Text,
    pub(super) path_in_container: Text,
    pub(super) cgroup_permissions: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Ulimit {
    pub(super) name: Text,
    pub(super) soft: Number,
    pub(super) hard: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct NetworkingConfig {
    pub(super) endpoints_config: Set<BTreeMap<String, Option<Endpoint>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Endpoint {
    #[serde(rename = "IPAMConfig")]
    pub(super) ipam_config: Set<IpamConfig>,
    pub(super) links: Texts,
    pub(super) aliases: Texts,
    pub(super) mac_address: Text,
    pub(super) driver_opts: Pairs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IpamConfig {
    #[serde(rename = "IPv4Address")]
    pub(super) ipv4_address: Text,
    #[serde(rename = "IPv6Address")]
    pub(super) ipv6_address: Text,
}
