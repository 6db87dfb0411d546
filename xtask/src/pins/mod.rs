//! The committed pins as types: manifests (`manifest.rs`), locks, targets, and requirements of tools. Nothing here
//! resolves a version: `cargo xtask lock` does.

pub mod lock;
pub mod manifest;
pub mod requirements;
pub mod target;
