//! One file per subcommand.

pub mod cache;
pub mod lock;
pub mod provision;
pub mod smoke;
pub mod verify;
