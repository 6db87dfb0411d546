//! Processes of this machine: what they are, and ending them.

mod request;
#[cfg(unix)]
#[path = "process/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "process/windows.rs"]
mod system;

pub use request::Request;
use speaches_format::failure::{Exit, Failure};

/// Whether a process is a service of this project: a pid may belong to another program by now.
#[must_use]
pub fn is_service(pid: u32) -> bool {
    system::is_service(pid)
}

/// Asks a service to end, after another check that the process is the service.
///
/// # Errors
/// [`Exit::Unavailable`] when this user may not.
pub fn ask(pid: u32, request: Request) -> Result<(), Failure> {
    if !is_service(pid) {
        return Ok(());
    }
    system::send(pid, request).map_err(|reason| {
        Failure::new(Exit::Unavailable, format!("process {pid} cannot be stopped: {reason}"))
            .hint("it belongs to another user: stop it as that user")
    })
}
