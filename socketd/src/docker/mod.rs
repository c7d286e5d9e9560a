//! Docker's words: shapes, sentences, statuses, filters and query values.
//!
//! Pure functions between neutral wire values and what a Docker client sends and reads. Nothing here
//! does I/O, awaits, knows HTTP's machinery or asks a clock: the caller passes the time.

pub mod attach;
pub mod containers;
pub mod endpoints;
pub mod error;
pub mod events;
pub mod exec;
pub mod filters;
pub mod images;
pub mod logs;
pub mod networks;
pub mod query;
mod shape;
pub mod status;
pub mod system;
pub mod time;
pub mod volumes;
