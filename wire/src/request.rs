//! What can be asked.

use crate::exec::{CreateExec, ExecRef, InspectExec, StartExec};
use crate::files::{Commit, ContainerPath, OpenLog, Resize, Update, WriteArchive};
use crate::frame::{self, Flow};
use crate::id::ImageId;
use crate::image::ImageConfig;
use crate::limits::REQUEST_BYTES_MAX;
use crate::reader::Unknown;
use crate::record::Value;
use crate::spec::Spec;
use crate::time::Time;
use crate::{Invalid, numbers, record};

record! {
    /// A question without parameters.
    pub struct Nothing {}
}

record! {
    /// The versions a client speaks.
    pub struct Versions {
        /// The oldest.
        1 => min: u16,
        /// The newest.
        2 => max: u16,
    }
}

record! {
    /// Asks for a list, unless it is the one the client holds already.
    pub struct IfNewer {
        /// The revision the client holds; zero means none.
        1 => than: u64,
    }
}

record! {
    /// Names one container: by name, id, or a prefix of the id that is unique.
    pub struct ContainerRef {
        /// The name, id or prefix.
        1 => reference: String,
    }
}

record! {
    /// Asks for events. With both bounds, an event must pass both.
    pub struct PollEvents {
        /// Only events after this one; zero means from the first.
        1 => after: u64,
        /// Only events not earlier than this.
        2 => since: Time,
        /// How many at most; zero means as many as one answer holds.
        3 => count_max: u32,
        /// How long to wait for the first one, in milliseconds; zero means not at all.
        4 => wait_ms: u32,
        /// Whether `since` names a place in the order: then every event from the first that is not
        /// earlier counts, whatever the wall clock said of those behind it. A reader that comes back
        /// with the last time it saw misses nothing.
        5 => from_there: bool,
    }
}

record! {
    /// Asks for every event from now on, after those missed.
    pub struct Subscribe {
        /// Only events after this one; none means from now on, or from `since`.
        1 => after: Option<u64>,
        /// From the first event that is not earlier than this, whatever the wall clock said of those
        /// behind it; with `after`, from the later of the two places. Never means that it does not count.
        2 => since: Time,
    }
}

record! {
    /// Asks for a container to be made.
    pub struct Create {
        /// Its name; empty means the bridge chooses one.
        1 => name: String,
        /// The image.
        2 => image_id: ImageId,
        /// What it is to be.
        3 => spec: Spec,
    }
}

record! {
    /// Asks for a container to end, and to start again for `RESTART`.
    pub struct Stop {
        /// The name, id or prefix.
        1 => reference: String,
        /// Seconds before SIGKILL; none means what the container says; -1 means for ever.
        2 => timeout_s: Option<i32>,
        /// Signal instead of the container's stop signal; zero means that one.
        3 => signal: u32,
    }
}

record! {
    /// Asks for a signal to be sent.
    pub struct Kill {
        /// The name, id or prefix.
        1 => reference: String,
        /// The signal's number; zero means SIGKILL.
        2 => signal: u32,
    }
}

record! {
    /// Asks for a container to be removed.
    pub struct Remove {
        /// The name, id or prefix.
        1 => reference: String,
        /// Whether one that runs is killed first.
        2 => force: bool,
    }
}

numbers! {
    /// What is waited for.
    pub enum WaitCondition {
        /// That it does not run; one that does not run at all is done at once.
        NotRunning = 1,
        /// Its next end, from now on.
        NextExit = 2,
        /// That it is gone.
        Removed = 3,
    }
}

record! {
    /// Waits for a container. Answered twice: `Waiting` at once, then `Exited`.
    pub struct Wait {
        /// The name, id or prefix.
        1 => reference: String,
        /// What for.
        2 => condition: WaitCondition,
    }
}

record! {
    /// Asks for another name.
    pub struct Rename {
        /// The name, id or prefix.
        1 => reference: String,
        /// The new name.
        2 => name: String,
    }
}

record! {
    /// Brings an image. The tar (plain, gzip, xz or zstd) is read from the one descriptor
    /// that accompanies the request, to its end.
    pub struct ImportImage {
        /// Name to give it, as `repository:tag`; empty means none.
        1 => tag: String,
        /// Where it came from, in words.
        2 => comment: String,
        /// What a container gets from it.
        3 => config: ImageConfig,
    }
}

record! {
    /// Gives an image one more name. A name that leads elsewhere leads here from now on.
    pub struct TagImage {
        /// The image.
        1 => image_id: ImageId,
        /// The name, as `repository:tag`.
        2 => tag: String,
    }
}

record! {
    /// Takes a name from an image, and the image with its last name.
    pub struct RemoveImage {
        /// The image.
        1 => image_id: ImageId,
        /// The name to take; empty means all of them.
        2 => tag: String,
        /// Whether several names, or containers that do not run, stand in the way no more.
        3 => force: bool,
    }
}

