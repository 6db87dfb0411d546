//! `harbor.sh`, Harbor's own program.

use std::process::{Command, ExitStatus};

use speaches_format::failure::{Exit, Failure};

use super::home::Home;

/// Runs it to its end, in the user's directory and terminal.
///
/// # Errors
/// [`Exit::Unavailable`] when it cannot be started.
pub fn run(home: &Home, words: &[String]) -> Result<ExitStatus, Failure> {
    let script = home.path.join("harbor.sh");
    // It may be a Harbor that `harbor` on PATH knows nothing about.
    let ended = Command::new(&script).args(words).env("HARBOR_HOME", &home.path).status();
    ended.map_err(|error| {
        Failure::new(Exit::Unavailable, format!("`{}` cannot be started: {error}", script.display()))
            .hint("Harbor needs bash, and permission to execute this file")
    })
}
