//! The hidden subcommand that asks the NVIDIA driver, for a launcher that must not die of it.

use speaches_format::failure::{Exit, Failure};

use crate::machine::Nvidia;

/// Prints the answer as one line of JSON.
pub fn run() -> Result<Exit, Failure> {
    let text = serde_json::to_string(&Nvidia::ask_here())
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot write this as JSON: {error}")))?;
    super::print(&format!("\n{text}\n"));
    Ok(Exit::Success)
}
