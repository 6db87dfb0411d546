//! `speaches harbor status`: whether Harbor uses this runtime, and every hop between Open WebUI and the service.

use speaches_format::failure::{Exit, Failure};

use crate::harbor::background::Background;
use crate::harbor::files::{File, Found};
use crate::harbor::home::Home;
use crate::harbor::hops::{self, Hop};
use crate::own_runtime::OwnRuntime;

/// Prints a line for each file and each hop.
pub fn status(home: &Home, background: &Background<'_>, runtime: &OwnRuntime) -> Result<Exit, Failure> {
    println!("Harbor: `{}` ({})", home.path.display(), home.flavor.describe());
    let mut states = Vec::new();
    for file in File::all(home, &runtime.root)? {
        let found = file.find()?;
        states.push(found);
        let text = match found {
            Found::Same => "as this runtime has it",
            Found::Missing => "not there",
            Found::Older => "of another runtime or version",
            Found::Theirs => "changed since it was installed",
        };
        println!("`{}`: {text}", file.path.display());
    }
    let hops = hops::look(background);
    for hop in &hops {
        println!("{hop}");
    }
    if states.iter().any(|found| matches!(found, Found::Missing | Found::Older)) {
        eprintln!("hint: `speaches harbor install` writes missing and outdated files");
    }
    if states.contains(&Found::Theirs) {
        eprintln!("hint: `speaches harbor install --replace` writes this runtime's file and keeps yours as `.orig`");
    }
    let complete = states.iter().all(|found| *found == Found::Same);
    let works = !hops.iter().any(Hop::is_broken);
    Ok(if complete && works { Exit::Success } else { Exit::Unavailable })
}
