//! The typed binary protocol between `socketd` (unprivileged) and `socketd-bridge` (root).
//!
//! Bytes to values and back, and nothing else: no I/O, no async, no clock, no Docker word.
//! `PROTOCOL.md` beside this crate gives every byte. Three layers, bottom up:
//!
//! - [`frame`]: the fixed 12-byte header and its limits;
//! - [`reader`] and [`record`]: values, and records of numbered fields that can grow;
//! - [`Request`], [`Response`], [`Refusal`]: what is asked, what is answered, why not.
//!
//! [`v1`] is another protocol, that of a stock Droidspaces, and shares none of these.
//!
//! Whatever a peer sends decodes to a value or to an [`Invalid`]; nothing here panics.

pub mod container;
pub mod event;
pub mod exec;
pub mod files;
pub mod frame;
pub mod id;
pub mod image;
pub mod info;
pub mod invalid;
pub mod limits;
pub mod log;
pub mod network;
pub mod reader;
pub mod record;
pub mod refusal;
pub mod request;
pub mod response;
pub mod spec;
pub mod stats;
pub mod time;
pub mod v1;

pub use container::{Container, State, Status, Summary};
pub use event::{Action, Event, EventKind};
pub use exec::{Exec, ExecSpec};
pub use frame::{Flow, HEADER_BYTES, Header};
pub use id::{ContainerId, ImageId, NetworkId};
pub use image::{Image, ImageConfig};
pub use info::Info;
pub use invalid::Invalid;
pub use refusal::{Refusal, RefusalCode};
pub use request::{Opcode, Request};
pub use response::Response;
pub use spec::Spec;
pub use stats::Stats;
pub use time::Time;
