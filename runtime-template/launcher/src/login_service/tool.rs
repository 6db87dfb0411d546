//! The command line programs of supervisors.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::Duration;

use speaches_format::failure::{Exit, Failure};

use crate::child;

/// Stopping a service takes as long as its last request, and at most 15 seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a program and returns its standard output.
///
/// # Errors
/// [`Exit::Unavailable`] with the program's own words when it fails.
pub fn run(program: &OsStr, arguments: &[&str]) -> Result<String, Failure> {
    let name = program.to_string_lossy();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = child::run(&mut command, TIMEOUT);
    let failed = |reason: String| Failure::new(Exit::Unavailable, format!("`{name} {}` {reason}", arguments.join(" ")));
    let output = match ended {
        Ok(Some(output)) => output,
        Ok(None) => return Err(failed(format!("did not end within {} s", TIMEOUT.as_secs()))),
        Err(error) => return Err(failed(format!("cannot be started: {error}"))),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it printed no reason");
    Err(failed(format!("failed ({}): {words}", output.status)))
}
