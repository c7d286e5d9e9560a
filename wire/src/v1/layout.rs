//! The bytes of version 1: structs of fixed layout, each held against its table of offsets.
//!
//! What is not said about a field here is said where its value is: this file is where it lies.

use core::mem::{offset_of, size_of};

use zerocopy::byteorder::big_endian::{I32, I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Invalid;
use super::limits::{
    ADDRESS_BYTES, BINDS_MAX, CONTAINERS_MAX, EVENTS_MAX, IMAGES_MAX, NAME_BYTES, PATH_BYTES,
    PAYLOAD_BYTES_MAX, PORTS_MAX, UUID_BYTES, VARIABLES_MAX, WORD_BYTES,
};
use super::text::Text;

/// A value that has a record of fixed layout.
pub(super) trait Recorded: Sized {
    /// Its bytes.
    type Record: FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned;

    /// Puts the value into a record that is all zero.
    fn fill(&self, record: &mut Self::Record);

    /// Reads the value.
    fn read(record: &Self::Record) -> Result<Self, Invalid>;

    /// Appends the record.
    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + size_of::<Self::Record>(), 0);
        if let Some(Ok(record)) = out.get_mut(start..).map(Self::Record::mut_from_bytes) {
            self.fill(record);
        }
    }

    /// Reads bytes that are one record after the other, and nothing else.
    fn read_all(bytes: &[u8]) -> Result<Vec<Self>, Invalid> {
        let records = <[Self::Record]>::ref_from_bytes(bytes).map_err(|_| Invalid::Torn)?;
        records.iter().map(Self::read).collect()
    }

    /// Reads bytes that are one record.
    fn read_one(bytes: &[u8]) -> Result<Self, Invalid> {
        Self::read(Self::Record::ref_from_bytes(bytes).map_err(|_| Invalid::Torn)?)
    }
}

/// Puts values into the slots of a record, as many as there is room for.
pub(super) fn fill_slots<T: Recorded>(items: &[T], slots: &mut [T::Record]) {
    for (item, slot) in items.iter().zip(slots) {
        item.fill(slot);
    }
}

/// Reads the slots of a record that are in use.
pub(super) fn read_slots<T: Recorded>(
    what: &'static str,
    count: u16,
    slots: &[T::Record],
) -> Result<Vec<T>, Invalid> {
    let used = slots
        .get(..usize::from(count))
        .ok_or(Invalid::Count { what, count })?;
    used.iter().map(T::read).collect()
}

