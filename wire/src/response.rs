//! What is answered.

use crate::container::{Container, Exit, Summary};
use crate::event::Event;
use crate::exec::{Exec, ExecCreated, ExecStarted};
use crate::files::{Archive, Changes, Input, Log, PathStat, Updated};
use crate::frame::{self, Flow};
use crate::id::ContainerId;
use crate::image::Image;
use crate::info::Info;
use crate::limits::RESPONSE_BYTES_MAX;
use crate::reader::Unknown;
use crate::record::Value;
use crate::refusal::Refusal;
use crate::request::Nothing;
use crate::stats::{Processes, Stats};
use crate::{Invalid, record};

record! {
    /// The version to speak from now on, and what can be asked.
    pub struct Capabilities {
        /// The version both sides know; zero when there is none.
        1 => version: u16,
        /// Version of the bridge, for people.
        2 => bridge_version: String,
        /// Opcodes that are known.
        3 => opcodes: Vec<u16>,
        /// Opcodes that this caller may use on this socket.
        4 => permitted: Vec<u16>,
    }
}

record! {
    /// Containers, or a part of them: newest first, the parts in order, one revision throughout.
    pub struct Containers {
        /// The revision this list shows.
        1 => revision: u64,
        /// The containers.
        2 => containers: Vec<Summary>,
    }
}

record! {
    /// Images, or a part of them: newest first.
    pub struct Images {
        /// The revision this list shows.
        1 => revision: u64,
        /// The images.
        2 => images: Vec<Image>,
    }
}

record! {
    /// Events in their order, without a gap.
    pub struct Events {
        /// The events.
        1 => events: Vec<Event>,
        /// The first event that can still be read at all.
        2 => first_retained: u64,
        /// The last event there is; when the last one here, nothing is left to ask for.
        3 => last_sequence: u64,
        /// The last event looked at. Ask after this one next, also when no event passed `since`.
        4 => scanned_to: u64,
    }
}

record! {
    /// A subscription has begun.
    pub struct Subscribed {
        /// What comes is after this event.
        1 => after: u64,
    }
}

record! {
    /// The subscriber was too slow. Nothing is lost: poll after `since`, then subscribe again.
    pub struct Lagged {
        /// The last event that was sent.
        1 => since: u64,
    }
}

record! {
    /// A container was made.
    pub struct Created {
        /// Its id.
        1 => id: ContainerId,
        /// What the user should know.
        2 => warnings: Vec<String>,
    }
}

record! {
    /// A container that was waited for has ended (or is gone).
    pub struct Exited {
        /// How.
        1 => exit: Exit,
        /// Why it could not be started, where that is how it ended.
        2 => error: String,
    }
}

record! {
    /// What removing an image did.
    pub struct ImageRemoved {
        /// Names taken.
        1 => untagged: Vec<String>,
        /// Whether the image itself is gone.
        2 => deleted: bool,
    }
}

record! {
    /// Disk used by one container.
    pub struct ContainerUsage {
        /// The container.
        1 => id: ContainerId,
        /// Bytes of the files in its own layer.
        2 => upper_bytes: u64,
        /// Bytes of its image.
        3 => image_bytes: u64,
    }
}

record! {
    /// Disk used by containers, or a part of them.
    pub struct Usage {
        /// One entry a container.
        1 => containers: Vec<ContainerUsage>,
    }
}

