//! One file per subcommand.

pub mod cache;
pub mod ci;
pub mod lock;
pub mod provision;
pub mod quickstart;
pub mod smoke;
pub mod verify;
