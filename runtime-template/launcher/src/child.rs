//! A child process that has only so much time.

use std::io;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(2);
/// The time for a killed child to end.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a command that says little, or kills it: then there is no output.
pub fn run(command: &mut Command, timeout: Duration) -> io::Result<Option<Output>> {
    let mut child = command.spawn()?;
    if has_ended(&mut child, timeout)? {
        return child.wait_with_output().map(Some);
    }
    // It may have ended just now.
    let _ = child.kill();
    // N.B. one that hangs inside a driver cannot be killed, and waiting for it would hang as well.
    has_ended(&mut child, LAST_TIMEOUT)?;
    Ok(None)
}

fn has_ended(child: &mut Child, timeout: Duration) -> io::Result<bool> {
    let started = Instant::now();
    while child.try_wait()?.is_none() {
        if started.elapsed() > timeout {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(true)
}
