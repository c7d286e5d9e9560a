//! What is told to those who look after this process: numbers for Prometheus, and whether all is well.
//!
//! Nothing here runs by itself. What happens often is counted where it happens; everything else is found out
//! when somebody asks. Labels come from tables of this program, never from a request: a client cannot
//! make the numbers many.

pub mod health;
pub mod metrics;
mod process;
pub mod reading;
