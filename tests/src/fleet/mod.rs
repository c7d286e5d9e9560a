//! A coordinator as a program, nodes that are made up, and a reader that sees what becomes of what they tell: for what
//! as many real nodes as it takes are not to be had.

mod coordinator;
mod node;
mod observer;

pub use coordinator::Coordinator;
pub use node::{Crowd, Node, now};
pub use observer::{Observer, Seen};
