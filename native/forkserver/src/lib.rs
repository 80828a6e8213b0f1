//! The library half of the crate: the wire protocol, and how what the kernel says is read.

pub mod kernel;
pub mod wire;
