//! A container with everything that version 1 knows of it.

use core::mem::size_of;

use super::layout::{
    BindRecord, InspectRecord, Recorded, SwitchesRecord, VariableRecord, fill_slots, read_slots,
};
use super::limits::{BINDS_MAX, PORTS_MAX, VARIABLES_MAX};
use super::{Invalid, NetMode, Port};

/// The version of the inspected record.
const RECORD_VERSION: u16 = 1;

/// An environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variable {
    /// Its name; at most 255 bytes are carried.
    pub key: String,
    /// Its value; at most 1023 bytes are carried.
    pub value: String,
}

impl Recorded for Variable {
    type Record = VariableRecord;

    fn fill(&self, record: &mut VariableRecord) {
        record.key.set(&self.key);
        record.value.set(&self.value);
    }

    fn read(record: &VariableRecord) -> Result<Self, Invalid> {
        Ok(Self {
            key: record.key.get(),
            value: record.value.get(),
        })
    }
}

/// A directory or file of the host in the container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bind {
    /// Path on the host; at most 1023 bytes are carried.
    pub source: String,
    /// Path in the container; at most 1023 bytes are carried.
    pub destination: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

impl Recorded for Bind {
    type Record = BindRecord;

    fn fill(&self, record: &mut BindRecord) {
        record.source.set(&self.source);
        record.destination.set(&self.destination);
        record.read_only = self.read_only.into();
    }

    fn read(record: &BindRecord) -> Result<Self, Invalid> {
        Ok(Self {
            source: record.source.get(),
            destination: record.destination.get(),
            read_only: record.read_only != 0,
        })
    }
}

/// Which protections a container goes without, as a bit mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Privileges(pub i32);

impl Privileges {
    /// No path of the kernel's is masked.
    pub const NO_MASK: Self = Self(1);
    /// No capability is taken.
    pub const NO_CAPS: Self = Self(2);
    /// No system call is filtered.
    pub const NO_SECCOMP: Self = Self(4);
    /// Mounts are shared with the host.
    pub const SHARED: Self = Self(8);
    /// All devices of the host are there.
    pub const UNFILTERED_DEV: Self = Self(16);
    /// Without any.
    pub const FULL: Self = Self(255);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Switches of a container, by the runtime's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Switches {
    /// It was started in the foreground.
    pub foreground: bool,
    /// What it writes is gone when it stops.
    pub volatile_mode: bool,
    /// Control groups of version 1 are used although version 2 is there.
    pub force_cgroup_v1: bool,
    /// It has no IPv6.
    pub disable_ipv6: bool,
    /// It sees Android's storage.
    pub android_storage: bool,
    /// SELinux is made permissive for it.
    pub selinux_permissive: bool,
    /// It sees the host's hardware.
    pub hw_access: bool,
    /// It sees the graphics processor.
    pub gpu_mode: bool,
    /// It sees the socket of Termux:X11.
    pub termux_x11: bool,
    /// It cannot make namespaces of its own.
    pub block_nested_ns: bool,
    /// Its root is an image that is mounted.
    pub is_img_mount: bool,
}

impl Recorded for Switches {
    type Record = SwitchesRecord;

    fn fill(&self, record: &mut SwitchesRecord) {
        record.foreground = self.foreground.into();
        record.volatile_mode = self.volatile_mode.into();
        record.force_cgroup_v1 = self.force_cgroup_v1.into();
        record.disable_ipv6 = self.disable_ipv6.into();
        record.android_storage = self.android_storage.into();
        record.selinux_permissive = self.selinux_permissive.into();
        record.hw_access = self.hw_access.into();
        record.gpu_mode = self.gpu_mode.into();
        record.termux_x11 = self.termux_x11.into();
        record.block_nested_ns = self.block_nested_ns.into();
        record.is_img_mount = self.is_img_mount.into();
    }

    fn read(record: &SwitchesRecord) -> Result<Self, Invalid> {
        Ok(Self {
            foreground: record.foreground != 0,
            volatile_mode: record.volatile_mode != 0,
            force_cgroup_v1: record.force_cgroup_v1 != 0,
            disable_ipv6: record.disable_ipv6 != 0,
            android_storage: record.android_storage != 0,
            selinux_permissive: record.selinux_permissive != 0,
            hw_access: record.hw_access != 0,
            gpu_mode: record.gpu_mode != 0,
            termux_x11: record.termux_x11 != 0,
            block_nested_ns: record.block_nested_ns != 0,
            is_img_mount: record.is_img_mount != 0,
        })
    }
}

