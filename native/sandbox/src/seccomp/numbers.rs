//! Numbers of the system calls: those of `libc`, and the ones that it doesn't have yet.
//! From 403 on, all architectures number alike.

#![allow(non_upper_case_globals)]

pub use libc::*;

pub const SYS_map_shadow_stack: c_long = 453;
pub const SYS_futex_wake: c_long = 454;
pub const SYS_futex_wait: c_long = 455;
pub const SYS_futex_requeue: c_long = 456;
pub const SYS_statmount: c_long = 457;
pub const SYS_listmount: c_long = 458;
pub const SYS_setxattrat: c_long = 463;
pub const SYS_getxattrat: c_long = 464;
pub const SYS_listxattrat: c_long = 465;
pub const SYS_removexattrat: c_long = 466;
pub const SYS_open_tree_attr: c_long = 467;
