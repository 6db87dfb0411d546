//! The files that make a Harbor use a runtime: writing them, comparing them, and removing them.

use std::path::{Path, PathBuf};

use speaches_format::failure::{Exit, Failure};
use speaches_format::layout;

use super::home::{Flavor, Home};
use super::marked::{Marked, mark, state_of};
use crate::{own_runtime, whole_file};

const CONTRACT: &str = "speaches_native.yml";
const SCRIPT: &str = "speaches_native.sh";
/// The compose file for a Harbor without a native mode.
pub const OVERLAY: &str = "compose.x.speaches.speaches-native.yml";
/// The line of the script that says where the launcher is.
const LAUNCHER_LINE: &str = "installed=''";

#[derive(Clone, Debug)]
pub struct File {
    pub path: PathBuf,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Missing,
    Same,
    /// The file of another runtime or version, as that one wrote it.
    Older,
    /// A file that the user or another program has written or changed.
    Theirs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Nothing,
    Written,
    /// Theirs stays, and this one is beside it, with `.new` behind its name.
    Beside,
    /// It was written, and theirs is beside it, with `.orig` behind its name.
    Replaced,
    Removed,
    /// It was removed, and theirs is back in its place.
    Restored,
    Kept,
}

impl File {
    /// The files for a Harbor, as the runtime at `root` has them, with its launcher in them.
    ///
    /// # Errors
    /// [`Exit::Unavailable`] when the runtime lacks them.
    pub fn all(home: &Home, root: &Path) -> Result<Vec<Self>, Failure> {
        let launcher = own_runtime::launcher(root);
        let read = |place: &str| {
            let path = root.join(layout::HARBOR).join(place);
            fs_err::read_to_string(path).map_err(|error| {
                Failure::new(Exit::Unavailable, format!("the runtime has no files for Harbor: {error}"))
                    .hint(crate::own_runtime::DAMAGED)
            })
        };
        let services = home.services();
        let file = |path: PathBuf, text: &str| Self { path, text: mark(text) };
        Ok(match home.flavor {
            Flavor::Native => {
                let script = read("speaches/speaches_native.sh")?;
                let script = script.replacen(LAUNCHER_LINE, &format!("installed={}", quoted(&launcher)), 1);
                vec![
                    file(services.join("speaches").join(CONTRACT), &read("speaches/speaches_native.yml")?),
                    file(services.join("speaches").join(SCRIPT), &script),
                ]
            }
            Flavor::Stock => vec![file(services.join(OVERLAY), &read(&format!("services/{OVERLAY}"))?)],
        })
    }

    /// Looks at what is there.
    ///
    /// # Errors
    /// [`Exit::NoInput`] when it cannot be read.
    pub fn find(&self) -> Result<Found, Failure> {
        let there = match fs_err::read(&self.path) {
            Ok(there) => there,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Missing),
            Err(error) => return Err(Failure::new(Exit::NoInput, format!("cannot look at Harbor's files: {error}"))),
        };
        let there = String::from_utf8_lossy(&there);
        Ok(match state_of(&there) {
            _ if there == self.text => Found::Same,
            Marked::Untouched => Found::Older,
            Marked::Changed | Marked::Foreign => Found::Theirs,
        })
    }

    /// Installs the file, unless the user or another program has changed the one that is there. With `replace`, the
    /// changed file is moved aside.
    ///
    /// # Errors
    /// [`Exit::CannotCreate`] when it cannot be written, or something was put aside before.
    pub fn install(&self, replace: bool) -> Result<Done, Failure> {
        let beside = self.beside();
        Ok(match self.find()? {
            Found::Same => {
                remove(&beside)?;
                Done::Nothing
            }
            Found::Missing | Found::Older => {
                self.write(&self.path)?;
                remove(&beside)?;
                Done::Written
            }
            Found::Theirs if replace => {
                let aside = self.aside();
                if aside.exists() {
                    let said = format!("`{}` already exists, from an earlier replacement", aside.display());
                    return Err(Failure::new(Exit::CannotCreate, said).hint("move it somewhere else first"));
                }
                fs_err::rename(&self.path, &aside).map_err(|error| cannot_change(&error))?;
                self.write(&self.path)?;
                remove(&beside)?;
                Done::Replaced
            }
            Found::Theirs => {
                self.write(&beside)?;
                Done::Beside
            }
        })
    }

    /// Removes the file, unless the user or another program has changed it, and the files that were put beside it.
    ///
    /// # Errors
    /// [`Exit::CannotCreate`] when it cannot be removed.
    pub fn uninstall(&self) -> Result<Done, Failure> {
        remove(&self.beside())?;
        Ok(match self.find()? {
            Found::Theirs => Done::Kept,
            // Ours may be gone already.
            Found::Missing | Found::Same | Found::Older if self.aside().exists() => {
                fs_err::rename(self.aside(), &self.path).map_err(|error| cannot_change(&error))?;
                Done::Restored
            }
            Found::Missing => Done::Nothing,
            Found::Same | Found::Older => {
                remove(&self.path)?;
                Done::Removed
            }
        })
    }

    /// The file's path when a file of the user has its place.
    #[must_use]
    pub fn beside(&self) -> PathBuf {
        self.with(".new")
    }

    /// The path to which a replaced file of the user moves.
    #[must_use]
    pub fn aside(&self) -> PathBuf {
        self.with(".orig")
    }

    fn with(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    fn write(&self, path: &Path) -> Result<(), Failure> {
        let mode = if self.path.ends_with(SCRIPT) { 0o755 } else { 0o644 };
        whole_file::write(path, &self.text, mode).map_err(|error| cannot_change(&error))
    }
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(cannot_change(&error)),
        _ => Ok(()),
    }
}

fn cannot_change(error: &std::io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("Harbor's files cannot be changed: {error}"))
        .hint("change the owner or the permissions of Harbor's home, or run this as its owner")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_any_characters_is_one_word() {
        assert_eq!(quoted(Path::new("/a b/it's $x")), r"'/a b/it'\''s $x'");
    }
}
