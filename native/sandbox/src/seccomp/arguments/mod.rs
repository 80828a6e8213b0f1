//! Calls that are decided by an argument, by what they act on.
//!
//! Where a number has no constant in `libc`, its name in the kernel's headers stands beside it.

pub(super) mod descriptors;
pub(super) mod process;
pub(super) mod sockets;
