//! `speaches harbor install` and `uninstall`: the files that make a Harbor use this runtime.

use std::path::Path;

use speaches_format::failure::{Exit, Failure};

use crate::harbor::files::{Done, File, Found};
use crate::harbor::home::{Flavor, Home};
use crate::own_runtime::OwnRuntime;

pub fn install(home: &Home, files: &[File], dry_run: bool, replace: bool) -> Result<Exit, Failure> {
    eprintln!("Harbor is in `{}` ({})", home.path.display(), home.flavor.describe());
    let mut kept = false;
    for file in files {
        let path = file.path.display();
        if dry_run {
            match file.find()? {
                Found::Same => eprintln!("`{path}` is up to date"),
                Found::Missing => eprintln!("`{path}` would be written"),
                Found::Older => eprintln!("`{path}` would be replaced: it comes from another runtime or version"),
                Found::Theirs if replace => {
                    eprintln!("`{path}` would be renamed to `{}` and replaced", file.aside().display());
                }
                Found::Theirs => {
                    eprintln!("`{path}` would be kept, and `{}` would be written", file.beside().display());
                }
            }
            continue;
        }
        match file.install(replace)? {
            Done::Written => eprintln!("wrote `{path}`"),
            Done::Replaced => eprintln!("wrote `{path}`; the previous file is now `{}`", file.aside().display()),
            Done::Beside => {
                kept = true;
                eprintln!("kept `{path}`, because it is not the file that this program wrote");
                eprintln!("wrote `{}`", file.beside().display());
            }
            _ => eprintln!("`{path}` is already up to date"),
        }
    }
    if kept {
        eprintln!(
            "hint: compare both files; `speaches harbor install --replace` uses the new files and keeps the others as \
             `.orig`"
        );
    } else if !dry_run {
        eprint!("{}", next_steps(home.flavor));
    }
    Ok(Exit::Success)
}

pub fn uninstall(home: &Home, root: &Path) -> Result<Exit, Failure> {
    for file in File::all(home, root)? {
        let path = file.path.display();
        match file.uninstall()? {
            Done::Removed => eprintln!("removed `{path}`"),
            Done::Restored => eprintln!("restored `{path}`"),
            Done::Kept => eprintln!("kept `{path}`, because it is not the file that this program wrote"),
            _ => eprintln!("`{path}` does not exist"),
        }
    }
    Ok(Exit::Success)
}

/// Writes what is missing or of another version, as `harbor up` needs it.
///
/// # Errors
/// [`Exit::CannotCreate`] when a file of the user or of another program is in a place of ours.
pub fn complete(home: &Home, runtime: &OwnRuntime) -> Result<(), Failure> {
    for file in File::all(home, &runtime.root)? {
        let path = file.path.display();
        match file.find()? {
            Found::Same => {}
            Found::Missing | Found::Older => {
                file.install(false)?;
                eprintln!("wrote `{path}`");
            }
            Found::Theirs => {
                let said =
                    format!("`{path}` is not the file that this program wrote, so Harbor may not use this runtime");
                return Err(Failure::new(Exit::CannotCreate, said).hint(
                    "`speaches harbor install --replace` writes the file of this runtime and keeps the other as \
                     `.orig`",
                ));
            }
        }
    }
    Ok(())
}

const fn next_steps(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Native => {
            "next: `speaches harbor up webui`; if this Harbor uses the container, first run\n      \
             `harbor config set speaches.execution_preference native`\n"
        }
        Flavor::Stock => {
            "next: `speaches harbor up webui`; it starts the service, then `harbor up webui speaches speaches-native`\n      \
             (without the word `speaches-native` Harbor uses the container, as before)\n"
        }
    }
}
