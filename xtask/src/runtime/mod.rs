//! The finished thing: assembling it, describing it, checking it.

pub mod names;
pub mod scan;
pub mod stage;
pub mod verify;
