//! The unprivileged half of socketd: Docker's HTTP API over what the bridge knows.
//!
//! A request comes in through [`front`], is held against [`policy`], taken apart and answered in [`routes`], which asks the
//! bridge through [`link`] (or reads [`feed`], the one subscription to events, or [`streams`], what
//! containers read and write) and renders with [`docker`], where every word of Docker's lives. [`observe`] says how all of it fares. [`sandbox`] gives up every power before the
//! first socket exists that anybody can reach; what a stock bridge admits root alone for is left to [`dialer`].
//! [`doctor`] and [`status`] look at all of that from outside, for people.
//!
//! It must not know how containers are made or kept, nor the bridge's or the journal's code: only
//! the protocol in `wire`. It holds nothing that the bridge could not tell again.

pub mod certs;
pub mod config;
pub mod dialer;
pub mod docker;
pub mod doctor;
pub mod ending;
pub mod feed;
pub mod front;
pub mod limits;
pub mod link;
pub mod observe;
mod parent;
mod patience;
pub mod policy;
mod renewal;
pub mod routes;
pub mod sandbox;
pub mod serve;
pub mod status;
pub mod streams;
pub mod systemd;
