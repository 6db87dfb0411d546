//! `speaches verify`: is every file of the runtime what it was made to be?

use serde_json::json;
use speaches_format::description::Description;
use speaches_format::failure::{Exit, Failure};
use speaches_format::layout;
use speaches_format::size::human_size;
use speaches_format::verification::{self, Depth, Differences};

use crate::own_runtime;

/// How many differences are printed for people.
const SHOWN: usize = 20;

/// Compare every file of this runtime with its runtime.json
#[derive(clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// [`Exit::Data`] when something is changed, missing or extra.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let root = own_runtime::root()?;
    let unreadable = |error| Failure::new(Exit::InputOutput, format!("the runtime cannot be read: {error}"));
    let text = fs_err::read(root.join(layout::DESCRIPTION)).map_err(unreadable)?;
    // A changed description proves nothing about the other files.
    let (files, differences, why) = match Description::parse(&text) {
        Ok(description) => {
            let differences = verification::compare(&root, &description.files, Depth::Content).map_err(unreadable)?;
            (description.files, differences, String::new())
        }
        Err(why) => {
            let changed = vec![layout::DESCRIPTION.to_owned()];
            (Vec::new(), Differences { changed, ..Differences::default() }, format!(" ({why})"))
        }
    };
    let place = root.display();
    let size = files.iter().map(|file| file.size).sum::<u64>();
    if arguments.json {
        super::print_json(&json!({
            "runtime": root, "files": files.len(), "size": size, "same": differences.is_empty(),
            "differences": differences,
        }))?;
    }
    if !differences.is_empty() {
        let lines = differences.lines().collect::<Vec<_>>();
        let mut list = lines.iter().take(SHOWN).map(|line| format!("\n  {line}")).collect::<String>();
        if lines.len() > SHOWN {
            list.push_str(&format!("\n  … and {} more", lines.len() - SHOWN));
        }
        return Err(Failure::new(Exit::Data, format!("`{place}` was modified after it was made:{list}{why}"))
            .hint("provision or unpack the runtime again"));
    }
    if !arguments.json {
        super::print(&format!("{place}: {} files, {}, all as described\n", files.len(), human_size(size)));
    }
    Ok(Exit::Success)
}
