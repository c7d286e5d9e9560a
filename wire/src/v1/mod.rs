//! Droidspaces' own protocol: magic `DSAP`, version 1, frozen.
//!
//! A stock Droidspaces speaks it at an abstract unix socket, to one client at a time: a connection
//! carries one request and one answer and is closed. Nothing here is ours to change; what the
//! protocol cannot say (a 33rd variable, half a second, the end of a text that is too long for its
//! slot) is lost in it, and the types say where.
//!
//! - [`RequestHeader`], [`ResponseHeader`]: the twelve bytes before every payload, held against
//!   every limit, so that nothing needs to be read or allocated for what will be refused;
//! - [`Request`], [`Response`], [`Status`]: what is asked, what is answered, why not;
//! - [`Container`], [`Inspect`], [`Image`], [`Event`]: the records, as values of their own;
//! - [`events`]: the same event records in a file, with what was torn passed over;
//! - [`names`]: what a neutral world calls the things that this one has no names for.
//!
//! The records' bytes are structs of fixed layout, held against the offsets at compile time.

pub mod events;
pub mod limits;
pub mod names;

mod capabilities;
mod container;
mod event;
mod header;
mod image;
mod info;
mod inspect;
mod invalid;
mod layout;
mod port;
mod request;
mod response;
mod status;
mod text;

pub use capabilities::Capabilities;
pub use container::{Container, NetMode};
pub use event::Event;
pub use header::{HEADER_BYTES, RequestHeader, ResponseHeader};
pub use image::Image;
pub use info::Info;
pub use inspect::{Bind, Inspect, Privileges, Switches, Variable};
pub use invalid::Invalid;
pub use port::{Port, Protocol};
pub use request::{Lifecycle, Opcode, Request};
pub use response::{Answer, Response};
pub use status::Status;

/// First bytes of every message, as the number they are.
pub const MAGIC: u32 = 0x4453_4150;

/// The version of every message.
pub const VERSION: u16 = 1;

/// Name of the abstract unix socket, without the NUL before it; there is none after it.
pub const ADDRESS: &str = "droidspaces-socketd-backend";

/// Group whose members may ask without being root.
pub const GROUP: &str = "droidspaces";
