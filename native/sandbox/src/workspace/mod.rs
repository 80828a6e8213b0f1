//! Filled in beside this crate's first callers.
