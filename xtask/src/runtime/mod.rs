//! The finished thing: assembling it, describing it, checking it.

pub mod describe;
pub mod names;
pub mod placing;
pub mod scan;
pub mod stage;
pub mod verify;
