//! The routes, without a node.
