//! Puts the models of the runtime into the user's Hugging Face cache, as links, so that nothing is fetched that is
//! already there, and so that models which other programs have fetched can be used too.
//!
//! It links the models that `runtime.json` lists, and no other input. It changes nothing that is there. Every file
//! appears in one step, `refs/main` last, so that services may start at the same time and a start that was cut short is
//! finished by the next.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use speaches_format::description::Model;
use speaches_format::layout;
use speaches_format::tree;

use crate::hub;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Additions and oddities, one sentence each.
    pub notes: Vec<String>,
}

/// Links every bundled model of `from` (the runtime's cache) into `to` (the user's).
pub fn link(models: &[Model], from: &Path, to: &Path) -> io::Result<Linked> {
    let mut linked = Linked::default();
    for model in models {
        let name = hub::directory_of(&model.id);
        let source = from.join(&name).join("snapshots").join(&model.revision);
        let repository = to.join(&name);
        // The error for a missing model comes when the model is needed. Here the launcher warns, and links the others.
        let Ok(files) = tree::files_below(&source) else {
            linked.notes.push(format!("warning: the bundled model {} is missing from the runtime", model.id));
            continue;
        };
        let link = Link { model, files: &files, source: &source, repository: &repository };
        linked.notes.extend(link.run()?);
    }
    Ok(linked)
}

struct Link<'a> {
    model: &'a Model,
    /// Relative to the snapshot.
    files: &'a [PathBuf],
    source: &'a Path,
    repository: &'a Path,
}

impl Link<'_> {
    fn run(&self) -> io::Result<Option<String>> {
        let revision = self.model.revision.as_str();
        let mut main = hub::main_revision(self.repository);
        if let Some(old) = main.as_deref().filter(|main| *main != revision && self.is_left_over(main)) {
            fs_err::remove_file(self.repository.join("refs/main"))?;
            fs_err::remove_dir_all(self.snapshot(old))?;
            main = None;
        }
        let theirs = main.as_deref().filter(|main| *main != revision);
        if let Some(theirs) = theirs
            && self.is_complete(theirs)
        {
            return Ok(Some(format!("{}: using revision {theirs} of the user's cache", self.model.id)));
        }
        let mut added = 0;
        if !self.is_complete(revision) {
            added = self.add_files()?;
        }
        if main.is_none() {
            self.add_reference()?;
        }
        let place = self.repository.display();
        Ok(match theirs {
            Some(theirs) => Some(format!(
                "warning: {}: revision {theirs} in `{place}` is not complete; the bundled one was put beside it",
                self.model.id
            )),
            None if added > 0 => Some(format!("{}: linked {added} files into `{place}`", self.model.id)),
            None => None,
        })
    }

    fn snapshot(&self, revision: &str) -> PathBuf {
        self.repository.join("snapshots").join(revision)
    }

    /// Whether a snapshot has every file that ours has, by name. Links that lead nowhere are not there.
    fn is_complete(&self, revision: &str) -> bool {
        let snapshot = self.snapshot(revision);
        self.files.iter().all(|file| snapshot.join(file).exists())
    }

    /// How many files were missing.
    fn add_files(&self) -> io::Result<usize> {
        let snapshot = self.snapshot(&self.model.revision);
        let mut added = 0;
        for file in self.files {
            let (from, to) = (self.source.join(file), snapshot.join(file));
            if let Some(directory) = to.parent() {
                fs_err::create_dir_all(directory)?;
            }
            added += usize::from(match fs_err::read_link(&to) {
                Ok(target) if !to.exists() && self.is_ours(&target, &self.model.revision, file) => replace(&from, &to)?,
                _ => add(&from, &to)?,
            });
        }
        Ok(added)
    }

    /// Whether a runtime made this broken link: this one before it was moved, or another one. huggingface_hub's own
    /// links lead into `blobs/`.
    fn is_ours(&self, target: &Path, revision: &str, file: &Path) -> bool {
        let repository = Path::new(layout::MODELS_HUB).join(hub::directory_of(&self.model.id));
        target.is_absolute() && target.ends_with(repository.join("snapshots").join(revision).join(file))
    }

    /// Whether a snapshot has nothing but our links that lead nowhere: a runtime with another revision was removed.
    fn is_left_over(&self, revision: &str) -> bool {
        let snapshot = self.snapshot(revision);
        let files = tree::files_below(&snapshot).unwrap_or_default();
        let is_dead = |file: &PathBuf| {
            let path = snapshot.join(file);
            !path.exists() && fs_err::read_link(&path).is_ok_and(|target| self.is_ours(&target, revision, file))
        };
        !files.is_empty() && files.iter().all(is_dead)
    }

    /// huggingface_hub compares the text with names of directories: N.B. a newline would make the repository vanish.
    fn add_reference(&self) -> io::Result<()> {
        let reference = self.repository.join("refs/main");
        let directory = self.repository.join("refs");
        fs_err::create_dir_all(&directory)?;
        let scratch = scratch_beside(&reference);
        fs_err::write(&scratch, &self.model.revision)?;
        // A hard link never replaces a file that another process has written meanwhile.
        let result = match fs_err::hard_link(&scratch, &reference) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                ignore_existing(create(&reference, &self.model.revision)).map(drop)
            }
            other => ignore_existing(other).map(drop),
        };
        fs_err::remove_file(&scratch)?;
        result
    }
}

/// On a file system without hard links.
fn create(path: &Path, text: &str) -> io::Result<()> {
    fs_err::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Links a file, or copies it, unless something is there. Whether it was added.
fn add(from: &Path, to: &Path) -> io::Result<bool> {
    let is_other =
        |result: &io::Result<()>| result.as_ref().is_err_and(|error| error.kind() != ErrorKind::AlreadyExists);
    let mut result = fs_err::hard_link(from, to);
    if is_other(&result) {
        // On another file system, or not allowed for files of another user.
        result = symlink(from, to);
    }
    // Windows lets ordinary users make no symbolic links, or follow none to a network drive; some file systems have none.
    if is_other(&result) || (result.is_ok() && !to.exists()) { copy(from, to) } else { ignore_existing(result) }
}

/// Copies a file unless something is there, so that no half of it is ever seen under its name. Whether it was copied.
fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    let scratch = scratch_beside(to);
    let copied = fs_err::copy(from, &scratch).and_then(|_| {
        let is_new = !to.exists();
        if is_new { fs_err::rename(&scratch, to) } else { fs_err::remove_file(&scratch) }.map(|()| is_new)
    });
    if copied.is_err() {
        // The error that counts is known.
        let _ = fs_err::remove_file(&scratch);
    }
    copied
}

/// Replaces a link that leads nowhere.
fn replace(from: &Path, to: &Path) -> io::Result<bool> {
    let scratch = scratch_beside(to);
    add(from, &scratch)?;
    fs_err::rename(&scratch, to)?;
    Ok(true)
}

/// A name that no other process or thread uses at the same time.
fn scratch_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{count}", std::process::id()))
}

fn ignore_existing(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn symlink(from: &Path, to: &Path) -> io::Result<()> {
    fs_err::os::unix::fs::symlink(from, to)
}

#[cfg(windows)]
fn symlink(from: &Path, to: &Path) -> io::Result<()> {
    fs_err::os::windows::fs::symlink_file(from, to)
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