macro_rules! requests {
    ($( $(#[$meta:meta])* $name:ident($payload:ty) = $number:literal, )*) => {
        /// What an opcode is called.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Opcode { $( $(#[$meta])* $name, )* }

        impl Opcode {
            /// Every opcode.
            pub const ALL: &'static [Self] = &[$( Self::$name ),*];

            /// The number in the frame header.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $( Self::$name => $number, )* }
            }

            /// The opcode with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $( $number => Some(Self::$name), )* _ => None }
            }
        }

        /// A question or an order, checked.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Request { $( $(#[$meta])* $name($payload), )* }

        impl Request {
            /// Its opcode.
            #[must_use]
            pub const fn opcode(&self) -> Opcode {
                match self { $( Self::$name(_) => Opcode::$name, )* }
            }

            fn write(&self, out: &mut Vec<u8>) {
                match self { $( Self::$name(payload) => payload.write(out), )* }
            }

            /// Reads the payload of a request.
            ///
            /// # Errors
            /// What is wrong with the bytes.
            pub fn decode(opcode: Opcode, payload: &[u8]) -> Result<Self, Invalid> {
                Ok(match opcode {
                    $( Opcode::$name => Self::$name(<$payload>::decode(payload, Unknown::Refuse)?), )*
                })
            }
        }
    };
}

requests! {
    /// Is anybody there?
    Ping(Nothing) = 1,
    /// Which versions and opcodes?
    Capabilities(Versions) = 2,
    /// What are host and bridge?
    Info(Nothing) = 3,
    /// Which containers are there?
    ListContainers(IfNewer) = 4,
    /// What is this container?
    InspectContainer(ContainerRef) = 5,
    /// Which images are there?
    ListImages(IfNewer) = 6,
    /// What happened?
    PollEvents(PollEvents) = 7,
    /// What happens?
    Subscribe(Subscribe) = 8,
    /// Tell me when it ends.
    Wait(Wait) = 9,
    /// How much disk do containers use?
    DiskUsage(Nothing) = 10,
    /// What has it written?
    OpenLog(OpenLog) = 11,
    /// Which processes has it?
    ListProcesses(ContainerRef) = 12,
    /// What does it use?
    ReadStats(ContainerRef) = 13,
    /// What differs from its image?
    ListChanges(ContainerRef) = 14,
    /// What is this further process?
    InspectExec(InspectExec) = 15,
    /// Make a container.
    Create(Box<Create>) = 32,
    /// Start it.
    Start(ContainerRef) = 33,
    /// Stop it.
    Stop(Stop) = 34,
    /// Stop and start it.
    Restart(Stop) = 35,
    /// Send it a signal.
    Kill(Kill) = 36,
    /// Remove it.
    Remove(Remove) = 37,
    /// Give it another name.
    Rename(Rename) = 38,
    /// Freeze its processes.
    Pause(ContainerRef) = 39,
    /// Thaw its processes.
    Unpause(ContainerRef) = 40,
    /// Change what it may use.
    Update(Box<Update>) = 41,
    /// Prepare a further process.
    CreateExec(Box<CreateExec>) = 42,
    /// Start it.
    StartExec(StartExec) = 43,
    /// End it, for whoever started it is gone.
    HangUpExec(ExecRef) = 44,
    /// Follow what it writes, as one that is attached.
    Attach(ContainerRef) = 45,
    /// Open the way to its standard input.
    OpenInput(ContainerRef) = 46,
    /// Give its terminal a size.
    Resize(Resize) = 47,
    /// Bring an image.
    ImportImage(Box<ImportImage>) = 48,
    /// Take an image away.
    RemoveImage(RemoveImage) = 49,
    /// Give an image a name.
    TagImage(TagImage) = 50,
    /// Make an image of a container.
    Commit(Box<Commit>) = 51,
    /// What is at this path?
    StatPath(ContainerPath) = 64,
    /// Take files out of it.
    ReadArchive(ContainerPath) = 65,
    /// Put files into it.
    WriteArchive(WriteArchive) = 66,
    /// Take its whole root file system out of it.
    Export(ContainerRef) = 67,
}

impl Request {
    /// Appends the request's frame to `out`.
    ///
    /// # Errors
    /// [`Invalid::TooLong`] when it passes [`REQUEST_BYTES_MAX`]; `out` is then as it was.
    pub fn append_to(&self, out: &mut Vec<u8>) -> Result<(), Invalid> {
        frame::append(
            out,
            self.opcode().number(),
            Flow::Last,
            REQUEST_BYTES_MAX,
            |out| self.write(out),
        )
    }
}
