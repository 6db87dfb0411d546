//! The committed pins and locks, typed.

pub mod lock;
pub mod manifest;
pub mod requirements;
pub mod target;
