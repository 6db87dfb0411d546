//! Wheels: their names, where the user's index has them, and unpacking them.

pub mod index;
pub mod name;
pub mod record;
pub mod unpack;
pub mod uv;
