//! Modules that all others may use. They know nothing of runtimes.

pub mod digest;
pub mod failure;
pub mod git;
pub mod host;
pub mod program;
pub mod quantity;
pub mod tarball;
