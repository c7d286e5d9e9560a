//! A client of Docker's HTTP API that lets requests and answers through as they are: of socketd, or of a real engine.

mod address;
mod call;
mod error;
pub mod events;
pub mod pass;
mod stream;
pub mod waiting;

pub use address::{Address, AddressError};
pub use call::{
    Answer, Body, Docker, Upgraded, Version, collect, empty, exchange, full, refused, upgraded,
    wanting_upgrade,
};
pub use error::DockerError;
pub use stream::Stream;
