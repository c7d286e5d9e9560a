//! One of each message, and both directions under one roof.

use wire::frame::Flow;
use wire::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use wire::reader::Unknown;
use wire::{HEADER_BYTES, Header, Invalid, Opcode, Request, Response};

use crate::generate::{Generate, Source};

/// A request or an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Request(Request),
    Answer(Response),
}

impl Message {
    /// One of each kind there is.
    pub(crate) fn each(source: &mut Source<'_>) -> Vec<Self> {
        let mut messages = Vec::new();
        for opcode in Opcode::ALL {
            source.begin();
            messages.push(Self::Request(request(*opcode, source)));
        }
        for kind in Response::KINDS {
            source.begin();
            messages.push(Self::Answer(answer(*kind, source)));
        }
        messages
    }

    /// The number in its header.
    pub(crate) fn kind(&self) -> u16 {
        match self {
            Self::Request(request) => request.opcode().number(),
            Self::Answer(answer) => answer.kind(),
        }
    }

    /// Its only frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Request(request) => request.append_to(&mut out).unwrap(),
            Self::Answer(answer) => answer.append_to(Flow::Last, &mut out).unwrap(),
        }
        out
    }

    /// Its payload.
    pub(crate) fn payload(&self) -> Vec<u8> {
        self.frame().split_off(HEADER_BYTES)
    }

    /// Reads a payload of the same kind; fields of a later version are refused.
    pub(crate) fn decode_alike(&self, payload: &[u8]) -> Result<Self, Invalid> {
        match self {
            Self::Request(request) => Request::decode(request.opcode(), payload).map(Self::Request),
            Self::Answer(answer) => {
                Response::decode_as(answer.kind(), payload, Unknown::Refuse).map(Self::Answer)
            }
        }
    }

    /// Reads a whole frame as its receiver would.
    pub(crate) fn decode_frame(frame: &[u8]) -> Result<Self, Invalid> {
        let (header, payload) = frame
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Invalid::Truncated)?;
        let header = Header::parse(header, REQUEST_BYTES_MAX.max(RESPONSE_BYTES_MAX))?;
        assert_eq!(usize::try_from(header.length).unwrap(), payload.len());
        match Opcode::from_number(header.kind) {
            Some(opcode) => Request::decode(opcode, payload).map(Self::Request),
            None => Response::decode_as(header.kind, payload, Unknown::Refuse).map(Self::Answer),
        }
    }

    /// What it is called in the name of a file: `request-4-list-containers`.
    pub(crate) fn file_stem(&self) -> String {
        let (direction, debug, number) = match self {
            Self::Request(request) => (
                "request",
                format!("{:?}", request.opcode()),
                self.kind().to_string(),
            ),
            Self::Answer(answer) => ("answer", format!("{answer:?}"), format!("{:04x}", self.kind())),
        };
        let mut stem = format!("{direction}-{number}");
        for letter in debug.chars().take_while(char::is_ascii_alphanumeric) {
            if letter.is_ascii_uppercase() {
                stem.push('-');
            }
            stem.push(letter.to_ascii_lowercase());
        }
        stem
    }
}

fn request(opcode: Opcode, source: &mut Source<'_>) -> Request {
    macro_rules! match_each {
        ($($name:ident),*) => {
            match opcode { $( Opcode::$name => Request::$name(Generate::generate(source)), )* }
        };
    }
    match_each!(
        Ping,
        Capabilities,
        Info,
        ListContainers,
        InspectContainer,
        ListImages,
        PollEvents,
        Subscribe,
        Wait,
        DiskUsage,
        Create,
        Start,
        Stop,
        Restart,
        Kill,
        Remove,
        Rename,
        ImportImage,
        RemoveImage,
        TagImage,
        OpenLog,
        ListProcesses,
        ReadStats,
        ListChanges,
        InspectExec,
        Pause,
        Unpause,
        Update,
        CreateExec,
        StartExec,
        HangUpExec,
        Attach,
        OpenInput,
        Resize,
        Commit,
        StatPath,
        ReadArchive,
        WriteArchive,
        Export
    )
}

fn answer(kind: u16, source: &mut Source<'_>) -> Response {
    macro_rules! match_each {
        ($($number:literal = $name:ident),*) => {
            match kind {
                $( $number => Response::$name(Generate::generate(source)), )*
                _ => panic!("answer {kind:#06x} has no generator"),
            }
        };
    }
    match_each!(
        0x8000 = Done,
        0x8001 = Pong,
        0x8002 = Capabilities,
        0x8003 = Info,
        0x8004 = Containers,
        0x8005 = Container,
        0x8006 = Images,
        0x8007 = Events,
        0x8008 = Subscribed,
        0x8009 = Waiting,
        0x800a = Usage,
        0x800b = NotModified,
        0x800c = Lagged,
        0x800d = Log,
        0x800e = Processes,
        0x800f = Stats,
        0x8010 = Changes,
        0x8011 = Exec,
        0x8020 = Created,
        0x8021 = Exited,
        0x8022 = Updated,
        0x8023 = ExecCreated,
        0x8024 = ExecStarted,
        0x8025 = Input,
        0x8030 = Imported,
        0x8031 = ImageRemoved,
        0x8040 = PathStat,
        0x8041 = Archive,
        0xffff = Refused
    )
}