/// A container as INSPECT_CONTAINER shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspect {
    /// Its name; at most 255 bytes are carried.
    pub name: String,
    /// 32 lower-case hexadecimal digits; empty before its first start.
    pub uuid: String,
    /// Path of its root directory; empty where it has an image. At most 1023 bytes.
    pub rootfs: String,
    /// Path of its image, or of its root directory where it has none; at most 1023 bytes.
    pub image: String,
    /// Its hostname, where it has one of its own; at most 255 bytes.
    pub hostname: String,
    /// Its IPv4 address; with [`NetMode::Nat`] only.
    pub address: String,
    /// Its first program; empty for `/sbin/init`. At most 1023 bytes.
    pub init: String,
    /// Its name servers, as its configuration has them; at most 1023 bytes.
    pub dns: String,
    /// Its first process as the host sees it; 0 where it does not run.
    pub pid: i32,
    /// When it started, in seconds since 1970; 0 where it does not run or nobody knows.
    pub started_at_s: i64,
    /// Most memory, in bytes; 0 where there is no limit.
    pub memory_bytes: i64,
    /// Processor time per period, in microseconds; 0 where there is no limit.
    pub cpu_quota_us: i64,
    /// That period, in microseconds.
    pub cpu_period_us: i64,
    /// Most processes; 0 where there is no limit.
    pub pids_max: i64,
    /// Which protections it goes without.
    pub privileges: Privileges,
    /// How it is connected.
    pub net_mode: NetMode,
    /// Its switches.
    pub switches: Switches,
    /// Its environment; the first 32 are carried.
    pub env: Vec<Variable>,
    /// How many more variables it has than are in `env`.
    pub env_left_out: u16,
    /// Its bind mounts; the first 32 are carried.
    pub binds: Vec<Bind>,
    /// How many more bind mounts it has than are in `binds`.
    pub binds_left_out: u16,
    /// Its published ports; the first sixteen are carried.
    pub ports: Vec<Port>,
    /// How many more published ports it has than are in `ports`.
    pub ports_left_out: u16,
}

/// How many entries are carried, and how many there are.
fn count<T>(items: &[T], left_out: u16, max: usize) -> (u16, u16) {
    let carried = u16::try_from(items.len().min(max)).unwrap_or(u16::MAX);
    let all = u16::try_from(items.len()).unwrap_or(u16::MAX);
    (carried, all.saturating_add(left_out))
}

impl Recorded for Inspect {
    type Record = InspectRecord;

    fn fill(&self, record: &mut InspectRecord) {
        record.version.set(RECORD_VERSION);
        record.size.set(size());
        record.name.set(&self.name);
        record.uuid.set(&self.uuid);
        record.rootfs.set(&self.rootfs);
        record.image.set(&self.image);
        record.hostname.set(&self.hostname);
        record.address.set(&self.address);
        record.init.set(&self.init);
        record.dns.set(&self.dns);
        record.pid.set(self.pid);
        record.started_at_s.set(self.started_at_s);
        record.memory_bytes.set(self.memory_bytes);
        record.cpu_quota_us.set(self.cpu_quota_us);
        record.cpu_period_us.set(self.cpu_period_us);
        record.pids_max.set(self.pids_max);
        record.privileged.set(self.privileges.0);
        record.net_mode = self.net_mode.number();
        self.switches.fill(&mut record.switches);
        let (carried, all) = count(&self.env, self.env_left_out, VARIABLES_MAX);
        record.env_count.set(carried);
        record.env_total.set(all);
        let (carried, all) = count(&self.binds, self.binds_left_out, BINDS_MAX);
        record.bind_count.set(carried);
        record.bind_total.set(all);
        let (carried, all) = count(&self.ports, self.ports_left_out, PORTS_MAX);
        record.port_count.set(carried);
        record.port_total.set(all);
        fill_slots(&self.env, &mut record.env);
        fill_slots(&self.binds, &mut record.binds);
        fill_slots(&self.ports, &mut record.ports);
    }

    fn read(record: &InspectRecord) -> Result<Self, Invalid> {
        let (version, stated) = (record.version.get(), record.size.get());
        if version != RECORD_VERSION || stated != size() {
            return Err(Invalid::Record {
                version,
                size: stated,
            });
        }
        let (env, binds) = (record.env_count.get(), record.bind_count.get());
        let ports = record.port_count.get();
        Ok(Self {
            name: record.name.get(),
            uuid: record.uuid.get(),
            rootfs: record.rootfs.get(),
            image: record.image.get(),
            hostname: record.hostname.get(),
            address: record.address.get(),
            init: record.init.get(),
            dns: record.dns.get(),
            pid: record.pid.get(),
            started_at_s: record.started_at_s.get(),
            memory_bytes: record.memory_bytes.get(),
            cpu_quota_us: record.cpu_quota_us.get(),
            cpu_period_us: record.cpu_period_us.get(),
            pids_max: record.pids_max.get(),
            privileges: Privileges(record.privileged.get()),
            net_mode: NetMode::from_number(record.net_mode),
            switches: Switches::read(&record.switches)?,
            env: read_slots("variables", env, &record.env)?,
            env_left_out: record.env_total.get().saturating_sub(env),
            binds: read_slots("binds", binds, &record.binds)?,
            binds_left_out: record.bind_total.get().saturating_sub(binds),
            ports: read_slots("ports", ports, &record.ports)?,
            ports_left_out: record.port_total.get().saturating_sub(ports),
        })
    }
}

fn size() -> u32 {
    u32::try_from(size_of::<InspectRecord>()).unwrap_or(u32::MAX)
}
