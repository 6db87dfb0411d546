//! `cargo xtask bench …`: the benchmarks are a program of their own, so that only developers who measure compile them.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use anyhow::Result;
use camino::Utf8Path;
use clap::Args;

use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::report;

/// Compare this tool and a runtime with other programs
#[derive(Args, Debug)]
// Its help is that of the program.
#[command(disable_help_flag = true)]
pub struct Arguments {
    /// What the benchmarks are told; `--help` says what they take
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds the benchmarks if they have changed, and becomes them.
pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    report::status("Building", "the benchmarks, where they have changed");
    let cargo = host::variable("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let mut command = Command::new(&cargo);
    command.args(["run", "--quiet", "--manifest-path", root.join("Cargo.toml").as_str(), "--package", "bench", "--"]);
    command.args(["--manifests", manifests.as_str()]).args(&arguments.arguments);
    // The variables of the outer cargo would make the inner one compile ring again, which looks at
    // that, and all that is above it.
    for (name, _) in std::env::vars_os() {
        let is_of_package =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if is_of_package {
            command.env_remove(name);
        }
    }
    let error = become_it(&mut command);
    let failure =
        Failure::new(Exit::Unavailable, format!("cannot start `{cargo}`, which builds the benchmarks: {error}"));
    Err(failure.hint("install Rust from https://rustup.rs, or name its cargo with the variable `CARGO`").into())
}

/// Ends this process with the other one's exit code; returns only when that cannot be started.
#[cfg(unix)]
fn become_it(command: &mut Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

/// Ends this process with the other one's exit code; returns only when that cannot be started.
#[cfg(not(unix))]
fn become_it(command: &mut Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(Exit::Internal.code().into())),
        Err(error) => error,
    }
}
