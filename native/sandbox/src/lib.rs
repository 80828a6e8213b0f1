//! Sandbox library.
