//! Who is this, and what may they do: judged before a route sees the request.
//!
//! Pure: headers, addresses and certificates in, a verdict out.

pub mod browser;
pub mod caller;
pub mod crowd;
pub mod failures;
pub mod hex;
pub mod rights;
pub mod scope;
pub mod token;