macro_rules! layout {
    (
        $(#[$meta:meta])*
        $name:ident, $size:literal bytes {
            $( $offset:literal $field:ident: $ty:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
        #[repr(C)]
        pub(super) struct $name {
            $( pub(super) $field: $ty, )*
        }

        const _: () = {
            assert!(size_of::<$name>() == $size);
            $( assert!(offset_of!($name, $field) == $offset); )*
        };
    };
}

layout! {
    /// Before the payload of a request.
    RawRequestHeader, 12 bytes {
        0 magic: U32,
        4 version: U16,
        6 opcode: U16,
        8 length: U32,
    }
}

layout! {
    /// Before the payload of an answer.
    RawResponseHeader, 12 bytes {
        0 magic: U32,
        4 version: U16,
        6 status: U16,
        8 length: U32,
    }
}

layout! {
    /// Payload of LIST_CONTAINERS.
    ListPayload, 4 bytes {
        0 include_all: u8,
        1 pad: [u8; 3],
    }
}

layout! {
    /// Payload of INSPECT_CONTAINER.
    TargetPayload, 256 bytes {
        0 target: Text<NAME_BYTES>,
    }
}

layout! {
    /// Payload of START_CONTAINER, STOP_CONTAINER and RESTART_CONTAINER.
    LifecyclePayload, 260 bytes {
        0 target: Text<NAME_BYTES>,
        256 timeout_s: I32,
    }
}

layout! {
    /// Payload of POLL_EVENTS.
    PollPayload, 8 bytes {
        0 since_s: I64,
    }
}

layout! {
    /// Answer to CAPABILITIES.
    CapabilitiesPayload, 4 bytes {
        0 mask: U32,
    }
}

layout! {
    /// Answer to INFO.
    InfoPayload, 12 bytes {
        0 total: U32,
        4 running: U32,
        8 stopped: U32,
    }
}

layout! {
    /// A published port, or a range of them.
    PortRecord, 12 bytes {
        0 host: U16,
        2 host_end: U16,
        4 container: U16,
        6 container_end: U16,
        8 protocol: u8,
        9 pad: [u8; 3],
    }
}

layout! {
    /// One container in the answer to LIST_CONTAINERS.
    ContainerRecord, 2817 bytes {
        0 name: Text<NAME_BYTES>,
        256 uuid: Text<UUID_BYTES>,
        289 image: Text<PATH_BYTES>,
        1313 hostname: Text<NAME_BYTES>,
        1569 address: Text<ADDRESS_BYTES>,
        1585 init: Text<PATH_BYTES>,
        2609 pid: I32,
        2613 net_mode: u8,
        2614 port_count: u8,
        2615 pad: [u8; 2],
        2617 ports: [PortRecord; PORTS_MAX],
        2809 started_at_s: I64,
    }
}

layout! {
    /// One environment variable.
    VariableRecord, 1280 bytes {
        0 key: Text<NAME_BYTES>,
        256 value: Text<PATH_BYTES>,
    }
}

layout! {
    /// One bind mount.
    BindRecord, 2052 bytes {
        0 source: Text<PATH_BYTES>,
        1024 destination: Text<PATH_BYTES>,
        2048 read_only: u8,
        2049 pad: [u8; 3],
    }
}

layout! {
    /// Switches of a container, each a byte.
    SwitchesRecord, 11 bytes {
        0 foreground: u8,
        1 volatile_mode: u8,
        2 force_cgroup_v1: u8,
        3 disable_ipv6: u8,
        4 android_storage: u8,
        5 selinux_permissive: u8,
        6 hw_access: u8,
        7 gpu_mode: u8,
        8 termux_x11: u8,
        9 block_nested_ns: u8,
        10 is_img_mount: u8,
    }
}

layout! {
    /// Answer to INSPECT_CONTAINER.
    InspectRecord, 111_553 bytes {
        0 version: U16,
        2 pad: [u8; 2],
        4 size: U32,
        8 name: Text<NAME_BYTES>,
        264 uuid: Text<UUID_BYTES>,
        297 rootfs: Text<PATH_BYTES>,
        1321 image: Text<PATH_BYTES>,
        2345 hostname: Text<NAME_BYTES>,
        2601 address: Text<ADDRESS_BYTES>,
        2617 init: Text<PATH_BYTES>,
        3641 dns: Text<PATH_BYTES>,
        4665 pid: I32,
        4669 started_at_s: I64,
        4677 memory_bytes: I64,
        4685 cpu_quota_us: I64,
        4693 cpu_period_us: I64,
        4701 pids_max: I64,
        4709 privileged: I32,
        4713 net_mode: u8,
        4714 switches: SwitchesRecord,
        4725 env_count: U16,
        4727 env_total: U16,
        4729 bind_count: U16,
        4731 bind_total: U16,
        4733 port_count: U16,
        4735 port_total: U16,
        4737 env: [VariableRecord; VARIABLES_MAX],
        45_697 binds: [BindRecord; BINDS_MAX],
        111_361 ports: [PortRecord; PORTS_MAX],
    }
}

layout! {
    /// One container's image in the answer to LIST_IMAGES.
    ImageRecord, 1329 bytes {
        0 name: Text<NAME_BYTES>,
        256 path: Text<PATH_BYTES>,
        1280 uuid: Text<UUID_BYTES>,
        1313 is_running: I32,
        1317 created_at_s: I64,
        1325 pad: [u8; 4],
    }
}

layout! {
    /// One event, in the answer to POLL_EVENTS and in the file of events.
    EventRecord, 369 bytes {
        0 time_s: I64,
        8 time_ns: I64,
        16 kind: Text<WORD_BYTES>,
        48 action: Text<WORD_BYTES>,
        80 uuid: Text<UUID_BYTES>,
        113 name: Text<NAME_BYTES>,
    }
}

/// Whether a payload holds exactly so many records, and not one more.
const fn is_most<T>(count: usize) -> bool {
    #[expect(
        clippy::as_conversions,
        reason = "a constant of twenty-one bits, at compile time"
    )]
    let payload = PAYLOAD_BYTES_MAX as usize;
    payload / size_of::<T>() == count
}

const _: () = assert!(is_most::<ContainerRecord>(CONTAINERS_MAX));
const _: () = assert!(is_most::<ImageRecord>(IMAGES_MAX));
const _: () = assert!(is_most::<EventRecord>(EVENTS_MAX));
