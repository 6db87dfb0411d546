//! `speaches completions`: a script for the user's shell.

use clap_complete::Shell;

use speaches_format::failure::{Exit, Failure};

/// Print a script that completes this program's commands and flags
#[derive(clap::Args)]
pub struct Arguments {
    /// The shell that is to read it
    shell: Shell,
}

/// Runs the subcommand; `command` is the whole command line.
pub fn run(arguments: &Arguments, mut command: clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "speaches", &mut script);
    super::print(&String::from_utf8_lossy(&script));
    Ok(Exit::Success)
}
