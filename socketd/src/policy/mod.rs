//! Who is this, and what may they do: judged before a route sees the request.
//!
//! Pure: headers and addresses in, a verdict out.

pub mod browser;
