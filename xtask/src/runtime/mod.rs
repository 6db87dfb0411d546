//! Runtimes: assembling, describing and checking them. `provision` fetches their inputs.

pub mod describe;
pub mod names;
pub mod placing;
pub mod scan;
pub mod stage;
pub mod verify;
