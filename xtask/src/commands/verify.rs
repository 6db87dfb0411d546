//! `cargo xtask verify`: is a runtime what it was made to be?

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::failure::{Exit, Failure};
use crate::plan::human_size;
use crate::runtime::verify;

/// How many differences are printed.
const SHOWN: usize = 20;

/// Compare every file of a runtime with its runtime.json
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime
    runtime: Utf8PathBuf,
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<()> {
    report(&arguments.runtime)
}

/// Verifies a runtime and says so.
pub fn report(runtime: &Utf8Path) -> Result<()> {
    let description = verify::read(runtime)?;
    let differences = verify::verify(runtime, &description)?;
    if !differences.is_empty() {
        let lines = differences.lines().collect::<Vec<_>>();
        let more = lines.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!("\n    and {more} more") } else { String::new() };
        let shown = lines.iter().take(SHOWN).map(|line| format!("\n    {line}")).collect::<String>();
        bail!(
            Failure::new(Exit::Data, format!("`{runtime}` is not what it was made to be:{shown}{more}"))
                .hint("make it again with `cargo xtask provision`; its store has all that is needed")
        );
    }
    let size = description.files.iter().map(|file| file.size).sum::<u64>();
    println!("{runtime}: {} files, {}, all as described", description.files.len(), human_size(size));
    Ok(())
}
