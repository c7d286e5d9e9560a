//! What is known of nodes and their containers.
