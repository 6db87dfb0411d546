//! The subcommands, one file each.

pub mod completions;
pub mod config;
pub mod doctor;
pub mod harbor;
pub mod models;
pub mod nvidia_driver;
pub mod serve;
pub mod service;
pub mod status;
pub mod stop;
pub mod tune;
pub mod verify;
pub mod version;

use std::path::Path;

use speaches_format::failure::{Exit, Failure};
use speaches_format::layout;
use speaches_format::system::System;

use crate::config::Sources;

/// The environment, the working directory and the contract of a runtime, as a command finds them.
pub fn with_sources<T>(runtime: &Path, run: impl FnOnce(&Sources<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let directory = std::env::current_dir()
        .map_err(|error| Failure::new(Exit::NoInput, format!("cannot find the working directory: {error}")))?;
    let variable = |name: &str| std::env::var(name).ok();
    run(&Sources { variable: &variable, contract: runtime.join(layout::CONTRACT), directory, system: System::HERE })
}

/// Prints a value as JSON on standard output.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot write this as JSON: {error}")))?;
    print(&format!("{text}\n"));
    Ok(())
}

/// Prints to standard output. A reader that stops early, as `head` does, is no error.
pub fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Lines with the columns aligned, two spaces between them.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths = (0..columns).map(|column| width(column).unwrap_or(0)).collect::<Vec<_>>();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
