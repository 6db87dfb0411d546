//! Work directories and child processes, which must not outlive the work: on success, on failure and on Ctrl-C.

mod child;
mod directory;
mod held;
mod interrupt;
mod leftovers;
mod open;

pub use child::{end_children, output};
pub use directory::WorkDirectory;
pub use interrupt::{install, park_until_exit};
pub use leftovers::{Place, bytes_given_back, remove_leftovers};
pub use open::{create_inside, uninterruptible};