macro_rules! responses {
    ($( $(#[$meta:meta])* $name:ident($payload:ty) = $number:literal, )*) => {
        /// An answer, or one frame of an answer.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Response { $( $(#[$meta])* $name($payload), )* }

        impl Response {
            /// Numbers of every kind of answer.
            pub const KINDS: &'static [u16] = &[$( $number ),*];

            /// The number in the frame header.
            #[must_use]
            pub const fn kind(&self) -> u16 {
                match self { $( Self::$name(_) => $number, )* }
            }

            fn write(&self, out: &mut Vec<u8>) {
                match self { $( Self::$name(payload) => payload.write(out), )* }
            }

            /// Reads the payload of one answer frame. Fields of a later version are passed over.
            ///
            /// # Errors
            /// What is wrong with the bytes, [`Invalid::UnknownKind`] included.
            pub fn decode(kind: u16, payload: &[u8]) -> Result<Self, Invalid> {
                Self::decode_as(kind, payload, Unknown::Skip)
            }

            /// As [`decode`](Self::decode), with a choice about fields of a later version.
            ///
            /// # Errors
            /// What is wrong with the bytes, [`Invalid::UnknownKind`] included.
            pub fn decode_as(kind: u16, payload: &[u8], unknown: Unknown) -> Result<Self, Invalid> {
                Ok(match kind {
                    $( $number => Self::$name(Value::decode(payload, unknown)?), )*
                    _ => return Err(Invalid::UnknownKind(kind)),
                })
            }
        }
    };
}

responses! {
    /// It is done; there is nothing to say.
    Done(Nothing) = 0x8000,
    /// Somebody is there.
    Pong(Nothing) = 0x8001,
    /// Version and opcodes.
    Capabilities(Capabilities) = 0x8002,
    /// Host and bridge.
    Info(Box<Info>) = 0x8003,
    /// Containers; perhaps more follow.
    Containers(Containers) = 0x8004,
    /// One container.
    Container(Box<Container>) = 0x8005,
    /// Images; perhaps more follow.
    Images(Images) = 0x8006,
    /// Events; perhaps more follow.
    Events(Events) = 0x8007,
    /// A subscription has begun; events follow.
    Subscribed(Subscribed) = 0x8008,
    /// The wait has begun; `Exited` follows.
    Waiting(Nothing) = 0x8009,
    /// Disk used; perhaps more follows.
    Usage(Usage) = 0x800a,
    /// What you hold is still true.
    NotModified(Nothing) = 0x800b,
    /// The subscription ends here, for it was read too slowly.
    Lagged(Lagged) = 0x800c,
    /// A log; its files' descriptors come along.
    Log(Log) = 0x800d,
    /// Processes; perhaps more follow.
    Processes(Processes) = 0x800e,
    /// What a container uses.
    Stats(Box<Stats>) = 0x800f,
    /// Differences from an image; perhaps more follow.
    Changes(Changes) = 0x8010,
    /// A further process.
    Exec(Box<Exec>) = 0x8011,
    /// A container was made.
    Created(Created) = 0x8020,
    /// The wait is over.
    Exited(Exited) = 0x8021,
    /// Limits were changed.
    Updated(Updated) = 0x8022,
    /// A further process was prepared.
    ExecCreated(ExecCreated) = 0x8023,
    /// A further process runs; its streams' descriptors come along.
    ExecStarted(ExecStarted) = 0x8024,
    /// The way to a standard input; its descriptor comes along.
    Input(Input) = 0x8025,
    /// An image came.
    Imported(Box<Image>) = 0x8030,
    /// An image, or a name of one, went.
    ImageRemoved(ImageRemoved) = 0x8031,
    /// What a path is.
    PathStat(PathStat) = 0x8040,
    /// A tar on its way; its descriptor comes along.
    Archive(Archive) = 0x8041,
    /// Not done, and why.
    Refused(Refusal) = 0xffff,
}

impl<T: Value> Value for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        T::write(self, out);
    }
    fn read(reader: &mut crate::reader::Reader<'_>) -> Result<Self, Invalid> {
        T::read(reader).map(Box::new)
    }
}

impl Response {
    /// Appends one frame of the answer to `out`.
    ///
    /// # Errors
    /// [`Invalid::TooLong`] when it passes [`RESPONSE_BYTES_MAX`]; `out` is then as it was.
    pub fn append_to(&self, flow: Flow, out: &mut Vec<u8>) -> Result<(), Invalid> {
        frame::append(out, self.kind(), flow, RESPONSE_BYTES_MAX, |out| self.write(out))
    }
}
