//! `cargo xtask cache`: where the store is, how large, whether it is sound, and making it smaller.

use anyhow::{Result, bail};
use clap::Subcommand;
use speaches_launcher::layout::Family;
use walkdir::WalkDir;

use crate::failure::{Exit, Failure};
use crate::plan::human_size;
use crate::progress;
use crate::store::Store;
use crate::wheel::tree;

/// Look after the store of fetched inputs
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print the directory of the store
    Dir,
    /// Print how much the store holds
    Size,
    /// Remove what no provision will use: unpacked downloads, given up ones, and what was set aside
    Prune,
    /// Hash everything in the store, and set aside what is damaged
    Verify,
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
        Command::Prune => {
            let families = [Family::Unix, Family::Windows];
            let freed = store.prune(|sha256| families.iter().any(|family| tree::has_tree(&store, sha256, *family)))?;
            println!("{}: {} freed", store.root(), human_size(freed));
        }
        Command::Verify => verify(&store)?,
    }
    Ok(())
}

fn verify(store: &Store) -> Result<()> {
    let step = progress::for_stderr().step("Hashing the store");
    let checked = store.check()?;
    step.finish();
    if !checked.damaged.is_empty() {
        let list =
            checked.damaged.iter().map(|(what, place)| format!("\n    {what}\n      now: {place}")).collect::<String>();
        bail!(
            Failure::new(
                Exit::Data,
                format!("the store `{}` had damaged parts, which were set aside:{list}", store.root())
            )
            .hint(
                "the next provision makes them again; runtimes that were filled from them may share the damage: \
                     `cargo xtask verify RUNTIME`"
            )
        );
    }
    println!("{}: {} files and {} trees, all as they should be", store.root(), checked.files, checked.trees);
    Ok(())
}
