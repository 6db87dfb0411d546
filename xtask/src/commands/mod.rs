//! One file per subcommand.

pub mod bench;
pub mod bundle;
pub mod cache;
pub mod ci;
pub mod fetch;
pub mod licenses;
pub mod lock;
pub mod port;
pub mod provision;
pub mod quickstart;
pub mod reproduce;
pub mod smoke;
pub mod vendor;
pub mod verify;

use std::io::{self, Write as _};

/// Prints a result. Whoever reads it may stop reading before its end, as `head` does.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
