//! `cargo xtask cache`: where the store is and how large.

use anyhow::Result;
use clap::Subcommand;
use walkdir::WalkDir;

use crate::plan::human_size;
use crate::store::Store;

/// Look after the store of fetched inputs
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print the directory of the store
    Dir,
    /// Print how much the store holds
    Size,
}

/// Runs the subcommand.
pub fn run(command: &Command) -> Result<()> {
    let store = Store::locate()?;
    match command {
        Command::Dir => println!("{}", store.root()),
        Command::Size => {
            let mut size = 0;
            for entry in WalkDir::new(store.root()).into_iter().flatten() {
                if entry.file_type().is_file() {
                    size += entry.metadata()?.len();
                }
            }
            println!("{}", human_size(size));
        }
    }
    Ok(())
}
