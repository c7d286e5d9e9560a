//! The lifecycle event journal: append-only segments that lose nothing.
//!
//! An event that was acknowledged can be read again, in order, once, after any crash. `FORMAT.md`
//! beside this crate gives every byte and the argument for every crash. Bottom up:
//!
//! - [`storage`] and [`surroundings`]: what is asked of the machine, so that tests can be it;
//! - [`record`] and [`segment`]: bytes to values and back;
//! - [`scan`]: the walk over one segment, from whole record to whole record;
//! - [`fold`]: what the events say about each container;
//! - [`Journal`]: one writer thread with one sync for many callers, and readers beside it;
//! - [`Archive`]: the same files, only looked at.
//!
//! It must not know who writes or reads, what a client may see, or anything of HTTP; it has no
//! clock of its own for events, no async, no serde and no unsafe.

mod archive;
mod failure;
pub mod fold;
mod index;
mod journal;
pub mod limits;
mod queue;
mod reader;
pub mod record;
mod recover;
mod report;
mod retain;
pub mod scan;
pub mod segment;
pub mod storage;
pub mod surroundings;
mod survey;
mod width;
mod window;
mod writer;

pub use archive::Archive;
pub use failure::{Act, Failure, OpenError};
pub use index::Bounds;
pub use journal::{Journal, Opened};
pub use reader::{Batch, ReadError};
pub use report::{Damage, DamageKind, Report};
pub use retain::Options;
pub use writer::{AppendError, Then};
